/** Reads a .cpuprofile of V8 and turns its samples into one tree of CPU time that agrees with what /proc measured. */
import { exitStatus, LabError } from '../exit-status.ts';
import type { FlameNode } from '../result/result.ts';
import { describeThread, profilerThreads, readFrame } from './frame-names.ts';
import { field } from './inspector.ts';

export interface ProfileNode {
  id: number;
  functionName: string;
  url: string;
  /** From 0, as V8 counts; -1 where it has none. */
  line: number;
  children: readonly number[];
}

/** What was measured beside the samples; written into the file under `irontrackLab`, which other readers skip. */
export interface ProfileContext {
  wallS: number;
  /** CPU of the thread that was sampled, by /proc; null when the process was on another machine. */
  mainThreadUs: number | null;
  /** CPU of the other threads by the name the kernel knows. */
  threads: readonly { name: string; cpuUs: number }[];
  /** The working folder, which the paths of the application are shown relative to. */
  cwd: string;
  /** Right answers while it ran; null without load. */
  requests: number | null;
}

export interface CpuProfile {
  nodes: readonly ProfileNode[];
  startUs: number;
  endUs: number;
  /** Node ids. */
  samples: readonly number[];
  /** When each sample was taken, rising, on the clock of startUs. */
  timesUs: readonly number[];
  context: ProfileContext;
}

/**
 * Takes what Profiler.stop answers, or a .cpuprofile file of any tool.
 *
 * @throws LabError (tool) when it is none
 */
export function parseCpuProfile(raw: unknown, context?: ProfileContext): CpuProfile {
  const rawNodes = field(raw, 'nodes');
  const samples = readNumbers(field(raw, 'samples'));
  const deltas = readNumbers(field(raw, 'timeDeltas'));
  const startUs = Number(field(raw, 'startTime'));
  const endUs = Number(field(raw, 'endTime'));
  const isComplete = Array.isArray(rawNodes) && samples !== null && samples.length === deltas?.length;
  if (!isComplete || deltas === null || !Number.isFinite(endUs - startUs)) {
    throw new LabError(
      exitStatus.tool,
      'That is no .cpuprofile (nodes, samples, timeDeltas, startTime, endTime): record one with --cpuprofile.',
    );
  }
  const nodes = rawNodes.map(readNode);
  let atUs = startUs;
  const timesUs = deltas.map((delta) => {
    atUs += delta;
    return atUs;
  });
  // V8 can give a sample a time before the one in front of it, by a few microseconds.
  for (let index = 1; index < timesUs.length; index += 1) {
    timesUs[index] = Math.max(timesUs[index] ?? 0, timesUs[index - 1] ?? 0);
  }
  const wallS = (endUs - startUs) / 1e6;
  return { nodes, startUs, endUs, samples, timesUs, context: context ?? readContext(raw, wallS) };
}

function readNode(raw: unknown): ProfileNode {
  const frame = field(raw, 'callFrame');
  return {
    id: Number(field(raw, 'id')),
    functionName: String(field(frame, 'functionName') ?? ''),
    url: String(field(frame, 'url') ?? ''),
    line: Number(field(frame, 'lineNumber') ?? -1),
    children: readNumbers(field(raw, 'children')) ?? [],
  };
}

function readNumbers(raw: unknown): number[] | null {
  return Array.isArray(raw) ? raw.map(Number) : null;
}

function readContext(raw: unknown, wallS: number): ProfileContext {
  const saved = field(raw, 'irontrackLab');
  const main = field(saved, 'mainThreadUs');
  const requests = field(saved, 'requests');
  const threads: unknown = field(saved, 'threads');
  return {
    wallS,
    mainThreadUs: typeof main === 'number' ? main : null,
    threads: (Array.isArray(threads) ? threads : []).map((thread) => ({
      name: String(field(thread, 'name')),
      cpuUs: Number(field(thread, 'cpuUs')),
    })),
    cwd: String(field(saved, 'cwd') ?? ''),
    requests: typeof requests === 'number' ? requests : null,
  };
}

/** Microseconds by node id: a sample stands for the time until the next one. */
export function sumSelfTimes(profile: CpuProfile): Map<number, number> {
  const times = new Map<number, number>();
  for (const [index, id] of profile.samples.entries()) {
    const from = profile.timesUs[index] ?? 0;
    const until = profile.timesUs[index + 1] ?? Math.max(from, profile.endUs);
    times.set(id, (times.get(id) ?? 0) + until - from);
  }
  return times;
}

/** How V8 calls what is no function; a leaf with one of these names ran no JavaScript. */
const idle = '(idle)';
const program = '(program)';

/**
 * The tree of CPU time: all CPU, its threads, their calls. V8 samples the clock, not the CPU, and calls up to 15 % of
 * a fully busy core "(idle)" while libuv reads and writes sockets. So the main thread's total is what /proc says: what
 * is missing from the samples is "native I/O", together with V8's "(program)"; what is too much (the thread was
 * waiting for a core in the middle of a function) is scaled down. Without /proc the samples stand as they are.
 */
export function buildFlame(profile: CpuProfile): FlameNode {
  const { context } = profile;
  const selfTimes = sumSelfTimes(profile);
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  let sampledUs = 0;
  for (const [id, timeUs] of selfTimes) if (byId.get(id)?.functionName !== idle) sampledUs += timeUs;
  const mainUs = context.mainThreadUs ?? sampledUs;
  const scale = sampledUs > mainUs && sampledUs > 0 ? mainUs / sampledUs : 1;

  const main = emptyNode('main thread', '');
  const [root] = profile.nodes;
  for (const id of root?.children ?? []) addCalls(main, id, byId, selfTimes, scale, context.cwd);
  addNativeTime(main, mainUs - sampledUs * scale);

  const all = emptyNode('all CPU', '');
  all.children.push(main);
  for (const { name, cpuUs } of context.threads) {
    const means = describeThread(name);
    if (means === profilerThreads) continue;
    const known = all.children.find((child) => child.name === means);
    if (known !== undefined) known.selfUs += cpuUs;
    else all.children.push({ ...emptyNode(means, 'thread'), selfUs: cpuUs });
  }
  sumTotals(all);
  sortChildren(all);
  return all;
}

export function emptyNode(name: string, where: string): FlameNode {
  return { name, where, totalUs: 0, selfUs: 0, children: [] };
}

/** Calls of one function from one caller are one node, however many V8 keeps (it splits them by optimisation). */
function addCalls(
  parent: FlameNode,
  id: number,
  byId: ReadonlyMap<number, ProfileNode>,
  selfTimes: ReadonlyMap<number, number>,
  scale: number,
  cwd: string,
): void {
  const node = byId.get(id);
  if (node === undefined || node.functionName === idle) return;
  const { name, where } = readFrame(node, cwd);
  let child = parent.children.find((candidate) => candidate.name === name && candidate.where === where);
  if (child === undefined) {
    child = emptyNode(name, where);
    parent.children.push(child);
  }
  child.selfUs += (selfTimes.get(id) ?? 0) * scale;
  for (const callee of node.children) addCalls(child, callee, byId, selfTimes, scale, cwd);
}

/** What the main thread used without a function: of it, what the samples did not see. */
export const nativeName = 'native I/O';
export const unseenName = 'seen by V8 as (idle)';

function addNativeTime(main: FlameNode, unsampledUs: number): void {
  const at = main.children.findIndex((child) => child.name === program);
  const seen = at < 0 ? undefined : main.children.splice(at, 1)[0];
  const parts = [
    { ...emptyNode('seen by V8 as (program)', 'native'), selfUs: seen?.selfUs ?? 0 },
    { ...emptyNode(unseenName, 'native'), selfUs: Math.max(0, unsampledUs) },
  ];
  main.children.push({
    ...emptyNode(nativeName, 'native'),
    children: parts.filter((part) => part.selfUs > 0),
  });
}

function sumTotals(node: FlameNode): number {
  node.totalUs = node.selfUs;
  for (const child of node.children) node.totalUs += sumTotals(child);
  return node.totalUs;
}

/** The widest first, and nothing that took no time. */
function sortChildren(node: FlameNode): void {
  node.children = node.children
    .filter((child) => child.totalUs > 0)
    .sort((a, b) => b.totalUs - a.totalUs || (a.name < b.name ? -1 : 1));
  for (const child of node.children) sortChildren(child);
}

/**
 * The stack seen most often between two moments, innermost frame first as "function (file:line)"; empty when no
 * sample in between ran anything, as when the thread itself had no core.
 */
export function findStackDuring(profile: CpuProfile, fromUs: number, untilUs: number): string[] {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const node of profile.nodes) for (const child of node.children) parents.set(child, node.id);
  const counts = new Map<number, number>();
  for (const [index, id] of profile.samples.entries()) {
    const atUs = profile.timesUs[index] ?? 0;
    const name = byId.get(id)?.functionName;
    if (atUs < fromUs || atUs > untilUs || name === idle || name === program) continue;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  let leaf: number | undefined;
  for (const [id, count] of counts) {
    if (leaf === undefined || count > (counts.get(leaf) ?? 0)) leaf = id;
  }
  const stack: string[] = [];
  for (let id = leaf; id !== undefined; id = parents.get(id)) {
    const node = byId.get(id);
    if (node === undefined || node.functionName === '(root)') continue;
    const { name, where } = readFrame(node, profile.context.cwd);
    stack.push(where === '' ? name : `${name} (${where})`);
  }
  return stack;
}
