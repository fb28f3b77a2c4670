/** Student's t interval of a mean ("Student", 1908), for the handful of runs that one cell of an experiment has. */
import { meanOf, stddevOf } from './summary.ts';

export interface MeanInterval {
  mean: number;
  low: number;
  high: number;
}

/** Two-sided 95 % quantiles of t by degrees of freedom, from 1 on. */
const quantiles = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/** Of the normal distribution, which t comes close to. */
const normalQuantile = 1.96;

/** The 95 % interval; undefined with fewer than two values, which show no spread. */
export function intervalOfMean(values: readonly number[]): MeanInterval | undefined {
  if (values.length < 2) return undefined;
  const mean = meanOf(values);
  const quantile = quantiles[values.length - 2] ?? normalQuantile;
  const half = (quantile * stddevOf(values, mean)) / Math.sqrt(values.length);
  return { mean, low: mean - half, high: mean + half };
}

/**
 * The typical ratio b / a of pairs measured in one round each, with its 95 % interval: that of the mean logarithm, since
 * machines slow things down by factors. Undefined with fewer than two pairs or values that are not above 0.
 */
export function intervalOfRatio(pairs: readonly { a: number; b: number }[]): MeanInterval | undefined {
  if (pairs.some(({ a, b }) => !(a > 0 && b > 0))) return undefined;
  const interval = intervalOfMean(pairs.map(({ a, b }) => Math.log(b / a)));
  if (interval === undefined) return undefined;
  return { mean: Math.exp(interval.mean), low: Math.exp(interval.low), high: Math.exp(interval.high) };
}
