/** Profiles a running Node in a pass of its own: CPU samples, CPU by thread, and what its event loop saw. */
import { setTimeout as sleep } from 'node:timers/promises';
import { exitStatus, LabError } from '../exit-status.ts';
import { pinThread } from '../load/pinning.ts';
import type { FlameNode, ProfileTable, Stall } from '../result/result.ts';
import { readProcessCpuNs } from '../sample/cpu-time.ts';
import { listThreads, readThreadName, readThreadTimes } from '../sample/proc.ts';
import { type LoadSeen, listStalls, shareBlocked } from '../sample/stall-list.ts';
import { buildFlame, type CpuProfile, findStackDuring, parseCpuProfile } from './cpu-profile.ts';
import { type Inspector, type InspectorTarget, openInspector } from './inspector.ts';
import { type LoopSeen, startLoopProbe } from './loop-probe.ts';
import { pickBusiestNode } from './pick-node.ts';
import { tabulateShares } from './share-table.ts';

export interface LoadDuringProfile {
  /** Right answers. */
  answered: number;
  seen: LoadSeen;
}

/** `pids` are those of a server; the Node among them that works most is profiled. */
export type ProfileTarget = InspectorTarget | { pids: readonly number[]; inspectorUrl?: string };

export type ProfileOptions = ProfileTarget & {
  /** How long; with `load`, only the least. */
  seconds: number;
  /** Samples a second; 1000 unless told, which costs the target about 42 ms of CPU a second. */
  hz?: number;
  /** Runs while the profile does; its seconds count from the moment it is called. */
  load?: () => Promise<LoadDuringProfile>;
  /**
   * Where V8's sampler shall run, as `taskset -c` takes it: not where the server does, if there is another core. It is a
   * thread that waits for a core like any other: on one core it comes when the server has gone to sleep, and sees of
   * requests of a quarter of a millisecond hardly one in five.
   */
  samplerCores?: string | null;
  /** Ends the profile early, with what it has. */
  signal?: AbortSignal;
};

export interface RecordedProfile {
  profile: CpuProfile;
  /** The file for --cpuprofile: opens in Chrome's tools, and in --diff with its CPU by thread. */
  file: string;
  table: ProfileTable;
  flame: FlameNode;
  /** Of 20 ms and more, with the stack that ran most; startS counts from the start of the profile. */
  stalls: Stall[];
  loop: {
    /** Share of the time in stalls of 20 ms and more. */
    blockedShare: number;
    /** Share of the time in which the loop was not waiting for events. */
    utilization: number;
  };
}

/**
 * Never within a measured run: sampling and the probe cost CPU of the server. Leaves the target as it was.
 *
 * @throws LabError (tool) when there is nothing to profile, or it ends half-way
 */
export async function recordProfile(options: ProfileOptions): Promise<RecordedProfile> {
  const target = await findTarget(options);
  const inspector = await openInspector(target);
  try {
    const who = await inspector.evaluate('JSON.stringify([process.pid, process.cwd()])');
    const [pid, cwd] = readIdentity(who);
    const isHere = 'pid' in target || isLocal(inspector.url);
    await inspector.call('Profiler.enable');
    await inspector.call('Profiler.setSamplingInterval', {
      interval: Math.round(1e6 / (options.hz ?? 1000)),
    });
    await inspector.call('Profiler.start');
    if (isHere && typeof options.samplerCores === 'string') await moveSampler(pid, options.samplerCores);
    await forgetOptimizedCode(inspector);
    // Only now: V8 starts by listing every function it knows (50 ms in a large heap), and ends by listing its samples.
    const before = isHere ? readCpuByThread(pid) : null;
    const endProbe = await startLoopProbe(inspector);

    const loadStartedUs = Number(process.hrtime.bigint()) / 1000;
    let load: LoadDuringProfile | undefined;
    let seen: LoopSeen;
    try {
      load = await waitForLoad(options);
    } finally {
      // Also when the load failed: the probe is not to stay in the server.
      seen = await endProbe();
    }
    const after = isHere ? readCpuByThread(pid) : null;
    const stopped = await inspector.call('Profiler.stop');
    await inspector.call('Profiler.disable');

    const raw: object = readObject(Reflect.get(readObject(stopped), 'profile'));
    const cpu = before === null || after === null ? null : diffCpu(before, after, pid);
    const bare = parseCpuProfile(raw);
    const context = {
      wallS: bare.context.wallS,
      mainThreadUs: cpu?.mainThreadUs ?? null,
      threads: cpu?.threads ?? [],
      cwd,
      requests: load?.answered ?? null,
    };
    const profile = { ...bare, context };
    const flame = buildFlame(profile);
    const offsetS = (seen.startedAtUs - profile.startUs) / 1e6;
    const gaps = seen.gaps.map((gap) => {
      const startS = gap.startS + offsetS;
      const fromUs = profile.startUs + startS * 1e6;
      const stack = findStackDuring(profile, fromUs, fromUs + gap.lengthMs * 1000);
      return { startS, lengthMs: gap.lengthMs, stack };
    });
    // Processes of one machine share the monotonic clock; the requests are counted on that of the load.
    const loadOffsetS = isHere ? (loadStartedUs - profile.startUs) / 1e6 : 0;
    const stalls = listStalls(
      gaps.map((gap) => ({ ...gap, startS: gap.startS - loadOffsetS })),
      load?.seen,
    ).map((stall) => ({ ...stall, startS: Math.max(0, stall.startS + loadOffsetS) }));
    return {
      profile,
      file: JSON.stringify({ ...raw, irontrackLab: context }),
      table: tabulateShares(flame, context.wallS),
      flame,
      stalls,
      loop: { blockedShare: shareBlocked(gaps, seen.wallS), utilization: seen.utilization },
    };
  } finally {
    await inspector.close();
  }
}

/** Until the time is over and the load has ended, or somebody interrupts. */
async function waitForLoad({
  load,
  seconds,
  signal,
}: ProfileOptions): Promise<LoadDuringProfile | undefined> {
  const failed = new AbortController();
  const ends = AbortSignal.any(signal === undefined ? [failed.signal] : [failed.signal, signal]);
  const time = sleep(seconds * 1000, undefined, { signal: ends }).catch(() => undefined);
  try {
    return await load?.();
  } catch (error) {
    failed.abort();
    throw error;
  } finally {
    await time;
  }
}

/**
 * Code that was optimised before a profile began does not say which functions were inlined into it: their time would
 * go to the caller, and the hot function have no name. Precise coverage makes V8 drop all optimised code, and being
 * profiled it keeps the names when it optimises again, which takes a busy server some tenths of a second.
 */
async function forgetOptimizedCode(inspector: Inspector): Promise<void> {
  await inspector.call('Profiler.startPreciseCoverage', { callCount: false, detailed: false });
  await inspector.call('Profiler.stopPreciseCoverage');
}

/** The kernel cuts names off after 15 letters. */
const samplerName = 'v8:ProfEvntProc';

async function moveSampler(pid: number, cores: string): Promise<void> {
  for (const thread of listThreads(pid)) {
    if (readThreadName(pid, thread) === samplerName) await pinThread(thread, cores);
  }
}

async function findTarget(target: ProfileTarget): Promise<InspectorTarget> {
  if (!('pids' in target)) return target;
  const pid = await pickBusiestNode(target.pids);
  if (pid !== null) return { pid };
  if (target.inspectorUrl !== undefined) return { inspectorUrl: target.inspectorUrl };
  throw new LabError(
    exitStatus.tool,
    'The server runs no Node, so there is nothing to profile: leave the profile out.',
  );
}

function readIdentity(text: unknown): [pid: number, cwd: string] {
  const parts: unknown = JSON.parse(String(text));
  const [pid, cwd]: unknown[] = Array.isArray(parts) ? parts : [];
  return [Number(pid), String(cwd)];
}

function readObject(value: unknown): object {
  if (typeof value === 'object' && value !== null) return value;
  throw new LabError(exitStatus.tool, 'The inspector gave no profile: is the target Node 20 or later?');
}

/** Only then are the PIDs of the target those of our /proc. */
function isLocal(url: string): boolean {
  return process.platform === 'linux' && /^(?:127\.|localhost$|\[::1\]$)/.test(new URL(url).hostname);
}

interface CpuByThread {
  totalNs: number;
  threads: Map<number, { name: string; cpuNs: number }>;
}

function readCpuByThread(pid: number): CpuByThread {
  const threads: CpuByThread['threads'] = new Map();
  for (const thread of listThreads(pid)) {
    const cpuNs = readThreadTimes(pid, thread)?.cpuNs;
    if (cpuNs !== undefined) threads.set(thread, { name: readThreadName(pid, thread) ?? 'unnamed', cpuNs });
  }
  return { totalNs: readProcessCpuNs(pid), threads };
}

/** Threads that ended in between are the rest to the process's total, which stat rounds to 10 ms twice. */
function diffCpu(before: CpuByThread, after: CpuByThread, pid: number) {
  const byName = new Map<string, number>();
  let mainThreadUs = 0;
  let knownUs = 0;
  for (const [thread, { name, cpuNs }] of after.threads) {
    const cpuUs = Math.max(0, cpuNs - (before.threads.get(thread)?.cpuNs ?? 0)) / 1000;
    knownUs += cpuUs;
    if (thread === pid) mainThreadUs = cpuUs;
    else byName.set(name, (byName.get(name) ?? 0) + cpuUs);
  }
  const endedUs = (after.totalNs - before.totalNs) / 1000 - knownUs;
  if (endedUs > 20_000) byName.set('ended', endedUs);
  const threads = [...byName].map(([name, cpuUs]) => ({ name, cpuUs })).filter(({ cpuUs }) => cpuUs > 0);
  return { mainThreadUs, threads };
}
