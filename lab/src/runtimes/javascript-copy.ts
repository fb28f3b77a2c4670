/** The server in JavaScript, for a runtime that does not strip types, with what an older one lacks. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';

const folders = ['server', 'contract'];
const left = new Set(['node_modules', 'test', 'bench']);

/**
 * Loaded before the server. Node 20 has no Promise.withResolvers, no RegExp.escape (routes need no more than this one) and
 * no node:sqlite, which only the embedded database uses.
 */
const preload = `import { register } from 'node:module';
Promise.withResolvers ??= function withResolvers() {
  let resolve;
  let reject;
  const promise = new this((a, b) => { resolve = a; reject = b; });
  return { promise, resolve, reject };
};
RegExp.escape ??= (text) => text.replace(/[\\\\^$.*+?()[\\]{}|\\/-]/g, '\\\\$&');
const hooks = "export const resolve = async (name, context, next) => name === 'node:sqlite'" +
  " ? { url: 'data:text/javascript,export class DatabaseSync {}', shortCircuit: true } : next(name, context);";
register('data:text/javascript,' + encodeURIComponent(hooks));
`;

/**
 * Copies server and contract of a checkout with their types removed, beside links to its packages.
 *
 * @returns paths of the program and of the module to load before it
 */
export function copyAsJavaScript(checkout: string, target: string): { main: string; preload: string } {
  for (const folder of folders) copyFolder(join(checkout, folder), join(target, folder));
  cpSync(join(checkout, 'package.json'), join(target, 'package.json'));
  const modules = join(target, 'node_modules');
  mkdirSync(join(modules, '@irontrack'), { recursive: true });
  for (const name of readdirSync(join(checkout, 'node_modules'))) {
    if (name !== '@irontrack') symlinkSync(join(checkout, 'node_modules', name), join(modules, name));
  }
  symlinkSync(join(target, 'contract'), join(modules, '@irontrack', 'contract'));
  const path = join(target, 'preload.mjs');
  writeFileSync(path, preload);
  return { main: join(target, 'server/src/main.js'), preload: path };
}

function copyFolder(source: string, target: string): void {
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const from = join(source, entry.name);
    const to = join(target, relative(source, from));
    if (entry.isDirectory()) {
      if (!left.has(entry.name)) copyFolder(from, to);
    } else if (entry.name.endsWith('.ts')) {
      const text = stripTypeScriptTypes(readFileSync(from, 'utf8'));
      writeFileSync(to.replace(/\.ts$/, '.js'), renameImports(text));
    } else if (entry.name === 'package.json') {
      writeFileSync(to, readFileSync(from, 'utf8').replaceAll('.ts"', '.js"'));
    } else {
      mkdirSync(dirname(to), { recursive: true });
      cpSync(from, to);
    }
  }
}

/** Of imports, and of the files that are started as programs of their own, such as workers. */
function renameImports(text: string): string {
  return text.replace(/((?:from|import|new URL)\s*\(?\s*)(['"])([^'"\n]+)\.ts\2/g, '$1$2$3.js$2');
}
