/** Whether runs agree well enough to be quoted, and whether a run has enough samples for its P99. */
import { meanOf, stddevOf } from './summary.ts';

/** Coefficients of variation across runs, below which they agree. */
export const stableMeanCv = 0.03;
export const stableP99Cv = 0.05;

/**
 * From how many samples on a P99 is judged: its sampling error alone is then about the 5 % that runs may differ by.
 * 60 to 150 samples, what 3 to 5 requests a second give, have 16 to 22 %.
 */
export const fewestSamplesForP99 = 1_500;

export interface Stability {
  /** null with fewer than two runs. */
  meanCv: number | null;
  /** null also when P99 was not judged. */
  p99Cv: number | null;
  /** False with fewer than two runs: nothing was shown. */
  stable: boolean;
}

/** Stddev of a sample over its mean; null when there is no spread to speak of. */
export function coefficientOfVariation(values: readonly number[]): number | null {
  const mean = meanOf(values);
  return values.length < 2 || !(mean > 0) ? null : stddevOf(values, mean) / mean;
}

/**
 * Compares runs by mean and P99, and by the mean alone when one has no P99 that may be judged: that of 60 samples varies
 * by more than 5 % whatever the server does. Of 3 runs with a true variation of 5 %, 31 % look as if below 3 %, of 5 runs 16 %:
 * measure five.
 */
export function judgeStability(runs: readonly { meanUs: number; p99Us: number | null }[]): Stability {
  const meanCv = coefficientOfVariation(runs.map((run) => run.meanUs));
  const tails = runs.flatMap(({ p99Us }) => (p99Us === null ? [] : [p99Us]));
  const isTailJudged = tails.length === runs.length;
  const p99Cv = isTailJudged ? coefficientOfVariation(tails) : null;
  const isTailStable = !isTailJudged || (p99Cv !== null && p99Cv < stableP99Cv);
  const stable = meanCv !== null && meanCv < stableMeanCv && isTailStable;
  return { meanCv, p99Cv, stable };
}

/** Whether the P99 of this many samples may be judged, and one sentence for people when it may not. */
export function judgeSamples(samples: number, ratePerS?: number): { enough: boolean; sentence?: string } {
  if (samples >= fewestSamplesForP99) return { enough: true };
  const cv = Math.round(samplingCvOfP99(samples) * 100);
  const spread = samples > 0 ? ` varies by ${cv} % by chance alone` : ' does not exist';
  const remedy =
    ratePerS === undefined || ratePerS <= 0 ? '' : ` (${durationForP99(ratePerS)} s at this rate)`;
  const sentence = `A P99 of ${samples} samples${spread}; measure at least ${fewestSamplesForP99}${remedy}.`;
  return { enough: false, sentence };
}

/**
 * How long a run must be for its P99 to be judged, in whole seconds.
 *
 * @param ratePerS above 0
 */
export function durationForP99(ratePerS: number): number {
  return Math.ceil(fewestSamplesForP99 / ratePerS);
}

/**
 * How much the P99 of n samples varies by chance, as a share of it: sqrt(p (1 - p) / n) / (q f(q)), the normal
 * approximation for a sample quantile (Mosteller 1946), with f the density there. For what latencies look like, a
 * log-normal whose sigma is `spread`. 0.5 gives 15 % for 150 samples and 5 % for 1,500.
 *
 * @param spread standard deviation of the logarithm of the latencies
 */
export function samplingCvOfP99(samples: number, spread = 0.5): number {
  // Density of the standard normal at its 99th percentile, 2.3263.
  const density = Math.exp(-(2.3263 ** 2) / 2) / Math.sqrt(2 * Math.PI);
  return samples > 0 ? (Math.sqrt((0.99 * 0.01) / samples) / density) * spread : Number.POSITIVE_INFINITY;
}
