/**
 * Keeps the arrows of docs/decisions/0001-house-rules.md: who may import whom. The facts are in boundary-facts.ts;
 * this file only compares them with what the code imports.
 */
import { isBuiltin } from 'node:module';
import {
  domainOrder,
  groundFolders,
  loadersOfUserFiles,
  processFile,
  sharedFiles,
  wiring,
  workspaceArrows,
} from './boundary-facts.ts';
import { type Fault, reportFaults } from './fault.ts';
import { findCycles, readWorkspaces, resolveImport, type Workspace } from './import-graph.ts';
import { findFirstMention, isBarrel, listImports, type ModuleImport } from './module-imports.ts';
import { isCodeFile, isTestFile, readSourceTree, repositoryRoot, type SourceTree } from './source-tree.ts';

const serverSource = 'server/src/';

type Place =
  | { readonly kind: 'domain'; readonly name: string; readonly mainFile: string }
  | { readonly kind: 'ground' | 'wiring' | 'process' | 'test' | 'unknown'; readonly name: string };

export function findBoundaryFaults(tree: SourceTree): Fault[] {
  const workspaces = readWorkspaces(tree);
  const edges = new Map<string, Set<string>>();
  const faults: Fault[] = [];
  for (const [file, module] of tree.modules) {
    const imports = listImports(module);
    const targets = new Set<string>();
    edges.set(file, targets);
    faults.push(...checkPlace(file));
    if (isBarrel(module)) {
      faults.push({
        file,
        line: 1,
        rule: 'barrel',
        message: 'only re-exports; import from the file that defines it',
      });
    }
    for (const found of imports) {
      const report = (rule: string, message: string): void => {
        faults.push({ file, line: found.line, rule, message });
      };
      const target = checkImport(tree, workspaces, file, found, report);
      if (target === undefined || !isCodeFile(target)) continue;
      // A main file and its statements may name each other's types: nothing of that is left at run time.
      if (!(found.isErased && folderOf(file) === folderOf(target))) targets.add(target);
    }
  }
  for (const cycle of findCycles(edges)) {
    const message = `${cycle.join(' -> ')}; move what they share into a file that both import`;
    faults.push({ file: cycle[0] ?? '', line: 1, rule: 'cycle', message });
  }
  return [...faults, ...checkMountOrder(tree)];
}

type Report = (rule: string, message: string) => void;

/** Reports what is wrong with one import and returns the file of ours that it leads to, if any. */
function checkImport(
  tree: SourceTree,
  workspaces: readonly Workspace[],
  file: string,
  found: ModuleImport,
  report: Report,
): string | undefined {
  const { specifier } = found;
  const home = file.split('/', 1)[0] ?? '';
  if (specifier === undefined) {
    if (home !== 'tools' && !isTestFile(file) && !loadersOfUserFiles.includes(file)) {
      report(
        'computed-import',
        'cannot be checked; name the file, or choose from a table of functions that do',
      );
    }
    return undefined;
  }
  if (isBuiltin(specifier)) return undefined;
  const target = resolveImport(tree, workspaces, file, specifier);
  if (target.kind === 'package') {
    checkPackage(workspaces, file, home, target.name, report);
    return undefined;
  }
  if (target.kind === 'missing') {
    report('missing', `${target.path} does not exist; imports name the file with its ending`);
    return undefined;
  }
  const destination = target.path.split('/', 1)[0] ?? '';
  if (sharedFiles[target.path]?.includes(home)) return target.path;
  if (destination !== home) {
    if (!(workspaceArrows[home] ?? []).includes(destination)) {
      const allowed = (workspaceArrows[home] ?? []).join(' and ') || 'nothing of ours';
      report('arrow', `${home} must not import ${destination}: it may import ${allowed}`);
    } else if (target.kind === 'file') {
      report('package-name', `reaches into ${destination} by path; import it by its package name`);
    } else checkPackage(workspaces, file, home, target.workspace.packageName, report);
    return target.path;
  }
  if (target.kind === 'workspace') report('package-name', 'imports its own package; use a relative path');
  if (isTestFile(target.path) && !isTestFile(file)) {
    report('test', `imports the test file ${target.path}; move what is needed out of the tests`);
  }
  if (file.startsWith(serverSource) && target.path.startsWith(serverSource)) {
    checkLayers(placeOf(file), placeOf(target.path), target.path, report);
  }
  return target.path;
}

function checkPackage(
  workspaces: readonly Workspace[],
  file: string,
  home: string,
  name: string,
  report: Report,
): void {
  // A folder inside a workspace may have a manifest of its own: what is installed apart from everything else.
  const own = workspaces
    .filter(({ folder }) => folder === home || file.startsWith(`${folder}/`))
    .toSorted((a, b) => b.folder.length - a.folder.length)[0];
  if (own?.dependencies.has(name)) return;
  const root = workspaces.find((workspace) => workspace.folder === 'tools');
  const isDevelopmentOnly = home === 'tools' || isTestFile(file);
  if (isDevelopmentOnly && (own?.devDependencies.has(name) || root?.devDependencies.has(name))) return;
  const manifest = home === 'tools' ? 'package.json' : `${own?.folder ?? home}/package.json`;
  report(
    'undeclared-package',
    `${name} is not among the dependencies of ${manifest}; add it there or do without`,
  );
}

function checkLayers(from: Place, to: Place, path: string, report: Report): void {
  if (from.kind === 'test' || from.kind === 'wiring' || from.kind === 'unknown') return;
  if (to.kind === 'wiring' || to.kind === 'process') {
    if (from.kind === 'process') return;
    report('wiring', `${path} wires things together; take what is needed as an argument instead`);
  } else if (to.kind === 'domain') {
    if (from.kind === 'ground') {
      report('ground', `the ground knows no domain, and ${path} is in ${to.name}; take it as an argument`);
    } else if (from.kind === 'process') {
      report('wiring', `only app.ts and commands/ meet domains; let one of them hand over ${path}`);
    } else if (from.kind === 'domain' && from.name !== to.name) {
      checkDomainCall(from.name, to, path, report);
    }
  }
}

function checkDomainCall(name: string, to: Place, path: string, report: Report): void {
  if (domainOrder.indexOf(to.name) > domainOrder.indexOf(name)) {
    report(
      'mount-order',
      `${to.name} is mounted after ${name}; turn the call round or pass a function in app.ts`,
    );
  }
  if (to.kind === 'domain' && path !== to.mainFile) {
    report('main-file', `${name} may call ${to.name} only through ${to.mainFile}`);
  }
}

/** A domain may be a folder (sessions/sessions.ts) or, while it is small, a single file (roles.ts). */
function placeOf(path: string): Place {
  const parts = path.slice(serverSource.length).split('/');
  const isSingleFile = parts.length === 1;
  const name = (parts[0] ?? '').split('.', 1)[0] ?? '';
  if (isTestFile(path)) return { kind: 'test', name };
  if (isSingleFile && name === processFile) return { kind: 'process', name };
  if (wiring.includes(name)) return { kind: 'wiring', name };
  if (domainOrder.includes(name)) {
    return { kind: 'domain', name, mainFile: `${serverSource}${isSingleFile ? '' : `${name}/`}${name}.ts` };
  }
  return { kind: isSingleFile || groundFolders.includes(name) ? 'ground' : 'unknown', name };
}

/** The domain or ground folder of a file of the server; for any other file its workspace. */
function folderOf(file: string): string {
  return file.startsWith(serverSource) ? serverSource + placeOf(file).name : (file.split('/', 1)[0] ?? '');
}

/** Code in a folder that the facts do not know would be under no rule at all. */
function checkPlace(file: string): Fault[] {
  const folder = file.split('/', 1)[0] ?? '';
  const unlisted = 'add it to tools/boundary-facts.ts or move the file';
  if (!Object.hasOwn(workspaceArrows, folder)) {
    return [
      { file, line: 1, rule: 'place', message: `"${folder}" has no row in workspaceArrows; ${unlisted}` },
    ];
  }
  if (!file.startsWith(serverSource) || placeOf(file).kind !== 'unknown') return [];
  const message = `"${placeOf(file).name}" is neither a domain nor ground; ${unlisted}`;
  return [{ file, line: 1, rule: 'place', message }];
}

/** The main files are built and the routes are mounted in the order of the table, whatever lies between. */
function checkMountOrder(tree: SourceTree): Fault[] {
  const file = `${serverSource}app.ts`;
  const app = tree.modules.get(file);
  if (app === undefined) return [];
  const faults: Fault[] = [];
  const imports = listImports(app);
  const mounted = new Set<string>();
  for (const isRoutes of [true, false]) {
    let latest = { at: -1, name: '' };
    for (const name of domainOrder) {
      const wanted = isRoutes ? `./${name}/${name}.routes.ts` : `./${name}/${name}.ts`;
      const single = isRoutes ? `./${name}.routes.ts` : `./${name}.ts`;
      const sources = imports.filter(({ specifier }) => specifier === wanted || specifier === single);
      const names = new Set(sources.flatMap((found) => found.names));
      const at = findFirstMention(app, names);
      if (at === Number.POSITIVE_INFINITY) continue;
      if (isRoutes) mounted.add(name);
      if (at < latest.at) {
        const line = app.getLineAndCharacterOfPosition(at).line + 1;
        const message = `${name} comes before ${latest.name}; the order is that of tools/boundary-facts.ts`;
        faults.push({ file, line, rule: 'mount-order', message });
      } else latest = { at, name };
    }
  }
  for (const name of domainOrder) {
    const routes = [`${serverSource}${name}/${name}.routes.ts`, `${serverSource}${name}.routes.ts`];
    if (mounted.has(name) || !routes.some((path) => tree.modules.has(path))) continue;
    faults.push({ file, line: 1, rule: 'unmounted', message: `${name} has routes that app.ts never mounts` });
  }
  return faults;
}

if (import.meta.main) {
  const tree = readSourceTree(repositoryRoot);
  reportFaults(findBoundaryFaults(tree), tree.modules.size);
}
