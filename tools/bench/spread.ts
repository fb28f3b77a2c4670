/** How a sample is printed. */

/** The value below which a share of the sample lies. */
export function quantile(sample: readonly number[], share: number): number {
  const sorted = sample.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * share)] ?? Number.NaN;
}

/** @returns median, least and most */
export function describe(sample: readonly number[], digits = 0): string {
  const at = (share: number) => quantile(sample, share).toFixed(digits);
  return `median ${at(0.5)} (${at(0)}-${at(1)}, n ${sample.length})`;
}
