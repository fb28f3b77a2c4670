/** The part of the report that has the scorecard of each load, with its drawings. */

import { parseCores } from '../load/pinning.ts';
import { type Bar, drawBars } from '../report/bar-chart.ts';
import { formatShare, formatShort, formatUs } from '../report/format-figures.ts';
import { measureFacts } from '../report/measures.ts';
import type { MeanInterval } from '../stats/mean-interval.ts';
import { findIdleShare } from '../stats/busy-cores.ts';
import { judgeSamples } from '../stats/stability.ts';
import { medianOf } from '../stats/summary.ts';
import { type Cell, cpuOf, type Figures, rateOf, type Spread } from './figures.ts';
import type { Group, Variant } from './plan.ts';
import type { Part } from './report-part.ts';

interface Measured {
  variant: Variant;
  cell: Cell;
}

/** Nothing when the load was not measured. */
export function describeGroup(figures: Figures, group: Group): Part[] {
  const measured = group.variants.flatMap((variant) => {
    const cell = figures.cell(group.id, variant.id);
    return cell === undefined ? [] : [{ variant, cell }];
  });
  const [first] = measured;
  if (first === undefined) return [];
  const serverCores = parseCores(figures.head.serverCores ?? '');
  const compared = group.ratePerS === null ? 'answers/s' : 'CPU';
  const columns = [
    '',
    ...[
      'mean',
      'P90',
      'P99',
      'stddev',
      'max',
      'answers/s',
      'CPU',
      ...serverCores.map((core) => `core ${core}`),
    ],
    ...['CPU a request', `${compared} against the first`, `${compared} against the one above`],
  ];
  const read = group.ratePerS === null ? rateOf : cpuOf;
  const compare = (from: Measured, to: Measured) =>
    from === to ? '-' : writeRatio(figures.ratio(group.id, from.variant.id, to.variant.id, read));
  const rows = measured.map((each, index) => [
    ...describeCell(each, serverCores),
    compare(first, each),
    compare(measured[index - 1] ?? each, each),
  ]);
  const remarks = measured.flatMap(({ variant, cell }) => {
    const sentences = [...cell.faults.map(({ sentence }) => sentence), ...describeOutliers(cell)];
    const idle =
      group.ratePerS === null
        ? findIdleShare(
            cell.runs.flatMap(({ lanes = [] }) => lanes),
            serverCores,
          )
        : undefined;
    if (idle !== undefined) {
      sentences.push(
        `Its cores were busy for only ${formatShare(idle)}: the load or its ${group.connections} connections were the limit, so it could do more; its CPU a request says how much.`,
      );
    }
    return sentences.length === 0 ? [] : [`${variant.label}: ${sentences.join(' ')}`];
  });
  return [
    { kind: 'heading', level: 3, text: group.title },
    { kind: 'table', columns, rows },
    ...(remarks.length === 0 ? [] : [{ kind: 'list' as const, items: remarks }]),
    ...chartsOf(group, measured),
    ...(group.id === 'bystander' ? describeBystanders(figures, group) : []),
  ];
}

/** A round whose mean is so many times the middle one's was disturbed, or the variant is unsteady. */
const farOut = 2;
const fewestRounds = 3;

/** Nothing is left out of the figures, but the reader is told what is in them. */
function describeOutliers({ runs }: Cell): string[] {
  const means = runs.map(({ response }) => response.meanUs);
  const middle = medianOf(means);
  if (means.length < fewestRounds || !(middle > 0)) return [];
  return means.flatMap((mean, index) =>
    mean > farOut * middle
      ? [
          `Its round ${index + 1} has a mean of ${formatUs(mean)}, ${formatShort(mean / middle)} times that of the middle one: something disturbed it, and it is in the figures.`,
        ]
      : [],
  );
}

function describeCell({ variant, cell }: Measured, serverCores: readonly number[]): string[] {
  const { measures, cpuUs, serviceCpu, cores } = cell;
  const time = (name: 'mean' | 'p90' | 'p99' | 'stddev' | 'max') => formatUs(measures[name]);
  const samples = cell.runs.reduce((sum, { ok }) => sum + ok, 0);
  return [
    variant.label,
    time('mean'),
    time('p90'),
    judgeSamples(samples).enough ? time('p99') : `(${time('p99')})`,
    time('stddev'),
    time('max'),
    measureFacts.rate.write(measures.rate ?? 0).replace('/s', ''),
    serviceCpu === null ? '-' : formatShare(serviceCpu),
    ...serverCores.map((core) => formatShare(cores[core] ?? 0)),
    cpuUs === undefined ? '-' : `${formatUs(cpuUs.mean)}${bracket(cpuUs)}`,
  ];
}

function writeRatio(ratio: MeanInterval | undefined): string {
  if (ratio === undefined) return '-';
  return `${formatShort(ratio.mean)} (${formatShort(ratio.low)} to ${formatShort(ratio.high)})`;
}

function bracket({ low, high }: Spread): string {
  return low === undefined || high === undefined
    ? ''
    : ` (${formatUs(Math.max(0, low))} to ${formatUs(high)})`;
}

function chartsOf(group: Group, measured: readonly Measured[]): Part[] {
  const bars = (read: (cell: Cell) => Spread | undefined, scale: number): Bar[] =>
    measured.flatMap(({ variant, cell }) => {
      const spread = read(cell);
      if (spread === undefined) return [];
      const { mean, low, high } = spread;
      const whisker = low === undefined || high === undefined ? {} : { low: low / scale, high: high / scale };
      return [{ label: variant.label, value: mean / scale, ...whisker, isOwn: variant.options === null }];
    });
  const cpu = bars(({ cpuUs }) => cpuUs, group.isHashing ? 1000 : 1);
  const rate = group.ratePerS === null ? bars(({ ratePerS }) => ratePerS, 1) : [];
  const unit = group.isHashing ? 'CPU a request, ms' : 'CPU a request, \u00b5s';
  return [
    ...(cpu.length === 0
      ? []
      : [
          {
            kind: 'chart' as const,
            name: `${group.id}-cpu.svg`,
            title: `${group.title}: CPU a request`,
            svg: drawBars(group.title, unit, cpu, '95 % interval'),
          },
        ]),
    ...(rate.length === 0
      ? []
      : [
          {
            kind: 'chart' as const,
            name: `${group.id}-rate.svg`,
            title: `${group.title}: answers a second`,
            svg: drawBars(group.title, 'answers a second', rate, '95 % interval'),
          },
        ]),
  ];
}

function describeBystanders(figures: Figures, { id, variants }: Group): Part[] {
  const rows = variants.flatMap(({ id: variant, label }) => {
    const ping = figures.stepLatency(id, variant, 'ping');
    return ping === undefined
      ? []
      : [[label, formatUs(ping.meanUs), formatUs(ping.p99Us), formatUs(ping.maxUs)]];
  });
  return [
    { kind: 'text', text: 'The pings among them alone:' },
    { kind: 'table', columns: ['', 'mean', 'P99', 'max'], rows },
  ];
}
