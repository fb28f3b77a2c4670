/** What is said of a hypothesis, and how the clauses of its rule become one verdict. */
import { formatShort } from '../report/format-figures.ts';
import type { MeanInterval } from '../stats/mean-interval.ts';

export const verdictWords = ['holds', 'holds in part', 'does not hold', 'cannot tell'] as const;
export type VerdictWord = (typeof verdictWords)[number];

export interface Finding {
  number: number;
  title: string;
  /** What the study says, with its figures. */
  study: string;
  /** When it holds here. */
  rule: string;
  measured: readonly string[];
  verdict: VerdictWord;
  /** Where it differs from the study: why, from this run's figures. */
  why: string | null;
}

export type Judged = Pick<Finding, 'measured' | 'verdict' | 'why'>;

/** One clause of a rule. What an interval leaves open is unknown: neither side gets the benefit of the doubt. */
export type Clause = 'yes' | 'no' | 'unknown';

type Bounds = Pick<MeanInterval, 'low' | 'high'>;

/** Two ways whose ratio lies within this either way are the same. */
const levelWithin = 0.05;

export function isAbove(interval: Bounds | undefined, limit: number): Clause {
  if (interval === undefined) return 'unknown';
  return interval.low > limit ? 'yes' : interval.high <= limit ? 'no' : 'unknown';
}

export function isBelow(interval: Bounds | undefined, limit: number): Clause {
  if (interval === undefined) return 'unknown';
  return interval.high < limit ? 'yes' : interval.low >= limit ? 'no' : 'unknown';
}

/** A ratio that is less than 1, and not when the whole interval is about 1. */
export function isLess(ratio: Bounds | undefined): Clause {
  return ratio !== undefined && isLevel(ratio) && ratio.high >= 1 ? 'no' : isBelow(ratio, 1);
}

export function isLevel({ low, high }: Bounds): boolean {
  return low > 1 - levelWithin && high < 1 + levelWithin;
}

export function both(first: Clause, second: Clause): Clause {
  if (first === 'no' || second === 'no') return 'no';
  return first === 'yes' && second === 'yes' ? 'yes' : 'unknown';
}

/** Of a rule with two clauses: both, neither, one of them, or not known. */
export function weigh(first: Clause, second: Clause): VerdictWord {
  if (first === 'unknown' || second === 'unknown') return 'cannot tell';
  if (first === second) return first === 'yes' ? 'holds' : 'does not hold';
  return 'holds in part';
}

export function unknown(what: string): Judged {
  return { measured: [what], verdict: 'cannot tell', why: null };
}

export function describeRatio(what: string, ratio: MeanInterval | undefined): string[] {
  if (ratio === undefined) return [];
  const { mean, low, high } = ratio;
  return [`${what}: ${formatShort(mean)} times (95 % interval ${formatShort(low)} to ${formatShort(high)}).`];
}
