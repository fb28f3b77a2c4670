/** Reads the lanes of a run from /proc ten times a second: what the server, its threads and the machine did. */
import type { LaneReading } from '../result/result.ts';
import {
  type CoreTicks,
  listThreads,
  readCores,
  readCpuPressureUs,
  readResidentBytes,
  readThreadSwitches,
  readThreadTimes,
} from './proc.ts';

export interface SamplerOptions {
  /** Asked before each reading, as the processes of a server come and go. */
  pids: () => readonly number[];
  /** Readings a second; 10 unless told. */
  hz?: number;
}

export interface Sampler {
  /** What was read so far; grows while it runs. `atS` counts from startedAtMs. */
  readonly readings: readonly LaneReading[];
  /** On the clock of performance.now(). */
  readonly startedAtMs: number;
  /** Why there are no readings; null when there are. */
  readonly note: string | null;
  /** Takes a last reading when a third of an interval has passed since the one before, and ends. */
  stop(): LaneReading[];
}

interface Thread {
  cpuNs: number;
  waitNs: number;
  voluntary: number;
  involuntary: number;
}

interface Snapshot {
  atMs: number;
  /** By "pid/thread". */
  threads: Map<string, Thread>;
  processes: Set<number>;
  cores: CoreTicks[];
  pressureUs: number | null;
  rssBytes: number;
}

/** Begins at once; on a system without /proc it reads nothing and says so in `note`. */
export function startSampler(options: SamplerOptions): Sampler {
  const startedAtMs = performance.now();
  const readings: LaneReading[] = [];
  if (process.platform !== 'linux') {
    const note = 'The lanes are read from /proc, which only Linux has: none were taken.';
    return { readings, startedAtMs, note, stop: () => readings };
  }
  const intervalMs = 1000 / (options.hz ?? 10);
  let previous = takeSnapshot(options.pids());
  const read = (): void => {
    const next = takeSnapshot(options.pids());
    readings.push(diffSnapshots(previous, next, startedAtMs));
    previous = next;
  };
  const timer = setInterval(read, intervalMs);
  const stop = (): LaneReading[] => {
    clearInterval(timer);
    if (performance.now() - previous.atMs > intervalMs / 3) read();
    return readings;
  };
  return { readings, startedAtMs, note: null, stop };
}

function takeSnapshot(pids: readonly number[]): Snapshot {
  const threads = new Map<string, Thread>();
  const processes = new Set<number>();
  const atMs = performance.now();
  let rssBytes = 0;
  for (const pid of pids) {
    const resident = readResidentBytes(pid);
    if (resident === null) continue;
    processes.add(pid);
    rssBytes += resident;
    for (const thread of listThreads(pid)) {
      const times = readThreadTimes(pid, thread);
      const switches = readThreadSwitches(pid, thread);
      if (times !== null && switches !== null) threads.set(`${pid}/${thread}`, { ...times, ...switches });
    }
  }
  return { atMs, threads, processes, cores: readCores(), pressureUs: readCpuPressureUs(), rssBytes };
}

/**
 * Rates between two snapshots. A thread that is new in a process we knew did all it did in between; one that ended
 * takes its last milliseconds along; a process that is new gives no rates before its second reading, since how much
 * of its past lies in between is unknown.
 */
function diffSnapshots(before: Snapshot, after: Snapshot, startedAtMs: number): LaneReading {
  const elapsedMs = Math.max(after.atMs - before.atMs, 0.001);
  const sum: Thread = { cpuNs: 0, waitNs: 0, voluntary: 0, involuntary: 0 };
  for (const [key, now] of after.threads) {
    const then = before.threads.get(key);
    if (then === undefined && !before.processes.has(Number.parseInt(key, 10))) continue;
    sum.cpuNs += now.cpuNs - (then?.cpuNs ?? 0);
    sum.waitNs += now.waitNs - (then?.waitNs ?? 0);
    sum.voluntary += now.voluntary - (then?.voluntary ?? 0);
    sum.involuntary += now.involuntary - (then?.involuntary ?? 0);
  }
  const perS = 1000 / elapsedMs;
  const pressureUs =
    after.pressureUs === null || before.pressureUs === null ? null : after.pressureUs - before.pressureUs;
  return {
    atS: (after.atMs - startedAtMs) / 1000,
    cores: after.cores.map((core, index) => share(core, before.cores[index], 'busy')),
    serverCpu: atLeastZero(sum.cpuNs) / 1e6 / elapsedMs,
    runQueueMsPerS: (atLeastZero(sum.waitNs) / 1e6) * perS,
    voluntarySwitchesPerS: atLeastZero(sum.voluntary) * perS,
    involuntarySwitchesPerS: atLeastZero(sum.involuntary) * perS,
    rssMb: after.rssBytes / 1024 / 1024,
    cpuPressure: pressureUs === null ? null : Math.min(1, atLeastZero(pressureUs) / 1000 / elapsedMs),
    steal: shareOfSteal(before.cores, after.cores),
  };
}

function share(now: CoreTicks, then: CoreTicks | undefined, field: 'busy' | 'steal'): number {
  const all = now.all - (then?.all ?? now.all);
  return all <= 0 ? 0 : Math.min(1, atLeastZero(now[field] - (then?.[field] ?? 0)) / all);
}

function shareOfSteal(before: readonly CoreTicks[], after: readonly CoreTicks[]): number {
  const shares = after.map((core, index) => share(core, before[index], 'steal'));
  return shares.length === 0 ? 0 : shares.reduce((sum, value) => sum + value, 0) / shares.length;
}

function atLeastZero(value: number): number {
  return Math.max(0, value);
}
