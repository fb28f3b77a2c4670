/** What a frame of a profile is called and whose it is: the application's, a package's, Node's, V8's. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { probeName } from './loop-probe.ts';

export interface FrameName {
  name: string;
  /** "folder/file.ts:12", "node_modules/pkg/file.js:12", "node:net:12"; "" for what V8 itself provides. */
  where: string;
}

/** @param cwd folder that the application's paths are shown relative to */
export function readFrame(
  frame: { functionName: string; url: string; line: number },
  cwd: string,
): FrameName {
  if (frame.functionName === probeName) return { name: "(the lab's probe)", where: 'irontrack-lab' };
  const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
  const file = shortenUrl(frame.url, cwd);
  return { name, where: file === '' || frame.line < 0 ? file : `${file}:${frame.line + 1}` };
}

const packageRoot = 'node_modules/';

function shortenUrl(url: string, cwd: string): string {
  if (url === '' || url.startsWith('node:')) return url;
  if (url.startsWith('wasm:')) return 'wasm';
  const path = url.startsWith('file:') ? readFilePath(url) : url;
  const inPackage = path.lastIndexOf(`/${packageRoot}`);
  if (inPackage >= 0) return path.slice(inPackage + 1);
  if (!path.startsWith('/') || cwd === '') return path;
  const near = relative(cwd, path);
  // What lies far outside is better known by its last folders than by a ladder of "..".
  return near.startsWith('../..') ? path.split('/').slice(-3).join('/') : near;
}

function readFilePath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}

/** Not the server's CPU: the graph and the table leave them out. */
export const profilerThreads = "the profiler's threads";

/** What the threads do that the kernel has these names for; the first that fits. */
const threadNames: readonly { name: RegExp; means: string }[] = [
  { name: /^(?:v8:ProfEvntProc|InspectorIo|SignalInspector)/, means: profilerThreads },
  { name: /libuv-worker/, means: 'libuv threads (crypto, files, DNS)' },
  { name: /V8Worker/, means: 'V8 threads (GC, compiler)' },
  { name: /^WorkerThread/, means: 'worker threads of the application' },
  { name: /^ended$/, means: 'threads that ended' },
];

/** A name for people of a thread the kernel calls `name`; those that we do not know are "<name> threads". */
export function describeThread(name: string): string {
  return threadNames.find((known) => known.name.test(name))?.means ?? `${name} threads`;
}

/** The order is that of the legend. */
export const ownerKinds = ['app', 'package', 'node', 'v8', 'gc', 'native', 'thread', 'lab'] as const;
export type OwnerKind = (typeof ownerKinds)[number];

export interface Owner {
  /** Package, folder, or what it is: "@fastify/ajv-compiler", "src/http/", "node (built in)". */
  name: string;
  kind: OwnerKind;
}

/** A map: a frame may be called `constructor` or `toString`, which every object has. */
const owners: ReadonlyMap<string, Owner> = new Map([
  ['(garbage collector)', { name: 'V8 garbage collector', kind: 'gc' }],
  ["(the lab's probe)", { name: 'this lab', kind: 'lab' }],
  ['main thread', { name: 'main thread', kind: 'thread' }],
  ['all CPU', { name: 'all CPU', kind: 'thread' }],
]);

export function findOwner(frame: FrameName): Owner {
  const { name, where } = frame;
  const known = owners.get(name);
  if (known !== undefined) return known;
  if (where === 'native') return { name: 'native I/O', kind: 'native' };
  if (where === 'thread') return { name, kind: 'thread' };
  if (where === '') return { name: 'V8 built-ins', kind: 'v8' };
  if (where === 'wasm') return { name: 'WebAssembly', kind: 'package' };
  if (where.startsWith('node:')) return { name: 'node (built in)', kind: 'node' };
  if (where.startsWith(packageRoot)) {
    const [first = '', second = ''] = where.slice(packageRoot.length).split('/');
    return { name: first.startsWith('@') ? `${first}/${second}` : first, kind: 'package' };
  }
  return { name: `${where.slice(0, where.lastIndexOf('/') + 1) || './'}`, kind: 'app' };
}
