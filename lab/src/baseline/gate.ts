/**
 * Compares benchmarks with a saved baseline: a hard gate for accidents, and remarks for the rest.
 *
 * A saved baseline cannot find small changes. On a shared machine whose sessions differ by 10 % a gate at +10 % raises
 * a false alarm in 31 % of the sessions and finds 52 % of the real ones; at +200 % both are 0. So only the mean of more
 * than three times the baseline fails, and `compare` is for everything below.
 */
import type { BenchResult, MicroRow } from '../result/result.ts';

export interface GateOptions {
  /** A mean is let through up to this much above the baseline's: 2 is +200 %, three times as long. */
  mostAbove: number;
}

export type RowState = 'failed' | 'slower' | 'faster' | 'ok' | 'new';

export interface RowVerdict {
  name: string;
  state: RowState;
  /** undefined for a new row. */
  baselineUs: number | undefined;
  nowUs: number;
  /** Of the mean, which the gate is about: 0.1 is 10 % slower; 0 for a new row. */
  change: number;
  /** Of the median, which the remarks are about. */
  medianChange: number;
}

export interface GateVerdict {
  rows: RowVerdict[];
  /** In the baseline but not measured now. */
  missing: string[];
  /** Then there are no remarks, only the gate. */
  otherMachine: boolean;
  failed: boolean;
}

/** Less than this is never remarked on: sessions of one machine differ by 10 % for no reason. */
const leastRemark = 0.2;
/** A remark takes a change of this many times what the rounds of the baseline differed by. */
const noiseFactor = 3;

/**
 * Judges each row by its mean. A remark ("slower", "faster") is for a median that moved by more than 20 % and more
 * than three times the spread of the baseline's own rounds (their IQR as a standard deviation, so that a few outliers
 * do not hide everything); on a machine as noisy as above it is wrong for some 15 % of the rows, hence no failure.
 */
export function judgeAgainstBaseline(
  baseline: BenchResult,
  measured: BenchResult,
  { mostAbove }: GateOptions,
): GateVerdict {
  const otherMachine = baseline.machine.fingerprint !== measured.machine.fingerprint;
  const before = new Map(baseline.rows.map((row) => [row.name, row]));
  const rows = measured.rows.map((row) => judgeRow(before.get(row.name), row, mostAbove, otherMachine));
  const names = new Set(measured.rows.map((row) => row.name));
  const missing = baseline.rows.map((row) => row.name).filter((name) => !names.has(name));
  return { rows, missing, otherMachine, failed: rows.some(({ state }) => state === 'failed') };
}

function judgeRow(
  before: MicroRow | undefined,
  now: MicroRow,
  mostAbove: number,
  otherMachine: boolean,
): RowVerdict {
  const { name, meanUs: nowUs } = now;
  if (before === undefined)
    return { name, state: 'new', baselineUs: undefined, nowUs, change: 0, medianChange: 0 };
  const change = nowUs / before.meanUs - 1;
  const medianChange = now.medianUs / before.medianUs - 1;
  const row = { name, baselineUs: before.meanUs, nowUs, change, medianChange };
  if (change > mostAbove) return { ...row, state: 'failed' };
  if (otherMachine) return { ...row, state: 'ok' };
  const moved = Math.log1p(medianChange);
  if (Math.abs(moved) <= Math.log1p(remarkFrom(before))) return { ...row, state: 'ok' };
  return { ...row, state: moved > 0 ? 'slower' : 'faster' };
}

/** 1.349: the interquartile range of the normal distribution in standard deviations. */
function remarkFrom({ iqrUs, medianUs }: MicroRow): number {
  return Math.max(leastRemark, (noiseFactor * iqrUs) / 1.349 / medianUs);
}

/** The lines for people: the rows that are not plain "ok" have a word, and the last line is one verdict sentence. */
export function describeGate(verdict: GateVerdict, { mostAbove }: GateOptions): string {
  const { rows, missing, otherMachine } = verdict;
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  const lines = rows.map(
    (row) => `${words[row.state].padEnd(7)} ${row.name.padEnd(width)}  ${describeRow(row)}`,
  );
  if (missing.length > 0) lines.push(`Not measured now, but in the baseline: ${missing.join(', ')}.`);
  if (otherMachine) {
    lines.push(
      'The baseline is from another machine: only the gate was judged. Save one here for remarks on less.',
    );
  }
  return `${[...lines, describeVerdict(rows, mostAbove)].join('\n')}\n`;
}

const words: Readonly<Record<RowState, string>> = {
  failed: 'FAILED',
  slower: 'slower?',
  faster: 'faster?',
  ok: 'ok',
  new: 'new',
};

function describeRow({ baselineUs, nowUs, change, medianChange }: RowVerdict): string {
  if (baselineUs === undefined) return `${formatTime(nowUs)}, no baseline`;
  const times = change > 1 ? ` (${(change + 1).toFixed(1)} times)` : '';
  const means = `${formatTime(baselineUs)} -> ${formatTime(nowUs)}`;
  return `mean ${means}  ${formatPercent(change)}${times}, median ${formatPercent(medianChange)}`;
}

function formatPercent(share: number): string {
  const percent = Math.round(share * 100);
  return `${percent > 0 ? '+' : ''}${percent === 0 ? 0 : percent} %`;
}

function describeVerdict(rows: readonly RowVerdict[], mostAbove: number): string {
  const failed = rows.filter(({ state }) => state === 'failed').map(({ name }) => `"${name}"`);
  const limit = `${Number((mostAbove * 100).toFixed(2))} % above the baseline`;
  if (failed.length > 0) {
    return `Regression: the mean of ${failed.join(', ')} is more than ${limit}.`;
  }
  const slower = rows.filter(({ state }) => state === 'slower').length;
  const remark = slower > 0 ? ` ${slower} may be slower; irontrack-lab compare can tell.` : '';
  return `No mean is more than ${limit}.${remark}`;
}

function formatTime(us: number): string {
  if (us < 1) return `${(us * 1000).toPrecision(3)} ns`;
  if (us < 1_000) return `${us.toPrecision(3)} us`;
  return us < 1e6 ? `${(us / 1000).toPrecision(3)} ms` : `${(us / 1e6).toPrecision(3)} s`;
}
