/** The parts of the page that are the same for every result: style, chart library and script, read once. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';

export interface PageFiles {
  style: string;
  /** The chart library first, then the page's own script. */
  scripts: readonly string[];
  /** Of the chart library, which travels with it. */
  license: string;
  /** Content-Security-Policy: no network at all, and only these scripts and this style. */
  policy: string;
}

const folder = new URL('./browser/', import.meta.url);
/** In the order in which each may use those before it. */
const ownScripts = ['figures.ts', 'chart-frame.ts', 'charts.ts', 'page.ts'] as const;

let kept: PageFiles | undefined;

/** Reads them at the first report, strips the types and joins the modules into one script. */
export function readPageFiles(): PageFiles {
  kept ??= loadPageFiles();
  return kept;
}

function loadPageFiles(): PageFiles {
  const dist = dirname(createRequire(import.meta.url).resolve('uplot'));
  const library = readFileSync(join(dist, 'uPlot.iife.min.js'), 'utf8');
  const style = shrinkStyle(
    readFileSync(join(dist, 'uPlot.min.css'), 'utf8') + readFileSync(new URL('page.css', folder), 'utf8'),
  );
  const own = ownScripts.map((name) => joinable(readFileSync(new URL(name, folder), 'utf8'))).join('\n');
  const scripts = [library, `'use strict';{\n${own}}`];
  if ([style, ...scripts].some((text) => /<\/(?:script|style)|<!--/i.test(text)))
    throw new Error('A part of the report page would end its own element.');
  const policy = [
    "default-src 'none'",
    `script-src ${scripts.map(digest).join(' ')}`,
    `style-src ${digest(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return { style, scripts, license: readFileSync(join(dist, '..', 'LICENSE'), 'utf8'), policy };
}

/** Without types, imports, the word export and comments: modules become parts of one block. */
function joinable(source: string): string {
  return stripTypes(source)
    .replace(/^import [^;]*;$/gm, '')
    .replace(/^export /gm, '')
    .replace(/^\s*(?:\/\/.*|\/\*\*.*\*\/)$/gm, '')
    .replace(/[ \t]+$/gm, '')
    .replace(/\n{2,}/g, '\n');
}

/** Node calls the function experimental once in a process; that is no news to who asked for a page. */
function stripTypes(source: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

function shrinkStyle(css: string): string {
  return css
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,]) ?/g, '$1');
}

function digest(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
