/** Wilcoxon's signed-rank interval: what a few paired differences say, whatever their distribution looks like. */
import type { Interval } from './bootstrap.ts';
import { quantileOf } from './summary.ts';

/**
 * The Hodges-Lehmann estimate (the median of the means of all couples, each value with itself included) and the
 * interval around it that leaves 0 out exactly when Wilcoxon's signed-rank test does.
 *
 * The chance that it leaves the truth out is at most `alpha`, exactly, for any distribution that is symmetric around
 * it; the difference of two measurements of the same thing always is. Three values in ten may be nonsense before the
 * estimate follows them. Source: Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3.1 to 3.3.
 *
 * @param alpha 0.01 for an interval of 99 %; under 2 / 2^n nothing is that sure and the interval is infinite
 * @throws RangeError without values
 */
export function signedRankInterval(
  values: readonly number[],
  alpha: number,
): Interval & { estimate: number } {
  if (values.length === 0) throw new RangeError('An interval needs at least one value.');
  const means: number[] = [];
  for (const [index, first] of values.entries()) {
    for (const second of values.slice(index)) means.push((first + second) / 2);
  }
  means.sort((left, right) => left - right);
  const estimate = quantileOf(means, 0.5);
  const leftOut = countLeftOut(values.length, alpha / 2);
  const low = means[leftOut - 1];
  const high = means[means.length - leftOut];
  if (low === undefined || high === undefined) {
    return { estimate, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  }
  return { estimate, low, high };
}

/**
 * How many sums of ranks are so small that together they are no likelier than `tail`: each of the ranks 1 to n is in
 * the sum or not, by the toss of a coin. Exact, n * n * n / 2 steps.
 */
function countLeftOut(count: number, tail: number): number {
  let chances = new Float64Array([1]);
  for (let rank = 1; rank <= count; rank += 1) {
    const next = new Float64Array(chances.length + rank);
    for (const [sum, chance] of chances.entries()) {
      next[sum] = (next[sum] ?? 0) + chance / 2;
      next[sum + rank] = (next[sum + rank] ?? 0) + chance / 2;
    }
    chances = next;
  }
  let total = 0;
  for (const [sum, chance] of chances.entries()) {
    total += chance;
    if (total > tail) return sum;
  }
  return chances.length;
}
