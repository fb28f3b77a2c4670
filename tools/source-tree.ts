/**
 * Reads a repository's text files once and parses its code with the compiler's own parser, so that a rule never
 * mistakes a comment, a string or a regular expression for code.
 *
 * `typescript/unstable/*` is the only programmatic door of TypeScript 7. It may change with any release, which is
 * why the package is pinned to an exact version and why the tests of the rules go through it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SourceFile } from 'typescript/unstable/ast';
import { createVirtualFileSystem } from 'typescript/unstable/fs';
import { API } from 'typescript/unstable/sync';

export interface SourceTree {
  /** Every text file by its path from the root, with `/` on every platform. */
  readonly texts: ReadonlyMap<string, string>;
  /** The files among them that are code, parsed. */
  readonly modules: ReadonlyMap<string, SourceFile>;
}

export const repositoryRoot = fileURLToPath(new URL('..', import.meta.url));

const codeFile = /\.(?:ts|tsx|mts|js|mjs|cjs|jsx)$/;

export function isCodeFile(path: string): boolean {
  return codeFile.test(path);
}

/** Tests and benchmarks may wire anything together; what they import and say is judged by fewer rules. */
export function isTestFile(path: string): boolean {
  return /\.(?:test|bench)\.(?:ts|mjs)$/.test(path) || /(?:^|\/)(?:test|tests|testing)\//.test(path);
}

export function readSourceTree(root: string): SourceTree {
  const texts = readTexts(root);
  return { texts, modules: parseModules(texts) };
}

/** Walks the folder itself: git is not on every machine, and it refuses a clone that belongs to another user. */
function readTexts(root: string): Map<string, string> {
  const isIgnored = readIgnoreRules(root);
  const texts = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (isIgnored(entry.name, entry.isDirectory())) continue;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) {
        const text = readFileSync(join(root, path), 'utf8');
        if (!text.includes('\0')) texts.set(path, text);
      }
    }
  };
  visit('');
  return texts;
}

function readIgnoreRules(root: string): (name: string, isFolder: boolean) => boolean {
  const folders = new Set(['.git', 'node_modules']);
  const endings: string[] = [];
  const hasIgnoreFile = readdirSync(root).includes('.gitignore');
  const lines = hasIgnoreFile ? readFileSync(join(root, '.gitignore'), 'utf8').split('\n') : [];
  for (const line of lines.map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    if (/^[^*/]+\/$/.test(line)) folders.add(line.slice(0, -1));
    else if (/^\*\.[^*/]+$/.test(line)) endings.push(line.slice(1));
    else
      throw new Error(
        `.gitignore: "${line}" is neither "folder/" nor "*.ending"; teach tools/source-tree.ts`,
      );
  }
  return (name, isFolder) => (isFolder ? folders.has(name) : endings.some((ending) => name.endsWith(ending)));
}

function parseModules(texts: ReadonlyMap<string, string>): Map<string, SourceFile> {
  const paths = [...texts.keys()].filter(isCodeFile);
  const modules = new Map<string, SourceFile>();
  if (paths.length === 0) return modules;
  // Parsing only: no lib, no resolution, nothing from the disk.
  const compilerOptions = { noResolve: true, noLib: true, types: [], allowJs: true, jsx: 'preserve' };
  const files: Record<string, string> = {
    '/tsconfig.json': JSON.stringify({ compilerOptions, files: paths.map((path) => `./tree/${path}`) }),
  };
  for (const path of paths) files[`/tree/${path}`] = texts.get(path) ?? '';
  const api = new API({ cwd: '/', fs: createVirtualFileSystem(files) });
  try {
    const program = api.updateSnapshot({ openProjects: ['/tsconfig.json'] }).getProjects()[0]?.program;
    for (const path of paths) {
      const module = program?.getSourceFile(`/tree/${path}`);
      if (module === undefined) throw new Error(`${path}: the parser returned nothing for it`);
      modules.set(path, module);
    }
  } finally {
    api.close();
  }
  return modules;
}
