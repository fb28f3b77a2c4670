/** A small seeded source of randomness, so that a resampling or a simulation gives the same figures again. */

/** Evenly distributed in [0, 1) with 32 random bits. Never for secrets. */
export type Random = () => number;

/**
 * sfc32 by Chris Doty-Humphrey ("Small Fast Counting", from PractRand, public domain): 128 bits of state of which 32
 * count, so that every cycle has at least 2^32 steps; passes PractRand far beyond what 10,000 resamples draw.
 * The seed goes into one word and the first 12 outputs are thrown away, as its author advises.
 *
 * @param seed any number; only its lower 32 bits count
 */
export function createRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next: Random = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  for (let round = 0; round < 12; round += 1) next();
  return next;
}

/** A standard normal number, by Box and Muller (1958); the second of each couple is not kept, for simplicity. */
export function drawNormal(random: Random): number {
  // 1 - u is never 0, whose logarithm would be infinite.
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
