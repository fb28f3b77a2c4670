/** Figures in the browser, written as the rest of the page writes them. */

export function writeUs(us: number | null | undefined): string {
  if (us === null || us === undefined) return '\u2013';
  if (us < 999.5) return `${writeShort(us)} \u00b5s`;
  if (us < 999_500) return `${writeShort(us / 1000)} ms`;
  return `${writeShort(us / 1e6)} s`;
}

export function writeShort(value: number | null | undefined): string {
  if (value === null || value === undefined) return '\u2013';
  if (value === 0) return '0';
  const digits = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3)))));
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.max(0, 2 - digits) });
}

/** 2 is "99 %": as many nines as said. */
export function writeNines(nines: number): string {
  const share = 100 * (1 - 10 ** -nines);
  const decimals = Math.max(0, Math.ceil(nines) - 2);
  return `${Number(share.toFixed(Math.max(decimals, nines < 2 ? 0 : 1)))} %`;
}

/** Axis ticks in one unit, so that a column of labels can be compared at a glance. */
export function unitOf(mostUs: number): { size: number; name: string } {
  if (mostUs < 1000) return { size: 1, name: '\u00b5s' };
  return mostUs < 1e6 ? { size: 1000, name: 'ms' } : { size: 1e6, name: 's' };
}
