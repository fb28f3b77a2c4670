/** What a count of whole answers leaves open: those that were under way when the time of a closed loop was over. */
import type { MeanInterval } from './mean-interval.ts';
import { meanOf } from './summary.ts';

/** One run of a closed loop. */
export interface CountedRun {
  /** Right answers, those that came after the time was over included. */
  ok: number;
  /** Right answers before the time was over, a second. */
  ratePerS: number;
  /** Seconds. */
  durationS: number;
}

/**
 * The most that the logarithm of a closed loop's rate may be short of: what is under way when the time is over is done
 * in part and counts for nothing. Of 50 hashes four are 8 %, in every round the same, so that no spread shows it.
 */
export function uncountedOf({ ok, ratePerS, durationS }: CountedRun): number {
  const counted = ratePerS * durationS;
  return counted > 0 && ok > counted ? Math.log(ok / counted) : 0;
}

/** The interval of the ratio b / a of two rates, so wide that what neither side counted cannot be the difference. */
export function widenByUncounted(
  { mean, low, high }: MeanInterval,
  pairs: readonly { a: CountedRun; b: CountedRun }[],
): MeanInterval {
  const ofA = meanOf(pairs.map(({ a }) => uncountedOf(a)));
  const ofB = meanOf(pairs.map(({ b }) => uncountedOf(b)));
  return { mean, low: low / Math.exp(ofA), high: high * Math.exp(ofB) };
}
