/** Which of several runs stands for all: the median one, whole, so that its figures belong together. */

/**
 * The index of the run with the median value. Of an even number it is the worse of the two in the middle, so that
 * nobody is flattered; the first of equal ones.
 *
 * @param values one figure of each run, P99 of an open loop or rate of a closed one
 * @param worse which is the worse end: higher for times, lower for rates
 * @throws RangeError without runs
 */
export function findMedianRun(values: readonly number[], worse: 'higher' | 'lower' = 'higher'): number {
  const order = values.map((value, index) => ({ value, index }));
  order.sort((left, right) => (worse === 'higher' ? left.value - right.value : right.value - left.value));
  const median = order[order.length >> 1];
  if (median === undefined) throw new RangeError('There is no median of no runs.');
  return order.find(({ value }) => value === median.value)?.index ?? median.index;
}
