/** What an hour of soaking comes to: verdicts on memory, latency and what is counted, with the limits they are held against. */
import { type GroupName, groupNames, passingTables } from '../../server/test/topology/soak/readings.ts';
import { collectedNames } from './soak-held.ts';
import { countUnexpected, type Latencies, type Minute } from './soak-minute.ts';
import {
  type Finding,
  findSlope,
  judgeCount,
  judgeQuarters,
  judgeSlope,
  leastReadings,
  medianOf,
  type Point,
} from './soak-verdict.ts';

/**
 * MB that the processes of a kind may have more for themselves after an hour, by the slope of the second half. What is
 * shared or mapped from files is left out: those are caches of a fixed size that fill once. So is garbage: workers and
 * supervisors are read after a collection.
 */
const memoryLimits: Record<GroupName, number> = {
  // A million requests in an hour at 300/s: 20 bytes of each, less than the smallest object that JavaScript has.
  workers: 20,
  // They answer nobody; 5 bytes for each request that they counted.
  supervisors: 5,
  // It takes and gives back a pool for each connection and each request.
  nginx: 5,
  // Its buffers belong to connections, of which there are as many all the time.
  pgbouncer: 2,
  // All it has expires within 15 minutes at most.
  valkey: 5,
  // Some 30 processes that learn the catalog as they go: 1 MB each.
  postgresql: 30,
};

/**
 * KiB of an entry, as server/src/sessions/callers.ts has them; each cache ends at 20,000 for each serving process. The
 * cache of pages says how many bytes it has, and ends at 84 MB.
 */
const cacheEntryKib: Readonly<Record<string, number>> = { token: 0.8, session: 0.35, user: 0.6 };

/**
 * What the last quarter may be beside the first, in milliseconds. A quarter more is what this kind of machine differs by
 * from one hour to the next; the constant is what a timer and the neighbours add to a short time.
 */
const p50Limit = (first: number) => first * 1.25 + 0.5;
/** A P99 is made by the worst seconds of a minute: half more, and a tick of the scheduler (4 ms). */
const p99Limit = (first: number) => first * 1.5 + 4;
/** Of fewer requests in a minute the P99 is one or two of them. */
const leastForP99 = 500;
/** Of fewer a median moves with who happened to be asked. */
const leastForP50 = 20;
/** Connections that happen to be open at the moment of a reading. */
const countMargin = 20;
/** Deliveries on their way and leases of a minute, at the rates of this load. */
const rowsMargin = 2_000;
const tableMarginMb = 8;

export interface Verdict {
  what: string;
  finding: Finding | 'holds' | 'fails';
  /** Figures and limit. */
  because: string;
}

/** Something that must be so whatever the figures are. */
export interface Promised {
  what: string;
  kept: boolean;
  because: string;
}

/** The minutes after the warm-up; `latencies` belong to them, one by one. */
export interface Soak {
  minutes: readonly Minute[];
  latencies: readonly Latencies[];
}

export const ms = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(1));
export const mb = (value: number) => value.toFixed(value < 10 ? 1 : 0);

/** @returns nothing for a run that is too short to show a trend */
export function judge({ minutes }: Soak): Verdict[] {
  if (minutes.length < leastReadings) return [];
  return [...judgeMemory(minutes), ...judgeLatency(minutes), ...judgeCounts(minutes)];
}

function judgeMemory(minutes: readonly Minute[]): Verdict[] {
  const collected = minutes.filter(({ held }) => held !== undefined);
  return [
    ...collectedNames.flatMap((name) => [
      judgeGroup(collected, name, 'what the heaps hold', ({ held }) => held?.[name].liveMb),
      judgeGroup(collected, name, 'memory after a collection', ({ held }) => held?.[name].ownMb),
    ]),
    ...groupNames
      .filter((name) => collectedNames.every((collectedName) => collectedName !== name))
      .map((name) => judgeGroup(minutes, name, 'memory', ({ reading }) => reading.groups[name].ownMb)),
  ];
}

function judgeGroup(
  minutes: readonly Minute[],
  name: GroupName,
  what: string,
  read: (minute: Minute) => number | undefined,
): Verdict {
  const points = minutes.map((minute): Point => {
    const megabytes = read(minute) ?? Number.NaN;
    return [minute.minute / 60, name === 'workers' ? megabytes - cachedMb(minute) : megabytes];
  });
  const { finding, perHour, low, high, limit } = judgeSlope(points, memoryLimits[name]);
  const ends = `${mb(points[0]?.[1] ?? Number.NaN)} to ${mb(points.at(-1)?.[1] ?? Number.NaN)} MB`;
  const slope = `${perHour.toFixed(1)} MB an hour in the second half (95 %: ${low.toFixed(1)} to ${high.toFixed(1)})`;
  const less = name === 'workers' ? `, without ${cachedGrowth(minutes)} that the caches took in` : '';
  return { what: `${what} of ${name}`, finding, because: `${ends}; ${slope}; limit ${limit}${less}` };
}

function cachedMb({ reading }: Minute): number {
  const { cacheEntries, cacheBytes } = reading.metrics;
  const counted = Object.entries(cacheEntries).map(
    ([name, count]) => count * (cacheEntryKib[name] ?? 0) * 1024,
  );
  return [...counted, ...Object.values(cacheBytes)].reduce((sum, bytes) => sum + bytes, 0) / 2 ** 20;
}

function cachedGrowth(minutes: readonly Minute[]): string {
  const points = minutes.slice(Math.floor(minutes.length / 2));
  const slope = findSlope(points.map((minute): Point => [minute.minute / 60, cachedMb(minute)]));
  return `${slope.perHour.toFixed(1)} MB an hour`;
}

function judgeLatency(minutes: readonly Minute[]): Verdict[] {
  return namesOf(minutes).flatMap((name) => {
    const counted = minutes.flatMap(({ minute, kinds }) => {
      const kind = kinds[name];
      return kind === undefined ? [] : [{ hours: minute / 60, ...kind }];
    });
    const usual = medianOf(counted.map(({ asked }) => asked));
    const judged: Verdict[] = [];
    const add = (share: string, points: Point[], limitOf: (first: number) => number) => {
      const { finding, first, last, limit } = judgeQuarters(points, limitOf);
      const because = `${ms(first)} in the first quarter, ${ms(last)} in the last; limit ${ms(limit)} ms`;
      judged.push({ what: `${share} of ${name}`, finding, because });
    };
    if (usual >= leastForP50)
      add(
        'P50',
        counted.map(({ hours, p50Ms }) => [hours, p50Ms]),
        p50Limit,
      );
    if (usual >= leastForP99)
      add(
        'P99',
        counted.map(({ hours, p99Ms }) => [hours, p99Ms]),
        p99Limit,
      );
    return judged;
  });
}

function judgeCounts(minutes: readonly Minute[]): Verdict[] {
  const counted: [string, (minute: Minute) => number, number][] = [
    ['open descriptors but those of PostgreSQL', countDescriptors, countMargin],
    ['connections to PostgreSQL', ({ reading }) => reading.databaseConnections, countMargin],
    ['connections to Valkey', ({ reading }) => reading.valkeyConnections, countMargin],
    ['processes', countProcesses, 2 * countMargin],
    ...passingTables.flatMap((table): [string, (minute: Minute) => number, number][] => [
      [`rows of ${table}`, ({ reading }) => reading.tables[table]?.rows ?? 0, rowsMargin],
      [`MB of ${table}`, ({ reading }) => reading.tables[table]?.mb ?? 0, tableMarginMb],
    ]),
  ];
  return counted.map(([what, read, margin]): Verdict => {
    const { finding, first, last, limit } = judgeCount(minutes.map(read), margin);
    const because = `at most ${first.toFixed()} in the first quarter, at least ${last.toFixed()} in the last; limit ${limit.toFixed()}`;
    return { what, finding, because };
  });
}

/** What must be so at any moment, however short the run was. */
export function judgeFaults(
  minutes: readonly Minute[],
  faults: readonly string[],
  promises: readonly Promised[],
): Verdict[] {
  const unexpected = minutes.reduce((sum, minute) => sum + countUnexpected(minute), 0);
  const restarts = Math.max(0, ...minutes.map(({ reading }) => reading.metrics.workerRestarts));
  const all = [
    {
      what: 'every answer as expected',
      // The last of them may have come after the last minute.
      kept: unexpected === 0 && faults.length === 0,
      because: `${Math.max(unexpected, faults.length)} unexpected`,
    },
    { what: 'no serving process ended', kept: restarts === 0, because: `${restarts} started again` },
    ...promises,
  ];
  return all.map(({ what, kept, because }) => ({ what, finding: kept ? 'holds' : 'fails', because }));
}

/** A soak that shows growth or a fault has failed. */
export function hasFailed(verdicts: readonly Verdict[]): boolean {
  return verdicts.some(({ finding }) => finding === 'grows' || finding === 'fails');
}

export function namesOf(minutes: readonly Minute[]): string[] {
  return [...new Set(minutes.flatMap(({ kinds }) => Object.keys(kinds)))].toSorted();
}

/** Without PostgreSQL, whose processes keep files of tables open until they have a thousand each. */
export function countDescriptors({ reading: { groups } }: Minute): number {
  const counted = groupNames.filter((name) => name !== 'postgresql');
  return counted.reduce((sum, name) => sum + groups[name].descriptors, 0);
}

function countProcesses({ reading }: Minute): number {
  return groupNames.reduce((sum, name) => sum + reading.groups[name].processes, 0);
}
