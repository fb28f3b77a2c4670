/** Renders microbenchmarks as the table that users of pytest-benchmark know. */
import type { MicroRow } from '../result/result.ts';

const timeColumns = [
  { title: 'Min', key: 'minUs' },
  { title: 'Max', key: 'maxUs' },
  { title: 'Mean', key: 'meanUs' },
  { title: 'StdDev', key: 'stddevUs' },
  { title: 'Median', key: 'medianUs' },
  { title: 'IQR', key: 'iqrUs' },
] as const;

type Tone = 'best' | 'worst' | 'none';

interface Cell {
  text: string;
  tone: Tone;
}

/** Green and bold, red and bold, and back. */
const colours: Readonly<Record<Tone, readonly [string, string]>> = {
  best: ['\x1b[32;1m', '\x1b[0m'],
  worst: ['\x1b[31;1m', '\x1b[0m'],
  none: ['', ''],
};

/**
 * Fastest minimum first. Beside each figure stands how many times the best of its column it is; best is green and
 * worst red when `colour` is asked for, which says nothing about good and bad.
 */
export function renderBenchmarkTable(rows: readonly MicroRow[], { colour }: { colour: boolean }): string {
  const sorted = rows.toSorted((left, right) => left.minUs - right.minUs);
  const timeUnit = chooseTimeUnit(Math.min(...rows.map((row) => row.minUs)));
  const rateUnit = chooseRateUnit(Math.max(...rows.map((row) => row.opsPerS)));
  const columns: { title: string; cells: Cell[] }[] = timeColumns.map(({ title, key }) => ({
    title,
    cells: renderColumn(
      sorted.map((row) => row[key]),
      timeUnit.perUs,
      'low',
    ),
  }));
  const rates = renderColumn(
    sorted.map((row) => row.opsPerS),
    rateUnit.perOne,
    'high',
  );
  const plain = (texts: readonly string[]) => texts.map((text): Cell => ({ text, tone: 'none' }));
  columns.push(
    { title: 'Outliers', cells: plain(sorted.map((row) => row.outliers.join(';'))) },
    { title: rateUnit.title, cells: rates },
    { title: 'Rounds', cells: plain(sorted.map((row) => String(row.rounds))) },
    { title: 'Iterations', cells: plain(sorted.map((row) => String(row.iterations))) },
  );
  const title = `Name (time in ${timeUnit.name})`;
  const nameWidth = Math.max(title.length, ...sorted.map((row) => row.name.length));
  const widths = columns.map(({ title: head, cells }) =>
    Math.max(head.length, ...cells.map(({ text }) => text.length)),
  );
  const head = [
    title.padEnd(nameWidth),
    ...columns.map((column, at) => column.title.padStart(widths[at] ?? 0)),
  ];
  const lines = sorted.map((row, index) =>
    [
      row.name.padEnd(nameWidth),
      ...columns.map(({ cells }, at) => paint(cells[index], widths[at] ?? 0, colour)),
    ].join('  '),
  );
  const rule = '-'.repeat(head.join('  ').length);
  const caption = ` benchmark: ${rows.length} ${rows.length === 1 ? 'test' : 'tests'} `;
  const left = Math.max(0, (rule.length - caption.length) >> 1);
  const top = `${'-'.repeat(left)}${caption}`.padEnd(rule.length, '-');
  const legend =
    'Outliers: rounds beyond 1 SD of the mean;beyond 1.5 IQR of the quartiles. OPS: calls per second, 1 / mean.';
  return `${[top, head.join('  '), rule, ...lines, rule, legend].join('\n')}\n`;
}

function paint(cell: Cell | undefined, width: number, colour: boolean): string {
  const { text, tone } = cell ?? { text: '', tone: 'none' };
  const [on, off] = colour ? colours[tone] : colours.none;
  return `${on}${text.padStart(width)}${off}`;
}

function renderColumn(values: readonly number[], scale: number, best: 'low' | 'high'): Cell[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [bestValue, worstValue] = best === 'low' ? [low, high] : [high, low];
  const figures = values.map((value) => formatFigure(value * scale));
  const factors = values.map((value) => formatFactor(value, bestValue));
  // Padded to one width, so that the figures stand under each other.
  const width = Math.max(...factors.map((factor) => factor.length));
  return values.map((value, index) => {
    const text = `${figures[index]} ${(factors[index] ?? '').padEnd(width)}`;
    if (low === high) return { text, tone: 'none' };
    return { text, tone: value === bestValue ? 'best' : value === worstValue ? 'worst' : 'none' };
  });
}

function formatFactor(value: number, best: number): string {
  if (value === best) return '(1.0)';
  if (best === 0) return '(inf)';
  const factor = value / best;
  if (factor > 1000) return '(>1000.0)';
  return factor < 0.005 ? '(<0.01)' : `(${factor.toFixed(2)})`;
}

/** Four decimals and thousands apart: 1,234.5678. */
function formatFigure(value: number): string {
  const [whole = '', decimals = ''] = value.toFixed(4).split('.');
  return `${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${decimals}`;
}

/** By the fastest, so that no figure of the table is all zeros. */
function chooseTimeUnit(fastestUs: number): { name: string; perUs: number } {
  if (fastestUs < 1) return { name: 'ns', perUs: 1_000 };
  if (fastestUs < 1_000) return { name: 'us', perUs: 1 };
  if (fastestUs < 1_000_000) return { name: 'ms', perUs: 1e-3 };
  return { name: 's', perUs: 1e-6 };
}

function chooseRateUnit(most: number): { title: string; perOne: number } {
  if (most >= 1e6) return { title: 'OPS (Mops/s)', perOne: 1e-6 };
  if (most >= 1e4) return { title: 'OPS (Kops/s)', perOne: 1e-3 };
  return { title: 'OPS', perOne: 1 };
}
