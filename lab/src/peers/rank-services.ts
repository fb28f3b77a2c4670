/** Who is ahead in what, and whether the rounds can tell: ratios within a round, with their interval over the rounds. */
import { intervalOfRatio, type MeanInterval } from '../stats/mean-interval.ts';
import { judgeSamples } from '../stats/stability.ts';
import { medianOf } from '../stats/summary.ts';
import { widenByUncounted } from '../stats/uncounted.ts';
import type { ServiceRun, Task } from './compare-services.ts';

/** One of those that are compared, with its runs of one task. */
export interface Contender {
  name: string;
  runs: readonly ServiceRun[];
}

/** null: not measured, which compares with nothing. */
export type Reading = (run: ServiceRun) => number | null;

export interface Ahead {
  name: string;
  /** Whom the rounds do not tell it apart from. */
  besides: readonly string[];
}

/** Right answers a second. */
export const rateOf: Reading = ({ ratePerS }) => ratePerS;

/** What both had in the rounds that have both. */
export function pairRounds(a: Contender, b: Contender, read: Reading): { a: number; b: number }[] {
  return pairRuns(a, b).flatMap((pair) => {
    const [ofA, ofB] = [read(pair.a), read(pair.b)];
    return ofA === null || ofB === null ? [] : [{ a: ofA, b: ofB }];
  });
}

function pairRuns(a: Contender, b: Contender): { a: ServiceRun; b: ServiceRun }[] {
  return a.runs.flatMap((run) => {
    const other = b.runs.find(({ round }) => round === run.round);
    return other === undefined ? [] : [{ a: run, b: other }];
  });
}

/**
 * How many times what `a` has `b` has; undefined with fewer than two rounds, or where there is a 0. That of rates is as
 * wide as the answers that were under way at the end make it: twenty hashes and four half done are not twenty.
 */
export function ratioWithinRounds(a: Contender, b: Contender, read: Reading): MeanInterval | undefined {
  const interval = intervalOfRatio(pairRounds(a, b, read));
  return interval === undefined || read !== rateOf ? interval : widenByUncounted(interval, pairRuns(a, b));
}

/** By the median; undefined when nobody was measured in every round, or most is nothing. */
export function findAhead(
  contenders: readonly Contender[],
  read: Reading,
  better: 'more' | 'less',
): Ahead | undefined {
  const ranked = contenders
    .flatMap((contender) => {
      const values = contender.runs.flatMap((run) => read(run) ?? []);
      const isWhole = values.length > 0 && values.length === contender.runs.length;
      return isWhole ? [{ contender, values, median: medianOf(values) }] : [];
    })
    .toSorted((left, right) => (right.median - left.median) * (better === 'more' ? 1 : -1));
  const [first, ...others] = ranked;
  if (first === undefined || (better === 'more' && first.median === 0)) return undefined;
  const isBehind = ({ contender, values }: (typeof ranked)[number]) => {
    // Of nothing there is no ratio.
    if (better === 'more' && Math.max(...values) === 0) return Math.min(...first.values) > 0;
    const ratio = ratioWithinRounds(first.contender, contender, read);
    return ratio !== undefined && (better === 'more' ? ratio.high < 1 : ratio.low > 1);
  };
  const close = others.filter((other) => !isBehind(other));
  return { name: first.contender.name, besides: close.map(({ contender }) => contender.name) };
}

/** "node-26", "node-26, not told apart from bun", "nobody". */
export function describeAhead(ahead: Ahead | undefined): string {
  if (ahead === undefined) return 'nobody';
  return ahead.besides.length === 0
    ? ahead.name
    : `${ahead.name}, not told apart from ${ahead.besides.join(', ')}`;
}

/** Runs that say nothing: too many errors, or a rate that was not kept. */
export function isInvalid({ faults }: ServiceRun): boolean {
  return faults.some(({ weight }) => weight === 'invalid');
}

/** Of one task, in the order of the services. */
export function listContenders(
  runs: readonly ServiceRun[],
  task: Task,
  services: readonly { name: string }[],
): Contender[] {
  return services.flatMap(({ name }) => {
    const own = runs.filter((run) => run.service === name && isSame(run.task, task));
    return own.length === 0 ? [] : [{ name, runs: own }];
  });
}

export function distinctTasks(runs: readonly ServiceRun[]): Task[] {
  const found: Task[] = [];
  for (const { task } of runs) if (!found.some((known) => isSame(known, task))) found.push(task);
  return found;
}

function isSame(left: Task, right: Task): boolean {
  return left.name === right.name && left.ratePerS === right.ratePerS;
}

/** Of all rounds together: one alone may have too few for its P99 to be more than chance. */
export function hasTail(contender: Contender): boolean {
  return judgeSamples(countRight(contender)).enough;
}

export function countRight({ runs }: Contender): number {
  return runs.reduce((sum, { ok }) => sum + ok, 0);
}
