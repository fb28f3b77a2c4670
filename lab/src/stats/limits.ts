/** Where a figure stops being believed: one place for the measuring code and for what reads its results later. */

/** A run that delivers less says nothing about its rate; wrk2 has been seen to deliver 75 % without a word. */
export const leastDeliveredShare = 0.99;

/** Share of the cores taken by other machines above which the figures get a doubt. */
export const mostSteal = 0.02;

/** The same of what the neighbours on this machine took while nothing was measured (doctor). */
export const mostNoise = 0.05;

/** Was the generator itself so late that it shows? Below a millisecond, or a fifth of what it is part of, it does not. */
export function isGeneratorLate(lagP99Us: number, responseP99Us: number): boolean {
  return lagP99Us > 1000 && lagP99Us > responseP99Us / 5;
}
