/**
 * When each request is due, as pure arithmetic on one absolute clock. Nothing here knows of answers, so a slow server
 * cannot slow the schedule down (coordinated omission), and there is no limit to catching up.
 */
import { randomAt } from './seeded-random.ts';

export interface Schedule {
  /** Requests a second, over 0. */
  ratePerS: number;
  /** constant: evenly spaced. poisson: independent of each other, as from many users. */
  arrivals: 'constant' | 'poisson';
  seed: number;
}

/** Walks along a schedule. Two of one schedule see the same times, so waiting requests need no memory. */
export interface Arrivals {
  /** Number of the request, from 0. */
  readonly number: number;
  /** When it is due, in microseconds since the phase began. */
  readonly dueUs: number;
  advance(): void;
}

/** @throws RangeError when the rate is not over 0 */
export function createArrivals(schedule: Schedule): Arrivals {
  if (!(schedule.ratePerS > 0 && Number.isFinite(schedule.ratePerS))) {
    throw new RangeError(`A rate is over 0 requests a second, not ${schedule.ratePerS}.`);
  }
  return schedule.arrivals === 'constant'
    ? new ConstantArrivals(schedule.ratePerS)
    : new PoissonArrivals(schedule.ratePerS, schedule.seed);
}

/** Multiplies anew for each request: adding the interval up would drift by the rounding of each step. */
class ConstantArrivals implements Arrivals {
  readonly #ratePerS: number;
  number = 0;
  dueUs = 0;

  constructor(ratePerS: number) {
    this.#ratePerS = ratePerS;
  }

  advance(): void {
    this.number++;
    this.dueUs = (this.number * 1e6) / this.#ratePerS;
  }
}

/** The gaps of a Poisson process are exponential: -ln(1 - u) times the mean gap. */
class PoissonArrivals implements Arrivals {
  readonly #meanGapUs: number;
  readonly #seed: number;
  number = 0;
  dueUs: number;

  constructor(ratePerS: number, seed: number) {
    this.#meanGapUs = 1e6 / ratePerS;
    this.#seed = seed;
    this.dueUs = this.#gapUs(0);
  }

  advance(): void {
    this.number++;
    this.dueUs += this.#gapUs(this.number);
  }

  #gapUs(number: number): number {
    return -Math.log1p(-randomAt(this.#seed, number)) * this.#meanGapUs;
  }
}
