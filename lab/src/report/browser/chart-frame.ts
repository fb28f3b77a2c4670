/** What every chart of the page shares: axes, lines, colours of the style sheet, keyboard, fitting. */
import type { Column } from '../page-data.ts';
import { unitOf, writeShort, writeUs } from './figures.ts';

declare const uPlot: typeof import('uplot');
export type Chart = import('uplot');
export type Options = import('uplot').Options;
export type Series = import('uplot').Series;
type Axis = import('uplot').Axis;

/** Every chart has the same left edge, so that times are above each other. */
const leftWidth = 68;
/** The place under the cursor needs no name in a legend; uPlot would make one up for none. */
export const unnamed = '\u00a0';
const charts: { chart: Chart; place: HTMLElement }[] = [];

/** Resolves a colour of the style sheet as it is now: light, dark or print. */
export function colour(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** Asked at each drawing, because the theme may have changed since. */
const paint = (name: string) => () => colour(name);

export function axisOf(label: string, values: Axis['values'], isSide: boolean): Axis {
  return {
    stroke: paint('muted'),
    grid: { stroke: paint('line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
    labelFont: '12px system-ui, sans-serif',
    ...(label === '' ? {} : { label }),
    labelSize: 18,
    labelGap: 0,
    gap: 6,
    size: isSide ? leftWidth - 18 : 26,
    ...(isSide ? { space: 34 } : { space: 56 }),
    ...(values === undefined ? {} : { values }),
  };
}

export function timeAxis(columns: readonly Column[], label: string): Axis {
  const most = columns.flat().reduce<number>((top, us) => Math.max(top, us ?? 0), 0);
  const { size, name } = unitOf(most);
  return axisOf(
    `${label}, ${name}`,
    (_, splits) => splits.map((us) => (us === null ? '' : writeShort(us / size))),
    true,
  );
}

/** Powers of ten, each with its own unit. */
export function logAxis(): Axis {
  const isPower = (us: number) => Math.abs(Math.log10(us) - Math.round(Math.log10(us))) < 1e-9;
  const onlyPowers = (_: Chart, splits: number[]) => splits.map((us) => (isPower(us) ? us : null));
  return {
    ...axisOf(
      'Latency, log scale',
      (_, splits) => splits.map((us) => (us === null ? '' : writeUs(us))),
      true,
    ),
    filter: onlyPowers,
    grid: { stroke: paint('line'), width: 1, filter: onlyPowers },
  };
}

export function line(label: string, name: string, value: Series['value'], extra: Series = {}): Series {
  return {
    label,
    stroke: paint(name),
    width: 1.75,
    points: { show: false },
    ...(value === undefined ? {} : { value }),
    ...extra,
  };
}

export const asTime: Series['value'] = (_, us) => (us === null ? '' : writeUs(us));
/** Level through each second: a slope between two would be made up. */
export function bySecond(label: string, name: string, extra: Series = {}): Series {
  const paths = uPlot.paths.stepped?.({ align: 1 });
  return line(label, name, asTime, { ...(paths === undefined ? {} : { paths }), ...extra });
}

/** From zero to a little above the highest: a cut-off axis makes small changes look large. */
export const fromZero = (_: Chart, __: number | null, most: number | null): [number, number] => [
  0,
  (most ?? 0) > 0 ? (most ?? 1) * 1.06 : 1,
];

export function draw(
  id: string,
  height: number,
  options: Omit<Options, 'width' | 'height'>,
  columns: Column[],
): void {
  const place = document.getElementById(id);
  const [first, ...rest] = columns;
  if (place === null || first === undefined) return;
  const x = first.map((value) => value ?? 0);
  const chart = new uPlot(
    {
      width: Math.max(240, place.clientWidth),
      height,
      padding: [10, 14, 0, 0],
      ...options,
      cursor: { y: false, ...options.cursor },
    },
    [x, ...rest],
    place,
  );
  charts.push({ chart, place });
  // The cursor follows the arrow keys too; the legend reads what is under it.
  place.tabIndex = 0;
  place.addEventListener('keydown', (event) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const at = Math.min(x.length - 1, Math.max(0, (chart.cursor.idx ?? (step > 0 ? -1 : x.length)) + step));
    // uPlot tells the charts of the same time axis of the mouse only. Half a pixel keeps clear of the second before.
    const isShared = chart.cursor.sync?.key === 'time';
    for (const { chart: other } of charts)
      if (other === chart || (isShared && other.cursor.sync?.key === 'time'))
        other.setCursor({ left: other.valToPos(x[at] ?? 0, 'x') + 0.5, top: 10 });
  });
}

/** Fits every chart to its place; with new colours after a change of theme. */
export function refit(): void {
  for (const { chart, place } of charts) {
    const width = Math.max(240, place.clientWidth);
    if (width !== chart.width) chart.setSize({ width, height: chart.height });
    chart.redraw(false, true);
  }
  for (const { chart } of charts)
    for (const [index, marker] of [...chart.root.querySelectorAll<HTMLElement>('.u-marker')].entries()) {
      const stroke = chart.series[index + 1]?.stroke;
      if (typeof stroke === 'function') marker.style.background = String(stroke(chart, index + 1));
    }
}
