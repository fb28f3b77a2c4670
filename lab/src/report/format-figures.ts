/** Writes figures for people: three significant digits, a unit, thousands apart, one way in every format. */

/** @returns "840 \u00b5s", "1.24 ms" or "2.10 s"; "-" for null */
export function formatUs(us: number | null | undefined): string {
  if (us === null || us === undefined || !Number.isFinite(us)) return '-';
  const size = Math.abs(us);
  if (size < 999.5) return `${formatShort(us)} \u00b5s`;
  if (size < 999_500) return `${formatShort(us / 1000)} ms`;
  return `${formatShort(us / 1e6)} s`;
}

/** Three significant digits, never exponents, thousands apart: 0.0123, 1.24, 12.4, 1,240. */
export function formatShort(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  // Of the rounded value: 0.9997 has the digits of 1.00.
  const digits = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3)))));
  const decimals = Math.min(6, Math.max(0, 2 - digits));
  return groupThousands(value.toFixed(decimals));
}

/** As formatShort without the zeros at its end: for ticks and for what was asked, not measured. */
export function formatTick(value: number): string {
  const text = formatShort(value);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** A time that was asked for, such as a limit: "5 ms". */
export function formatLimitUs(us: number): string {
  const [figure = '', unit = ''] = formatUs(us).split(' ');
  return `${figure.includes('.') ? figure.replace(/\.?0+$/, '') : figure} ${unit}`;
}

/** Whole numbers with thousands apart: "5,000". */
export function formatCount(value: number): string {
  return groupThousands(Math.round(value).toFixed(0));
}

/** @returns "5,000 requests/s"; below ten with decimals */
export function formatRate(perS: number): string {
  return `${perS < 10 ? formatShort(perS) : formatCount(perS)} requests/s`;
}

/** Of a share: 0.123 is "12 %"; one decimal below ten, so that 0.994 does not read as all. */
export function formatShare(share: number): string {
  const percent = share * 100;
  const size = Math.abs(percent);
  if (size > 0 && size < 0.095) return `${Number(percent.toPrecision(2))} %`;
  const wantsDecimal = size > 0 && (size < 9.95 || (size > 99 && size < 100));
  return `${wantsDecimal ? trimZero(floorTowardsNotAll(percent)) : percent.toFixed(0)} %`;
}

/** A change with its sign: "+12 %", "-3.4 %", "0 %". */
export function formatChange(change: number): string {
  if (!Number.isFinite(change)) return 'new';
  const percent = change * 100;
  // Nothing is all gone that is not: -99.96 % stays short of -100 %.
  if (percent < -99 && percent > -100) return `${Math.max(percent, -99.9).toFixed(1)} %`;
  const text = Math.abs(percent) < 9.95 ? trimZero(percent.toFixed(1)) : groupThousands(percent.toFixed(0));
  if (text === '0' || text === '-0') return '0 %';
  return `${percent > 0 ? '+' : ''}${text} %`;
}

/** A percentile's name: 0.999 is "P99.9". */
export function nameOfPercentile(share: number): string {
  return `P${Number((share * 100).toFixed(6))}`;
}

/** "a, b and c". */
export function joinWords(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** A command line that a shell reads back as the same words. */
export function quoteCommand(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

/** 99.96 must not become 100.0: what is not all never reads as all. */
function floorTowardsNotAll(percent: number): string {
  const text = percent.toFixed(1);
  return text === '100.0' ? '99.9' : text;
}

function trimZero(text: string): string {
  return text.replace(/\.0$/, '');
}

function groupThousands(text: string): string {
  const [whole = '', decimals] = text.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return decimals === undefined ? grouped : `${grouped}.${decimals}`;
}
