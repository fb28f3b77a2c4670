/** Says where an import leads, and finds the circles. */
import { posix } from 'node:path';
import type { SourceTree } from './source-tree.ts';

export interface Workspace {
  readonly folder: string;
  readonly packageName: string;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
}

export type Target =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'missing'; readonly path: string }
  | { readonly kind: 'workspace'; readonly workspace: Workspace; readonly path: string }
  | { readonly kind: 'package'; readonly name: string };

/** The root package speaks for tools/, which has no package.json of its own. */
export function readWorkspaces(tree: SourceTree): Workspace[] {
  const workspaces: Workspace[] = [];
  for (const [path, text] of tree.texts) {
    if (posix.basename(path) !== 'package.json') continue;
    const manifest: unknown = JSON.parse(text);
    const folder = path === 'package.json' ? 'tools' : posix.dirname(path);
    const name = readMember(manifest, 'name');
    workspaces.push({
      folder,
      packageName: typeof name === 'string' ? name : folder,
      dependencies: new Set([
        ...listKeys(readMember(manifest, 'dependencies')),
        ...listKeys(readMember(manifest, 'optionalDependencies')),
        ...listKeys(readMember(manifest, 'peerDependencies')),
      ]),
      devDependencies: new Set(listKeys(readMember(manifest, 'devDependencies'))),
    });
  }
  return workspaces;
}

export function resolveImport(
  tree: SourceTree,
  workspaces: readonly Workspace[],
  from: string,
  specifier: string,
): Target {
  if (specifier.startsWith('.')) {
    const path = posix.normalize(posix.join(posix.dirname(from), specifier));
    return { kind: tree.texts.has(path) ? 'file' : 'missing', path };
  }
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  const workspace = workspaces.find((candidate) => candidate.packageName === name);
  if (workspace === undefined) return { kind: 'package', name };
  return { kind: 'workspace', workspace, path: `${workspace.folder}${specifier.slice(name.length)}` };
}

/** One path through each group of files that import each other, starting at its first name. */
export function findCycles(edges: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  for (const start of [...edges.keys()].toSorted()) {
    if (done.has(start)) continue;
    const cycle = findWayBack(edges, start);
    if (cycle === undefined) continue;
    cycles.push(cycle);
    for (const file of cycle) done.add(file);
  }
  return cycles;
}

/** The shortest way from a file back to itself. */
function findWayBack(edges: ReadonlyMap<string, ReadonlySet<string>>, start: string): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    for (const next of edges.get(file) ?? []) {
      if (next === start) return tracePath(cameFrom, start, file);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, file);
      queue.push(next);
    }
  }
  return undefined;
}

function tracePath(cameFrom: ReadonlyMap<string, string>, start: string, last: string): string[] {
  const path = [start];
  for (let file: string | undefined = last; file !== undefined && file !== start; file = cameFrom.get(file)) {
    path.unshift(file);
  }
  return [start, ...path];
}

function readMember(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function listKeys(value: unknown): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : [];
}
