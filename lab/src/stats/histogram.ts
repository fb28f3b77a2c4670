/**
 * The histogram of the hot path: log-linear buckets taken straight from the bits of a double.
 *
 * A double is a sign, a power of two and a fraction. The power with the first `precisionBits` of the fraction, as one
 * integer, is the bucket: neither logarithm nor loop, 2.6 ns a value (hdr-histogram-js in WASM takes 11, Node's own
 * createHistogram 25). Bucket i of precision p holds the values from 2^(e-10) * (1 + f / 2^p) us on, where
 * e = floor(i / 2^p) and f = i mod 2^p; a bucket is thus at most 1 / 2^p of its value wide. Bucket 0 also holds
 * everything under 2^-10 us, about a nanosecond, and the last one everything over 2^36 us, 19 hours.
 */
import type { EncodedHistogram } from '../result/result.ts';

export interface Histogram {
  readonly precisionBits: number;
  readonly count: number;
  /** Exact; 0 when nothing was recorded, as are the three below. */
  readonly minUs: number;
  readonly maxUs: number;
  readonly meanUs: number;
  /** Of what was recorded, not an estimate of what it was drawn from. */
  readonly stddevUs: number;
  /** Microseconds, with fractions; what is negative or not a number counts as 0. */
  record(us: number): void;
  /**
   * The value that `share` (0 to 1) of the recorded values do not exceed, to within half a bucket; 0 when empty. 0 is
   * the exact minimum and 1 the exact maximum.
   */
  percentileUs(share: number): number;
  /** How many of the recorded values are in buckets that begin at `us` or later. */
  countFrom(us: number): number;
  /** @throws RangeError when the precisions differ */
  add(other: Histogram): void;
  reset(): void;
  encode(): EncodedHistogram;
}

/** 0.4 %: eight times finer than what a shared machine can tell apart, and the counts still fit in the L2 cache. */
const defaultPrecisionBits = 8;
const lowestExponent = -10;
const highestExponent = 36;
const octaves = highestExponent - lowestExponent;
const exponentBias = 1023;
const fractionBitsInHighWord = 20;

const asDouble = new Float64Array(1);
const asWords = new Uint32Array(asDouble.buffer);
asDouble[0] = 1;
const highWord = asWords[1] === 0 ? 0 : 1;

/** @throws RangeError when the precision is not 1 to 12 */
export function createHistogram(precisionBits: number = defaultPrecisionBits): Histogram {
  return new LogLinearHistogram(precisionBits);
}

/** @throws RangeError when an index is beyond the last bucket */
export function decodeHistogram(encoded: EncodedHistogram): Histogram {
  const histogram = new LogLinearHistogram(encoded.precisionBits);
  histogram.load(encoded);
  return histogram;
}

/** The lowest value of a bucket in microseconds, and the first one above it. */
export function bucketBoundsUs(index: number, precisionBits: number): { fromUs: number; toUs: number } {
  const steps = 2 ** precisionBits;
  const base = 2 ** (Math.floor(index / steps) + lowestExponent);
  const step = base / steps;
  const fromUs = base + (index % steps) * step;
  return { fromUs, toUs: fromUs + step };
}

class LogLinearHistogram implements Histogram {
  readonly precisionBits: number;
  readonly #counts: Float64Array;
  readonly #shift: number;
  readonly #offset: number;
  readonly #last: number;
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;
  #sum = 0;
  #sumOfSquares = 0;

  constructor(precisionBits: number) {
    if (!(Number.isInteger(precisionBits) && precisionBits >= 1 && precisionBits <= 12)) {
      throw new RangeError(`A histogram keeps 1 to 12 bits, not ${precisionBits}.`);
    }
    this.precisionBits = precisionBits;
    this.#counts = new Float64Array(octaves << precisionBits);
    this.#shift = fractionBitsInHighWord - precisionBits;
    this.#offset = (exponentBias + lowestExponent) << precisionBits;
    this.#last = this.#counts.length - 1;
  }

  get count(): number {
    return this.#count;
  }

  get minUs(): number {
    return this.#count === 0 ? 0 : this.#min;
  }

  get maxUs(): number {
    return this.#max;
  }

  get meanUs(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  get stddevUs(): number {
    if (this.#count === 0) return 0;
    const mean = this.#sum / this.#count;
    return Math.sqrt(Math.max(0, this.#sumOfSquares / this.#count - mean * mean));
  }

  record(us: number): void {
    const value = us > 0 ? us : 0;
    this.#count++;
    this.#sum += value;
    this.#sumOfSquares += value * value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    const index = this.#indexOf(value);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
  }

  percentileUs(share: number): number {
    if (this.#count === 0) return 0;
    // 0.07 * 100 is 7.000000000000001 in doubles; without the small step back that would be the 8th value.
    const rank = Math.ceil(share * this.#count - 1e-9 * Math.max(1, share * this.#count));
    if (rank <= 0) return this.#min;
    if (rank >= this.#count) return this.#max;
    let seen = 0;
    for (let index = this.#indexOf(this.#min); index <= this.#last; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen < rank) continue;
      const { fromUs, toUs } = bucketBoundsUs(index, this.precisionBits);
      return Math.min(this.#max, Math.max(this.#min, (fromUs + toUs) / 2));
    }
    return this.#max;
  }

  countFrom(us: number): number {
    let found = 0;
    for (let index = this.#indexOf(us > 0 ? us : 0); index <= this.#last; index++) {
      if (index > 0 && bucketBoundsUs(index, this.precisionBits).fromUs < us) continue;
      found += this.#counts[index] ?? 0;
    }
    return found;
  }

  add(other: Histogram): void {
    if (!(other instanceof LogLinearHistogram) || other.precisionBits !== this.precisionBits) {
      throw new RangeError(
        `Histograms of ${this.precisionBits} and ${other.precisionBits} bits cannot be added.`,
      );
    }
    for (let index = 0; index <= this.#last; index++) {
      const more = other.#counts[index] ?? 0;
      if (more > 0) this.#counts[index] = (this.#counts[index] ?? 0) + more;
    }
    this.#count += other.#count;
    this.#sum += other.#sum;
    this.#sumOfSquares += other.#sumOfSquares;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#min = Number.POSITIVE_INFINITY;
    this.#max = 0;
    this.#sum = 0;
    this.#sumOfSquares = 0;
  }

  encode(): EncodedHistogram {
    const buckets: [number, number][] = [];
    for (let index = 0; index <= this.#last; index++) {
      const count = this.#counts[index] ?? 0;
      if (count > 0) buckets.push([index, count]);
    }
    return {
      count: this.#count,
      minUs: this.minUs,
      maxUs: this.maxUs,
      meanUs: this.meanUs,
      stddevUs: this.stddevUs,
      precisionBits: this.precisionBits,
      buckets,
    };
  }

  load(encoded: EncodedHistogram): void {
    for (const [index, count] of encoded.buckets) {
      if (index > this.#last) throw new RangeError(`A histogram has no bucket ${index}.`);
      this.#counts[index] = (this.#counts[index] ?? 0) + count;
      this.#count += count;
    }
    if (this.#count === 0) return;
    this.#min = encoded.minUs;
    this.#max = encoded.maxUs;
    this.#sum = encoded.meanUs * this.#count;
    this.#sumOfSquares = (encoded.stddevUs ** 2 + encoded.meanUs ** 2) * this.#count;
  }

  #indexOf(us: number): number {
    asDouble[0] = us;
    const index = ((asWords[highWord] ?? 0) >>> this.#shift) - this.#offset;
    if (index < 0) return 0;
    return index > this.#last ? this.#last : index;
  }
}
