/** The figures that sum a sample up: the columns of the benchmark table, and medians and quartiles for everybody. */

export interface Summary {
  count: number;
  min: number;
  max: number;
  mean: number;
  /** Of a sample: divided by n - 1; 0 for a single value. */
  stddev: number;
  median: number;
  /** From the first to the third quartile. */
  iqr: number;
  /** Beyond one standard deviation of the mean; beyond 1.5 interquartile ranges of the quartiles (Tukey's fences). */
  outliers: [beyondStddev: number, beyondFences: number];
}

/** @throws RangeError for an empty sample */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((left, right) => left - right);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) throw new RangeError('A summary needs at least one value.');
  const mean = meanOf(sorted);
  const stddev = stddevOf(sorted, mean);
  const [firstQuartile, thirdQuartile] = [quantileOf(sorted, 0.25), quantileOf(sorted, 0.75)];
  const iqr = thirdQuartile - firstQuartile;
  const beyondStddev = sorted.filter((value) => Math.abs(value - mean) > stddev).length;
  const beyondFences = sorted.filter(
    (value) => value < firstQuartile - 1.5 * iqr || value > thirdQuartile + 1.5 * iqr,
  ).length;
  const outliers: [number, number] = [beyondStddev, beyondFences];
  return { count: sorted.length, min, max, mean, stddev, median: quantileOf(sorted, 0.5), iqr, outliers };
}

/** NaN without values. */
export function meanOf(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Of a sample (n - 1); 0 for fewer than two values. */
export function stddevOf(values: readonly number[], mean = meanOf(values)): number {
  if (values.length < 2) return 0;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/**
 * Linear between the neighbours: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996), what R
 * and NumPy do unless told.
 *
 * @param sorted rising
 * @param share 0 to 1; 0.5 is the median
 */
export function quantileOf(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

export function medianOf(values: readonly number[]): number {
  return quantileOf(
    values.toSorted((left, right) => left - right),
    0.5,
  );
}
