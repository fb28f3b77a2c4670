/** What is drawn as SVG: the dots of every run, the pairs of a compare; and for Markdown, percentiles, time and knee. */
import type { CompareResult, RunMeasurement } from '../result/result.ts';
import { formatChange, formatLimitUs, formatTick, formatUs } from './format-figures.ts';
import { escapeXml } from './markup.ts';
import { summariseRun } from './measures.ts';
import type { KneeData, SideData } from './page-data.ts';
import type { ReportSide } from './report-document.ts';
import { type Axis, drawAxes, drawLine, type Frame, niceTicks, placeX, placeY, wrapSvg } from './svg-plot.ts';

export interface DrawOptions {
  /** With its own colours and size, for a file. */
  standalone: boolean;
  width?: number;
}

/** Each run as a dot on one axis from zero, the reported one filled: how far apart equal runs fell. */
export function drawRunDots(
  sides: readonly ReportSide[],
  measure: 'mean' | 'p99',
  options: DrawOptions,
): string {
  const name = measure === 'mean' ? 'Mean' : 'P99';
  const rows = sides.map(({ label, runs, run }, side) => ({
    side: sides.length === 1 ? 1 : side,
    label,
    values: runs.map((one) => ({ value: summariseRun(one)[measure], isReported: one === run })),
  }));
  const most = Math.max(...rows.flatMap((row) => row.values.map(({ value }) => value ?? 0)), 1);
  const left = sides.length === 1 ? 12 : 76;
  const frame: Frame = {
    width: options.width ?? 640,
    height: 56 + rows.length * 30,
    left,
    right: 20,
    top: 8,
    bottom: 44,
  };
  const x = timeAxis(name, most * 1.05);
  const toX = placeX(frame, x);
  const body = rows.map((row, index) => {
    const y = frame.top + 17 + index * 30;
    // The reported one last, so that it lies on top.
    const dots = row.values
      .toSorted((a, b) => Number(a.isReported) - Number(b.isReported))
      .map(({ value, isReported }) =>
        value === null
          ? ''
          : `<circle class="s${row.side}${isReported ? '' : ' hollow'}" cx="${toX(value)}" cy="${y}" r="5" stroke-width="1.75"><title>${escapeXml(formatUs(value))}${isReported ? ', the median run' : ''}</title></circle>`,
      );
    return `<text class="ink" x="0" y="${y + 4}">${escapeXml(clip(row.label, 10))}</text>${dots.join('')}`;
  });
  const spoken = rows.map((row) =>
    `${row.label} ${row.values.map(({ value }) => formatUs(value)).join(', ')}`.trim(),
  );
  return wrapSvg(
    frame,
    `${name} of every run: ${spoken.join('; ')}`,
    drawAxes(frame, x) + body.join(''),
    options,
  );
}

/** Each pair's change with the interval of the typical one behind it. */
export function drawPairs(result: CompareResult, options: DrawOptions): string {
  const [change] = result.changes;
  if (change === undefined) return '';
  const values = result.pairs.map(({ a, b }) => relativeChange(change.measure, a, b));
  const known = values.filter((value) => value !== null);
  const ends = [...known, change.low, change.high, 0, 0.03, -0.03];
  const min = Math.min(...ends);
  const max = Math.max(...ends);
  const pad = (max - min) * 0.08;
  const frame: Frame = { width: options.width ?? 640, height: 260, left: 60, right: 16, top: 28, bottom: 40 };
  const y: Axis = {
    label: `Change of ${change.measure === 'cpu' ? 'CPU a request' : change.measure}, %`,
    min: min - pad,
    max: max + pad,
    ticks: niceTicks(min - pad, max + pad, 5, formatChange),
  };
  const step = Math.max(1, Math.ceil(values.length / 10));
  const x: Axis = {
    label: 'Pair',
    min: 0.5,
    max: values.length + 0.5,
    ticks: values.flatMap((_, index) =>
      index % step === 0 ? [{ at: index + 1, text: String(index + 1) }] : [],
    ),
  };
  const toX = placeX(frame, x);
  const toY = placeY(frame, y);
  const right = frame.width - frame.right;
  const band = `<rect class="band" x="${frame.left}" y="${toY(change.high)}" width="${right - frame.left}" height="${Math.max(1, toY(change.low) - toY(change.high))}"/>`;
  const line = (at: number, name: string) =>
    `<line class="${name}" x1="${frame.left}" y1="${toY(at)}" x2="${right}" y2="${toY(at)}"/>`;
  const dots = values.map((value, index) => {
    if (value === null) return '';
    const order = result.pairs[index]?.order ?? 'AB';
    return `<circle class="s1${order === 'AB' ? '' : ' hollow'}" cx="${toX(index + 1)}" cy="${toY(value)}" r="4.5" stroke-width="1.75"><title>Pair ${index + 1}, ${order}: ${formatChange(value)}</title></circle>`;
  });
  const label = `Change of each of ${values.length} pairs; typical change ${formatChange(change.change)}, interval ${formatChange(change.low)} to ${formatChange(change.high)}`;
  return wrapSvg(
    frame,
    label,
    drawAxes(frame, x, y) + band + line(0, 'axis') + line(change.change, 's1') + dots.join(''),
    options,
  );
}

/** Latency by nines for a file. */
export function drawPercentiles(sides: readonly SideData[], options: DrawOptions): string {
  const frame: Frame = { width: options.width ?? 720, height: 300, left: 70, right: 16, top: 44, bottom: 44 };
  const most = Math.max(...sides.flatMap((side) => side.percentiles.responseUs.map((us) => us ?? 0)), 1);
  const nines = Math.max(...sides.map((side) => side.percentiles.nines.at(-1) ?? 1));
  const x: Axis = { label: 'Percentile', min: 0, max: nines, ticks: nineTicks(nines) };
  const y = timeAxis('Response time', most * 1.05);
  const lines = sides.map((side, index) => ({
    label: side.label === '' ? 'response' : side.label,
    points: side.percentiles.nines.map(
      (at, point) => [at, side.percentiles.responseUs[point] ?? null] as const,
    ),
    style: sides.length === 1 ? 1 : index,
  }));
  return drawLines(frame, 'Response time by percentile', x, y, lines, options);
}

/** P50, P99 and the longest of each second for a file. */
export function drawOverTime(sides: readonly SideData[], options: DrawOptions): string {
  const frame: Frame = { width: options.width ?? 720, height: 280, left: 70, right: 16, top: 44, bottom: 44 };
  const lines = sides.flatMap(({ label, series }, index) => {
    const line = (name: string, column: readonly (number | null)[], style: number) => ({
      label: [label, name].filter((word) => word !== '').join(' '),
      points: series.second.map((at, point) => [at, column[point] ?? null] as const),
      style,
    });
    if (sides.length > 1) return [line('P99', series.p99Us, index)];
    return [line('P50', series.p50Us, 0), line('P99', series.p99Us, 1), line('max', series.maxUs, 2)];
  });
  const most = Math.max(...lines.flatMap((line) => line.points.map(([, us]) => us ?? 0)), 1);
  const end = Math.max(...sides.map((side) => side.series.second.at(-1) ?? 1), 1);
  const x: Axis = { label: 'Seconds', min: 0, max: end, ticks: niceTicks(0, end, 8) };
  return drawLines(frame, 'Latency over time', x, timeAxis('Response time', most * 1.05), lines, options);
}

/** P99 against the rate for a file. */
export function drawKnee(knee: KneeData, options: DrawOptions): string {
  const frame: Frame = { width: options.width ?? 720, height: 300, left: 70, right: 16, top: 44, bottom: 44 };
  const end = Math.max(...knee.ratePerS, 1);
  // What lies far above the limit would press everything else flat; it runs out of the top instead.
  const most = Math.min(Math.max(...knee.p99Us.map((us) => us ?? 0), 1), knee.sloUs * 4);
  const cut = (column: readonly (number | null)[]) =>
    knee.ratePerS.map((at, point) => [at, Math.min(column[point] ?? 0, most)] as const);
  const x: Axis = { label: 'Requests/s', min: 0, max: end, ticks: niceTicks(0, end, 8) };
  const lines = [
    { label: 'P50', points: cut(knee.p50Us), style: 0 },
    { label: 'P99', points: cut(knee.p99Us), style: 1 },
    {
      label: `limit ${formatLimitUs(knee.sloUs)}`,
      points: [
        [0, knee.sloUs],
        [end, knee.sloUs],
      ] as const,
      style: 2,
    },
  ];
  return drawLines(
    frame,
    'Latency against rate',
    x,
    timeAxis('Response time', Math.max(most, knee.sloUs) * 1.1),
    lines,
    options,
  );
}

interface Line {
  label: string;
  points: readonly (readonly [number, number | null])[];
  style: number;
}

function drawLines(
  frame: Frame,
  title: string,
  x: Axis,
  y: Axis,
  lines: readonly Line[],
  options: DrawOptions,
): string {
  const toX = placeX(frame, x);
  const toY = placeY(frame, y);
  const paths = lines.map((line) => `<path class="s${line.style}" d="${drawLine(line.points, toX, toY)}"/>`);
  let at = frame.width - frame.right;
  const legend = lines.toReversed().map((line) => {
    const width = line.label.length * 7 + 26;
    at -= width;
    return `<rect class="s${line.style}" x="${at}" y="8" width="14" height="3"/><text class="ink" x="${at + 19}" y="14">${escapeXml(line.label)}</text>`;
  });
  const heading = `<text class="title" x="0" y="14">${escapeXml(title)}</text>`;
  return wrapSvg(frame, title, heading + legend.join('') + drawAxes(frame, x, y) + paths.join(''), options);
}

/** From zero, in the unit that suits the largest value. */
function timeAxis(label: string, most: number): Axis {
  const [size, unit] = most < 1000 ? [1, '\u00b5s'] : most < 1e6 ? [1000, 'ms'] : [1e6, 's'];
  const ticks = niceTicks(0, most / size).map((tick) => ({ at: tick.at * size, text: formatTick(tick.at) }));
  return { label: `${label}, ${unit}`, min: 0, max: most, ticks };
}

function nineTicks(last: number): { at: number; text: string }[] {
  const ticks = [
    { at: 0, text: '0 %' },
    { at: Math.log10(2), text: '50 %' },
  ];
  for (let nines = 1; nines <= last; nines++)
    ticks.push({ at: nines, text: `${Number((100 * (1 - 10 ** -nines)).toFixed(6))} %` });
  return ticks;
}

/** As compare has it: positive is more time, more CPU or less throughput. */
function relativeChange(measure: string, a: RunMeasurement, b: RunMeasurement): number | null {
  if (measure === 'throughput') return b.ratePerS > 0 ? a.ratePerS / b.ratePerS - 1 : null;
  const name = measure === 'cpu' || measure === 'p50' || measure === 'p99' ? measure : 'mean';
  const before = summariseRun(a)[name];
  const after = summariseRun(b)[name];
  return before === null || after === null || before === 0 ? null : after / before - 1;
}

function clip(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}\u2026`;
}
