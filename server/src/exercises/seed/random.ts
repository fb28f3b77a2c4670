/** Random numbers that a seed decides, for data that is the same every time. Not for secrets. */

/** @returns a function that gives numbers from 0 up to but without 1 */
export function createRandom(seed: number): () => number {
  // Mulberry32: 32 bits of state, good enough to spread test data.
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
