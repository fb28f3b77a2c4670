/**
 * Decides whether B is slower or faster than A from pairs measured in alternation, and says so when nobody can tell.
 *
 * Interval by Wilcoxon's signed ranks, looked at after 10, 20 and 30 pairs with 40, 30 and 30 % of the allowed false
 * alarms: by Bonferroni's inequality all looks together stay within it for pairs that know nothing of each other. The
 * plain bootstrap of the median missed the goal (2 % false alarms) because ten values are few and because each further
 * look is another chance to be wrong. Simulated by lab/bench/decide-simulation.ts, noise as in simulate.ts, sessions
 * extended up to 30 pairs; 2,000 each of the bootstrap, 10,000 of the signed ranks:
 *
 * | rule                       | machine                        | false alarms | found at +10 % | pairs it took |
 * | bootstrap 99 %, each look  | shared                         | 6.1 %        | 100 %          | 11.7          |
 * |                            | bursty                         | 5.0 %        | 99.8 %         | 13.6          |
 * | signed ranks, 99 % in all  | shared                         | 1.1 %        | 100 %          | 13.4          |
 * |                            | bursty                         | 0.9 %        | 96.1 %         | 17.6          |
 * |                            | shared, noise twice as fast    | 1.5 %        | 98.6 %         | 18.0          |
 *
 * What is over 1 % there comes from the order AB BA: slow noise ties the two pairs together a little (correlation of
 * the pairs 0.08). After ten pairs alone 66 % of +10 % are found (bootstrap 84 %): the price is three to six more pairs.
 * On the shared machine +5 % is found in 76 % and "same" is reached in 0.4 %, on one with 2 % noise in 99.7 %.
 */
import type { Change, Verdict } from '../result/result.ts';
import { signedRankInterval } from './signed-rank.ts';

export interface MeasuredPair {
  /** Time (or CPU) of one request on each side, in any one unit. For throughput: 1 / rate. */
  a: number;
  b: number;
}

export interface DecideOptions {
  /** What the numbers are, for the report: cpu, mean, p50, p99, throughput. */
  measure: string;
  /** Of the whole session, all looks together; 0.99 unless told. */
  confidence?: number;
  /** A change within this is none: the interval inside +-3 % is "same". 0.03 unless told. */
  sameBand?: number;
}

/** When to ask, in pairs, and which share of the allowed false alarms each asking may use. */
export const decisionLooks = [
  { pairs: 10, share: 0.4 },
  { pairs: 20, share: 0.3 },
  { pairs: 30, share: 0.3 },
] as const;

/** How many pairs to have before the next asking; undefined when there is none. */
export function findNextLook(pairs: number): number | undefined {
  return decisionLooks.find((look) => look.pairs > pairs)?.pairs;
}

/**
 * The verdict after a look of `decisionLooks`. Asking in between is not covered by the confidence. With fewer pairs
 * than the first look it is always "can't tell", with the range of what was seen for an interval.
 *
 * @throws RangeError without pairs, or for a measurement that is not above 0
 */
export function decide(pairs: readonly MeasuredPair[], options: DecideOptions): Change {
  const { measure, confidence = 0.99, sameBand = 0.03 } = options;
  const ratios = pairs.map(readLogRatio);
  const [firstLook] = decisionLooks;
  const look = decisionLooks.find((candidate) => ratios.length <= candidate.pairs);
  const alpha = (1 - confidence) * (look ?? decisionLooks[2]).share;
  const interval = signedRankInterval(ratios, alpha);
  const isEnough = ratios.length >= firstLook.pairs && Number.isFinite(interval.low);
  const low = isEnough ? interval.low : Math.min(...ratios);
  const high = isEnough ? interval.high : Math.max(...ratios);
  const verdict = isEnough ? judge(low, high, sameBand) : "can't tell";
  const change: Change = {
    measure,
    verdict,
    change: Math.expm1(interval.estimate),
    low: Math.expm1(low),
    high: Math.expm1(high),
    confidence,
  };
  if (verdict !== "can't tell") return change;
  const more = estimateMorePairs(ratios.length, { low, high, estimate: interval.estimate }, sameBand);
  return { ...change, morePairs: Math.max(more, firstLook.pairs - ratios.length) };
}

function readLogRatio({ a, b }: MeasuredPair): number {
  const ratio = Math.log(b / a);
  if (!(a > 0 && b > 0) || !Number.isFinite(ratio)) {
    throw new RangeError(`A pair of ${a} and ${b} cannot be compared: both must be above 0.`);
  }
  return ratio;
}

/** "same" comes first: a change that is certain but within the band is nothing to act on. */
function judge(low: number, high: number, sameBand: number): Verdict {
  const band = Math.log1p(sameBand);
  if (low > -band && high < band) return 'same';
  if (low > 0) return 'slower';
  if (high < 0) return 'faster';
  return "can't tell";
}

/**
 * The interval narrows with the square root of the pairs: how many until it leaves 0 out, or fits into the band,
 * whichever comes first, if the estimate stays where it is. A guess: by 30 pairs it is about 40 % off.
 */
function estimateMorePairs(
  pairs: number,
  { low, high, estimate }: { low: number; high: number; estimate: number },
  sameBand: number,
): number {
  const halfWidth = (high - low) / 2;
  const room = Math.max(Math.abs(estimate), Math.log1p(sameBand) - Math.abs(estimate));
  return Math.max(1, Math.ceil(pairs * (halfWidth / room) ** 2) - pairs);
}
