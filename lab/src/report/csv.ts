/** Comma-separated values (RFC 4180): the summary, the percentiles and the seconds as one long table of section, name, value. */
import { decodeHistogram } from '../stats/histogram.ts';
import { shareOfNines } from './chart-data.ts';
import { measureNames, summariseRun } from './measures.ts';
import type { ReportDocument } from './report-document.ts';

const header = ['section', 'side', 'run', 'at', 'measure', 'value', 'unit'] as const;
const unitOf: Readonly<Record<string, string>> = { rate: '1/s', errors: 'requests', rss: 'MB' };
const shares = [0.5, 0.75, 0.9, 0.95, ...[2, 3, 4, 5].map((nines) => Number(shareOfNines(nines).toFixed(6)))];

/**
 * One row a figure ("long" form), which every spreadsheet and data frame can pivot; numbers are exact and have no
 * thousands separators. An empty value was not measured.
 */
export function renderCsv(report: ReportDocument): string {
  const rows: (string | number | null)[][] = [[...header]];
  if (report.result.kind === 'bench') {
    for (const [side, result] of [
      ['before', report.before],
      [report.before ? 'after' : '', report.result],
    ] as const) {
      if (result?.kind !== 'bench') continue;
      for (const { name, outliers, ...figures } of result.rows) {
        for (const [measure, value] of Object.entries(figures)) {
          const unit = measure.endsWith('Us') ? 'us' : measure === 'opsPerS' ? '1/s' : '1';
          rows.push(['benchmark', side, name, null, measure.replace(/(?:Us|PerS)$/, ''), value, unit]);
        }
        rows.push(['benchmark', side, name, null, 'outliers', outliers.join(';'), 'rounds']);
      }
    }
  }
  if (report.result.kind === 'knee') {
    for (const { ratePerS, run, met } of report.result.points) {
      const measures = summariseRun(run);
      rows.push(['rate', '', null, ratePerS, 'met', met ? 1 : 0, '1']);
      for (const name of measureNames)
        rows.push(['rate', '', null, ratePerS, name, measures[name], unitOf[name] ?? 'us']);
    }
  }
  if (report.result.kind === 'compare') {
    for (const { measure, change, low, high } of report.result.changes)
      for (const [name, value] of [
        ['change', change],
        ['low', low],
        ['high', high],
      ] as const)
        rows.push(['change', report.result.sides[1], null, name, measure, value, '1']);
  }
  for (const { label, runs, run: median } of report.sides) {
    for (const [index, run] of runs.entries()) {
      const measures = summariseRun(run);
      for (const name of measureNames)
        rows.push(['run', label, index + 1, null, name, measures[name], unitOf[name] ?? 'us']);
    }
    const response = decodeHistogram(median.response);
    if (response.count > 0)
      for (const share of shares)
        rows.push(['percentile', label, null, share, 'response', response.percentileUs(share), 'us']);
    for (const { second, due, ok, failed, p50Us, p99Us, maxUs } of median.series) {
      const counts = { due, ok, failed };
      const times = { p50: p50Us, p99: p99Us, max: maxUs };
      for (const [name, value] of Object.entries(counts))
        rows.push(['second', label, null, second, name, value, 'requests']);
      for (const [name, value] of Object.entries(times))
        rows.push(['second', label, null, second, name, value, 'us']);
    }
  }
  return rows
    .map((row) => row.map(quoteField).join(','))
    .join('\r\n')
    .concat('\r\n');
}

/** A field that a spreadsheet would run as a formula gets an apostrophe (OWASP, CSV injection). */
function quoteField(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
