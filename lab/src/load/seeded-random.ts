/** Random numbers by position: the same seed gives the same arrivals and steps on every run, in whatever order asked. */

/** What a 32-bit number is mixed into by the finaliser of MurmurHash3; neighbouring inputs give unrelated outputs. */
function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/**
 * Evenly distributed in [0, 1), by number: the n-th of a seed is the same whatever was asked before, so requests that
 * are drawn out of order still get the same step.
 */
export function randomAt(seed: number, number: number): number {
  const high = mix(Math.imul(seed | 0, 0x9e3779b1) ^ mix(number));
  const low = mix(high ^ 0x5bd1e995 ^ Math.floor(number / 2 ** 32));
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
}
