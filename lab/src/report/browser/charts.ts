/** The charts of the page: percentiles by nines, latency over time with the machine's lanes, latency against rate. */
import type { Column, KneeData, SideData, StallMark } from '../page-data.ts';
import {
  asTime,
  axisOf,
  bySecond,
  type Chart,
  colour,
  draw,
  fromZero,
  line,
  logAxis,
  type Options,
  type Series,
  timeAxis,
  unnamed,
} from './chart-frame.ts';
import { writeNines, writeShort, writeUs } from './figures.ts';

/** Value against nines: a straight line is an exponential tail, a step is a queue or a stall. */
export function drawPercentiles(sides: readonly SideData[]): void {
  const longest = sides.toSorted((a, b) => b.percentiles.nines.length - a.percentiles.nines.length)[0];
  if (longest === undefined) return;
  const { nines } = longest.percentiles;
  const last = nines.at(-1) ?? 1;
  const pad = (column: Column) => [...column, ...nines.slice(column.length).map(() => null)];
  const single = sides.length === 1;
  const lines = sides.flatMap((side, index) =>
    single
      ? [
          { column: side.percentiles.responseUs, series: line('Response', 'after', asTime) },
          { column: side.percentiles.serviceUs, series: line('Service', 'before', asTime, { dash: [5, 4] }) },
        ]
      : [
          {
            column: side.percentiles.responseUs,
            series: line(side.label, index === 0 ? 'before' : 'after', asTime),
          },
        ],
  );
  const columns = lines.map(({ column }) => pad(column));
  const known = columns.flat().filter((us) => us !== null && us > 0);
  const least = known.reduce<number>((low, us) => Math.min(low, us ?? low), Number.POSITIVE_INFINITY);
  const most = known.reduce<number>((top, us) => Math.max(top, us ?? 0), 0);
  // Beyond a factor of thirty a linear axis shows only the tail.
  const isLog = known.length > 0 && most > 30 * least;
  const y: Options['scales'] = {
    y: isLog ? { distr: 3, range: [10 ** Math.floor(Math.log10(least)), most * 1.3] } : { range: fromZero },
  };
  const isNarrow = (document.getElementById('chart-percentiles')?.clientWidth ?? 0) < 480;
  const marks = [
    0,
    ...(isNarrow ? [] : [Math.log10(2)]),
    ...Array.from({ length: Math.floor(last) }, (_, index) => index + 1),
  ];
  draw(
    'chart-percentiles',
    340,
    {
      scales: { x: { time: false, range: [0, last] }, ...y },
      axes: [
        {
          ...axisOf('Percentile', (_, splits) => splits.map(writeNines), false),
          splits: () => marks,
          filter: (_, splits) => splits,
        },
        isLog ? logAxis() : timeAxis(columns, 'Latency'),
      ],
      series: [
        { label: unnamed, value: (_, at) => (at === null ? '' : `at ${writeNines(at)}`) },
        ...lines.map(({ series }) => series),
      ],
    },
    [nines, ...columns],
  );
}

/** Latency by second above the lanes of the machine, on one time axis with one cursor. */
export function drawTime(sides: readonly SideData[]): void {
  const single = sides.length === 1;
  const seconds = sides.map((side) => side.series.second).toSorted((a, b) => b.length - a.length)[0] ?? [];
  const end = Math.max((seconds.at(-1) ?? 0) + 1, ...sides.map((side) => side.lanes?.atS.at(-1) ?? 0));
  const lines = sides.flatMap(({ label, series }, index) =>
    single
      ? [
          { column: series.maxUs, series: bySecond('Max', 'hot', { width: 1 }) },
          { column: series.p99Us, series: bySecond('P99', 'after') },
          { column: series.p50Us, series: bySecond('P50', 'before') },
        ]
      : [
          { column: series.p99Us, series: bySecond(`${label} P99`, index === 0 ? 'before' : 'after') },
          {
            column: series.p50Us,
            series: bySecond(`${label} P50`, index === 0 ? 'before' : 'after', { dash: [5, 4] }),
          },
        ],
  );
  const x: Options['scales'] = { x: { time: false, range: [0, end] } };
  const scales: [string, null] = ['x', null];
  const cursor = { y: false, sync: { key: 'time', scales } };
  const at: Series = {
    label: unnamed,
    value: (_, second) => (second === null ? '' : `at ${writeShort(second)} s`),
  };
  const stalls = sides.at(-1)?.stalls ?? [];
  const columns = lines.map(({ column }) => column);
  const timeLine = (label: string) => axisOf(label, undefined, false);
  const hooks = { drawClear: [(chart: Chart) => drawStalls(chart, stalls)] };
  // A figure of a second is drawn as wide as that second; the last one ends with the run.
  const starts = [...seconds, (seconds.at(-1) ?? 0) + 1];
  const held = (column: Column) => [
    ...column,
    ...starts.slice(column.length, -1).map(() => null),
    column.at(-1) ?? null,
  ];
  draw(
    'chart-time',
    280,
    {
      scales: { ...x, y: { range: fromZero } },
      // Anywhere within a second is that second, not the nearer end of it.
      cursor: {
        ...cursor,
        dataIdx: (_, __, closest, at) => ((starts[closest] ?? 0) > at ? Math.max(0, closest - 1) : closest),
      },
      hooks,
      axes: [
        timeLine(sides.some((side) => side.lanes !== null) ? '' : 'Seconds'),
        timeAxis(columns, 'Latency'),
      ],
      series: [at, ...lines.map(({ series }) => series)],
    },
    [starts, ...columns.map(held)],
  );
  const lane = (
    id: string,
    label: string,
    most: number | null,
    unit: string,
    read: (side: SideData) => { label: string; column: Column; name: string }[],
  ) => {
    const known = sides.filter((side) => side.lanes !== null);
    const times = known.map((side) => side.lanes?.atS ?? []).toSorted((a, b) => b.length - a.length)[0];
    if (times === undefined) return;
    const parts = known.flatMap((side) =>
      read(side).map((part) => ({
        ...part,
        label: [single ? '' : side.label, part.label].filter(Boolean).join(' '),
      })),
    );
    draw(
      id,
      130,
      {
        scales: { ...x, y: { range: most === null ? fromZero : [0, most] } },
        cursor,
        hooks,
        axes: [
          timeLine(id === 'chart-queue' ? 'Seconds' : ''),
          { ...axisOf(label, undefined, true), space: 24 },
        ],
        series: [
          at,
          ...parts.map((part) =>
            line(
              part.label,
              part.name,
              (_, value) => (value === null ? '' : `${writeShort(value)} ${unit}`),
              { width: 1.25 },
            ),
          ),
        ],
      },
      [times, ...parts.map((part) => part.column)],
    );
  };
  const percent = (column: Column) => column.map((share) => (share === null ? null : share * 100));
  const nameOf = (side: SideData) => (single || side === sides.at(-1) ? 'after' : 'before');
  const busiest = sides
    .flatMap((side) => side.lanes?.serverCpu ?? [])
    .reduce<number>((top, share) => Math.max(top, share ?? 0), 0);
  lane('chart-cpu', '% of a core', Math.max(1, Math.ceil(busiest)) * 105, '%', (side) => [
    { label: 'Server', column: percent(side.lanes?.serverCpu ?? []), name: nameOf(side) },
    ...(single
      ? [{ label: 'All cores, mean', column: percent(side.lanes?.machine ?? []), name: 'before' }]
      : []),
  ]);
  lane('chart-queue', 'ms a second', null, 'ms/s', (side) => [
    { label: 'Run queue', column: side.lanes?.runQueueMsPerS ?? [], name: single ? 'hot' : nameOf(side) },
  ]);
}

/** A band for each stall behind the lines, at least two pixels wide so that a short one is seen. */
function drawStalls(chart: Chart, stalls: readonly StallMark[]): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.fillStyle = colour('stall');
  for (const { startS, lengthMs } of stalls) {
    const left = chart.valToPos(startS, 'x', true);
    const right = chart.valToPos(startS + lengthMs / 1000, 'x', true);
    ctx.fillRect(left, bbox.top, Math.max(2 * devicePixelRatio, right - left), bbox.height);
  }
  ctx.restore();
}

/** Latency against rate with the limit; points that did not meet it are crosses. */
export function drawKnee(knee: KneeData): void {
  const most = Math.min(Math.max(...knee.p99Us.map((us) => us ?? 0)), knee.sloUs * 4);
  const top = Math.max(most, knee.sloUs) * 1.1;
  draw(
    'chart-knee',
    320,
    {
      scales: { x: { time: false, range: [0, Math.max(...knee.ratePerS) * 1.04] }, y: { range: [0, top] } },
      axes: [axisOf('Requests/s', undefined, false), timeAxis([[top]], 'Latency')],
      series: [
        { label: unnamed, value: (_, rate) => (rate === null ? '' : `at ${rate.toLocaleString('en-US')}/s`) },
        line('P99', 'after', asTime),
        line('P50', 'before', asTime),
      ],
      hooks: { draw: [(chart: Chart) => markKnee(chart, knee)] },
    },
    [knee.ratePerS, knee.p99Us, knee.p50Us],
  );
}

function markKnee(chart: Chart, knee: KneeData): void {
  const { ctx, bbox } = chart;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.lineWidth = 1.5 * scale;
  ctx.font = `${12 * scale}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'alphabetic';
  ctx.setLineDash([6 * scale, 4 * scale]);
  ctx.strokeStyle = colour('hot');
  ctx.fillStyle = colour('hot');
  const limit = chart.valToPos(knee.sloUs, 'y', true);
  ctx.beginPath();
  ctx.moveTo(bbox.left, limit);
  ctx.lineTo(bbox.left + bbox.width, limit);
  if (knee.kneePerS !== null) {
    const at = chart.valToPos(knee.kneePerS, 'x', true);
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.fillText(`limit ${writeUs(knee.sloUs)}`, bbox.left + 8 * scale, limit - 6 * scale);
  ctx.setLineDash([]);
  for (const [index, rate] of knee.ratePerS.entries()) {
    const us = knee.p99Us[index];
    if (us === null || us === undefined) continue;
    const x = chart.valToPos(rate, 'x', true);
    const y = Math.max(bbox.top + 6 * scale, chart.valToPos(us, 'y', true));
    const size = 4.5 * scale;
    ctx.beginPath();
    if (knee.met[index] === true) {
      ctx.fillStyle = colour('after');
      ctx.arc(x, y, size, 0, 2 * Math.PI);
      ctx.fill();
    } else {
      ctx.strokeStyle = colour('bad');
      ctx.lineWidth = 2 * scale;
      ctx.moveTo(x - size, y - size);
      ctx.lineTo(x + size, y + size);
      ctx.moveTo(x + size, y - size);
      ctx.lineTo(x - size, y + size);
      ctx.stroke();
    }
  }
  ctx.restore();
}
