/** Reads the figures of a report from the state: a cell is one load on one variant, all its rounds together. */
import { judgeRun } from '../load/protocol.ts';
import { countFailures, type Measures, mergeRuns, summariseRun } from '../report/measures.ts';
import type {
  EncodedHistogram,
  Fault,
  FlameNode,
  LaneReading,
  LoadShape,
  MicroRow,
  RunMeasurement,
} from '../result/result.ts';
import { createHistogram, decodeHistogram } from '../stats/histogram.ts';
import { intervalOfMean, intervalOfRatio, type MeanInterval } from '../stats/mean-interval.ts';
import { meanOf } from '../stats/summary.ts';
import { uncountedOf, widenByUncounted } from '../stats/uncounted.ts';
import { nativeName, unseenName } from '../profile/cpu-profile.ts';
import type { Group, Plan } from './plan.ts';
import type { ProfileLine, State } from './state.ts';

/** A mean over rounds; a single round has no interval. */
export interface Spread {
  mean: number;
  low: number | undefined;
  high: number | undefined;
}

export interface Cell {
  /** In the order of their rounds. */
  runs: readonly RunMeasurement[];
  measures: Measures;
  /** CPU of the service a request, microseconds. */
  cpuUs: Spread | undefined;
  /** Right answers a second. */
  ratePerS: Spread | undefined;
  /** CPU of the service, 1 is one core. */
  serviceCpu: number | null;
  /** Busy share of each core of the machine. */
  cores: readonly number[];
  faults: readonly Fault[];
}

/** Share of failed requests from which a cell is no figure. */
const mostErrors = 0.01;

/**
 * Runs of one round follow each other within two minutes. Further apart is a round that was interrupted, whose halves
 * do not share what the machine did.
 */
const mostApartMs = 10 * 60_000;

export type Figures = ReturnType<typeof readFigures>;

export function readFigures(plan: Plan, state: State) {
  const runsOf = (group: string, variant: string): RunMeasurement[] =>
    state.runs
      .filter((line) => line.group === group && line.variant === variant)
      .toSorted((left, right) => left.round - right.round)
      .map(({ run }) => run);
  return {
    plan,
    head: state.head,
    postgresVersion: state.postgresVersion(),
    /** When the last run ended, ISO 8601: a report may be written long after. */
    measuredUntil: findEnd(state),
    /** Over all runs of the plan. */
    requests: countRequests(plan, state),
    /** Undefined when it was not measured. */
    cell(group: string, variant: string): Cell | undefined {
      const found = plan.groups.find(({ id }) => id === group);
      const runs = runsOf(group, variant);
      return found === undefined || runs.length === 0 ? undefined : makeCell(found, runs);
    },
    /** How many times what `a` has `b` has, from pairs of one round; undefined with fewer than two. */
    ratio(
      group: string,
      a: string,
      b: string,
      read: (run: RunMeasurement) => number,
    ): MeanInterval | undefined {
      const pairs = pairRounds(state, group, a, b);
      const interval = intervalOfRatio(pairs.map((pair) => ({ a: read(pair.a), b: read(pair.b) })));
      return interval === undefined || read !== rateOf ? interval : widenByUncounted(interval, pairs);
    },
    /** How much more `b` has than `a`. */
    difference(
      group: string,
      a: string,
      b: string,
      read: (run: RunMeasurement) => number,
    ): MeanInterval | undefined {
      return intervalOfMean(pairRounds(state, group, a, b).map((pair) => read(pair.b) - read(pair.a)));
    },
    profile: (group: string, variant: string): ProfileLine | undefined =>
      state.profiles.find((line) => line.group === group && line.variant === variant),
    piecesOf: (): readonly MicroRow[] => state.pieces,
    piece: (name: string): MicroRow | undefined => state.pieces.find((row) => row.name === name),
    /** Response times of one step of a scenario over all rounds, microseconds. */
    stepLatency(group: string, variant: string, step: string) {
      const parts = runsOf(group, variant).flatMap(({ steps }) => steps?.[step]?.response ?? []);
      return parts.length === 0 ? undefined : mergeHistograms(parts);
    },
  };
}

function pairRounds(state: State, group: string, a: string, b: string) {
  const find = (variant: string, round: number) =>
    state.runs.find((line) => line.group === group && line.variant === variant && line.round === round)?.run;
  const rounds = new Set(state.runs.map(({ round }) => round));
  return [...rounds].flatMap((round) => {
    const [first, second] = [find(a, round), find(b, round)];
    if (first === undefined || second === undefined) return [];
    const apartMs = Math.abs(Date.parse(first.startedAt) - Date.parse(second.startedAt));
    return apartMs > mostApartMs ? [] : [{ a: first, b: second }];
  });
}

function findEnd({ head, runs }: State): string {
  const ends = runs.map(({ run }) => Date.parse(run.startedAt) + run.durationS * 1000);
  return new Date(Math.max(Date.parse(head.startedAt), ...ends)).toISOString();
}

function countRequests(plan: Plan, { runs }: State): { due: number; failed: number } {
  const groups = new Set(plan.groups.map(({ id }) => id));
  const counted = runs.filter(({ group }) => groups.has(group));
  return {
    due: counted.reduce((sum, { run }) => sum + run.due, 0),
    failed: counted.reduce((sum, { run }) => sum + countFailures(run), 0),
  };
}

function makeCell(group: Group, runs: readonly RunMeasurement[]): Cell {
  const lanes = runs.flatMap((run) => run.lanes ?? []);
  const cpu = runs.flatMap(({ cpuUsPerRequest }) => cpuUsPerRequest ?? []);
  const load: Pick<LoadShape, 'loop' | 'ratePerS'> = {
    loop: group.ratePerS === null ? 'closed' : 'open',
    ratePerS: group.ratePerS,
  };
  const faults = runs.flatMap((run) => judgeRun(run, load, mostErrors));
  const rate = spreadOf(runs.map((run) => run.ratePerS));
  const uncounted = load.loop === 'open' ? 0 : meanOf(runs.map(uncountedOf));
  return {
    runs,
    measures: summariseRun(mergeRuns(runs)),
    cpuUs: spreadOf(cpu),
    ratePerS: rate?.high === undefined ? rate : { ...rate, high: rate.high * Math.exp(uncounted) },
    serviceCpu: lanes.length === 0 ? null : Math.max(seenOf(lanes), usedOf(runs)),
    cores: (lanes[0]?.cores ?? []).map((_, core) => meanOf(lanes.map(({ cores }) => cores[core] ?? 0))),
    // The rounds together have the samples that one lacks.
    faults: faults.filter(
      ({ kind }, index) => kind !== 'samples' && faults.findIndex((other) => other.kind === kind) === index,
    ),
  };
}

function seenOf(lanes: readonly LaneReading[]): number {
  return meanOf(lanes.map(({ serverCpu }) => serverCpu));
}

/**
 * From the CPU of a request, which counts threads that began and ended between two readings of the lanes: those of four
 * Argon2 lanes do, and left a third of what was used. Short by what was under way at the end.
 */
function usedOf(runs: readonly RunMeasurement[]): number {
  return meanOf(runs.map(({ cpuUsPerRequest = 0, ratePerS }) => (cpuUsPerRequest * ratePerS) / 1e6));
}

function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const interval = intervalOfMean(values);
  return { mean: meanOf(values), low: interval?.low, high: interval?.high };
}

function mergeHistograms(parts: readonly EncodedHistogram[]) {
  const merged = createHistogram(parts[0]?.precisionBits);
  for (const part of parts) merged.add(decodeHistogram(part));
  return {
    count: merged.count,
    meanUs: merged.meanUs,
    p99Us: merged.percentileUs(0.99),
    maxUs: merged.maxUs,
  };
}

export const cpuOf = (run: RunMeasurement): number => run.cpuUsPerRequest ?? 0;
export const rateOf = (run: RunMeasurement): number => run.ratePerS;
export const meanTimeOf = (run: RunMeasurement): number => run.response.meanUs;

/** P99 of one step of a scenario, microseconds; 0 without any. */
export const tailOfStep =
  (step: string) =>
  ({ steps }: RunMeasurement): number => {
    const response = steps?.[step]?.response;
    return response === undefined ? 0 : decodeHistogram(response).percentileUs(0.99);
  };

/** Share of all CPU that went to a function and what it called, 0 to 1; recursion counts once. */
export function shareOfFunction({ flame }: ProfileLine, name: string): number {
  const sum = (node: FlameNode): number =>
    node.name === name ? node.totalUs : node.children.reduce((total, child) => total + sum(child), 0);
  return flame.totalUs > 0 ? sum(flame) / flame.totalUs : 0;
}

/**
 * Share of the main thread's CPU that the samples saw, 0 to 1. The sampler is a thread of its own: where it has to share
 * the core it comes late to short work, which then stands as native I/O.
 */
export function shareSeen({ flame }: ProfileLine): number {
  const main = flame.children.find(({ name }) => name === 'main thread');
  if (main === undefined || main.totalUs <= 0) return 1;
  const native = main.children.find(({ name }) => name === nativeName);
  const unseen = native?.children.find(({ name }) => name === unseenName);
  return 1 - (unseen?.totalUs ?? 0) / main.totalUs;
}

/** Milliseconds of the longest stall, or of the longest with a function in its stack; 0 without any. */
export function longestStallMs({ stalls }: ProfileLine, within?: string): number {
  return stalls
    .filter(({ stack }) => within === undefined || stack.some((frame) => frame.startsWith(`${within} `)))
    .reduce((most, { lengthMs }) => Math.max(most, lengthMs), 0);
}
