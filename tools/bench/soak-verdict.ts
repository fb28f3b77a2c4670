/** Did it grow? What an hour of readings, one a minute, says; nothing here is claimed, all of it computed. */

export type Finding = 'flat' | 'grows' | 'cannot be told';

/** A value at a time, which is in hours. */
export type Point = readonly [hours: number, value: number];

export interface Slope {
  /** A change of one unit of the value an hour. */
  perHour: number;
  /** Ends of the 95 % interval. */
  low: number;
  high: number;
}

/** Fewer readings say nothing about a trend. */
export const leastReadings = 8;

/**
 * The slope of Theil and Sen: the median of the slopes between all pairs, which a quarter of wild readings does not
 * move. The interval is Sen's, from the distribution of Kendall's tau (P. K. Sen, JASA 63, 1968); it takes readings for
 * independent, and memory that goes up and down with a collector is not quite, so the truth may lie a little outside.
 */
export function findSlope(points: readonly Point[]): Slope {
  const slopes: number[] = [];
  for (const [index, [hours, value]] of points.entries()) {
    for (const [laterHours, laterValue] of points.slice(index + 1)) {
      if (laterHours !== hours) slopes.push((laterValue - value) / (laterHours - hours));
    }
  }
  slopes.sort((a, b) => a - b);
  const count = points.length;
  const spread = 1.96 * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const lowest = Math.floor((slopes.length - spread) / 2) - 1;
  const highest = Math.ceil((slopes.length + spread) / 2);
  return {
    perHour: medianOf(slopes),
    low: slopes[lowest] ?? Number.NEGATIVE_INFINITY,
    high: slopes[highest] ?? Number.POSITIVE_INFINITY,
  };
}

export interface SlopeVerdict extends Slope {
  finding: Finding;
  /** What it may grow by in an hour. */
  limit: number;
}

/**
 * Of the second half of the readings, as what is warming up grows in the first: it grows when the slope is above the limit
 * and is not zero by chance; it is flat when the whole interval is below the limit.
 */
export function judgeSlope(points: readonly Point[], limit: number): SlopeVerdict {
  const half = points.slice(Math.floor(points.length / 2));
  const slope = findSlope(half);
  if (half.length < leastReadings / 2) return { ...slope, limit, finding: 'cannot be told' };
  if (slope.perHour > limit && slope.low > 0) return { ...slope, limit, finding: 'grows' };
  return { ...slope, limit, finding: slope.high <= limit ? 'flat' : 'cannot be told' };
}

export interface QuarterVerdict {
  finding: Finding;
  /** Medians over the minutes. */
  first: number;
  last: number;
  /** What the last may be. */
  limit: number;
}

/**
 * The last quarter of the readings beside the first. It grows when the median of the last is above the limit, and the
 * slope over all of them is above zero by more than chance: one bad minute is neither.
 *
 * @param limitOf what the last may be, given the first
 */
export function judgeQuarters(points: readonly Point[], limitOf: (first: number) => number): QuarterVerdict {
  const quarter = Math.max(1, Math.floor(points.length / 4));
  const first = medianOf(points.slice(0, quarter).map(([, value]) => value));
  const last = medianOf(points.slice(-quarter).map(([, value]) => value));
  const limit = limitOf(first);
  if (points.length < leastReadings) return { finding: 'cannot be told', first, last, limit };
  return { finding: last > limit && findSlope(points).low > 0 ? 'grows' : 'flat', first, last, limit };
}

/**
 * What is counted and leaks only ever rises: it grows when every reading of the last quarter is above every one of the
 * first by more than the margin.
 */
export function judgeCount(values: readonly number[], margin: number): QuarterVerdict {
  const quarter = Math.max(1, Math.floor(values.length / 4));
  const first = Math.max(...values.slice(0, quarter));
  const last = Math.min(...values.slice(-quarter));
  const limit = first + margin;
  if (values.length < leastReadings) return { finding: 'cannot be told', first, last, limit };
  return { finding: last > limit ? 'grows' : 'flat', first, last, limit };
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
