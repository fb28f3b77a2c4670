/** The tables of a report: figures or scorecard first, then percentiles, steps, runs, failures and shares of CPU. */
import type { CompareResult, MicroRow, Result } from '../result/result.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { shareOfNines } from './chart-data.ts';
import { tableOfFailures, tableOfRuns, tableOfShares, tableOfStalls, tableOfSteps } from './detail-tables.ts';
import {
  formatCount,
  formatLimitUs,
  formatRate,
  formatShare,
  formatShort,
  formatUs,
  nameOfPercentile,
} from './format-figures.ts';
import { type MeasureName, measureFacts, measureNames, summariseRun, writeMeasure } from './measures.ts';
import type { Cell, ReportSide, ReportTable } from './report-document.ts';
import { type Scorecard, type ScoreRow, scoreRow } from './scorecard.ts';
import { describeInterval, type Tone } from './verdict-sentence.ts';

const text = (label: string) => ({ label, numeric: false });
const figure = (label: string) => ({ label, numeric: true });
const cell = (value: string): Cell => ({ text: value });
const latencyNote = 'Latency counts from when a request was due, so waiting for a busy server is in it.';
const closedNote =
  'As many requests as possible were under way: these times are of an overload, nobody waits them.';

export function makeTables(input: {
  result: Result;
  sides: readonly ReportSide[];
  scorecard?: Scorecard;
}): ReportTable[] {
  const { result, sides, scorecard } = input;
  const tables: ReportTable[] = [];
  if (scorecard !== undefined) tables.push(tableOfScores(scorecard.rows));
  else if (result.kind === 'compare' && result.changes.length > 0) tables.push(tableOfChanges(result, sides));
  else if (result.kind === 'run' && sides[0] !== undefined) {
    tables.push(tableOfFigures(sides[0], result.load.loop === 'closed'));
  }
  if (result.kind === 'bench') tables.push(tableOfBenchmarks(result.rows));
  if (result.kind === 'knee') tables.push(tableOfRates(result));
  if (sides.length > 0 && result.kind !== 'knee') {
    tables.push(tableOfPercentiles(sides, result.kind !== 'bench' && result.load.loop === 'closed'));
  }
  const steps = tableOfSteps(sides);
  if (steps !== undefined) tables.push(steps);
  if (sides.some((side) => side.runs.length > 1) && result.kind === 'run') tables.push(tableOfRuns(sides));
  const failures = tableOfFailures(sides);
  if (failures !== undefined) tables.push(failures);
  const pass = result.kind === 'run' ? result.profilePass : undefined;
  const stalls =
    tableOfStalls(sides) ??
    (pass === undefined ? undefined : tableOfStalls([{ label: 'profile pass', overTime: pass }]));
  if (stalls !== undefined) tables.push(stalls);
  if (result.kind === 'run' && result.profile !== undefined) {
    tables.push(tableOfShares('cpu-packages', 'CPU by package', result.profile.packages));
    tables.push(tableOfShares('cpu-functions', 'CPU by function', result.profile.functions));
  }
  return tables;
}

function tableOfScores(rows: readonly ScoreRow[]): ReportTable {
  return {
    id: 'scorecard',
    title: 'Before and after',
    note: `${latencyNote} A change within 3 % reads as unchanged; none of these is tested for chance.`,
    columns: [text('Measure'), figure('Before'), figure('After'), figure('Change'), text('')],
    rows: rows.map((row) => [
      cell(row.measure),
      cell(row.beforeText),
      cell(row.afterText),
      { text: row.changeText, tone: row.tone, direction: row.direction },
      { text: row.word, tone: row.tone },
    ]),
  };
}

function tableOfFigures(side: ReportSide, isClosed: boolean): ReportTable {
  const measures = summariseRun(side.run);
  return {
    id: 'figures',
    title: isClosed ? 'Figures (times of an overload)' : 'Figures',
    note: `${side.runs.length > 1 ? `The median of ${side.runs.length} runs. ` : ''}${isClosed ? closedNote : latencyNote}`,
    columns: [text('Measure'), figure('Value')],
    rows: measureNames.map((name) => [
      cell(measureFacts[name].label),
      cell(measures[name] === null ? notMeasured(name) : writeMeasure(name, measures[name])),
    ]),
  };
}

function notMeasured(name: MeasureName): string {
  return name === 'cpu' || name === 'rss' ? 'not sampled' : 'none';
}

const measureOfChange: Readonly<Record<string, { name: MeasureName; label: string }>> = {
  cpu: { name: 'cpu', label: 'CPU per request' },
  mean: { name: 'mean', label: 'Mean' },
  p50: { name: 'p50', label: 'P50' },
  p99: { name: 'p99', label: 'P99' },
  throughput: { name: 'rate', label: 'Throughput' },
};

function tableOfChanges(result: CompareResult, sides: readonly ReportSide[]): ReportTable {
  const [a, b] = sides.map((side) => summariseRun(side.run));
  const tones: Record<string, Tone> = { faster: 'good', slower: 'bad', same: 'plain', "can't tell": 'doubt' };
  const first = result.changes[0];
  return {
    id: 'changes',
    title: 'A against B',
    note: `A is ${result.sides[0]}, B is ${result.sides[1]}. The change is the typical one of ${result.pairs.length} pairs, with its ${formatShare(first?.confidence ?? 0.99)} interval; the first row decides.`,
    columns: [
      text('Measure'),
      figure('A'),
      figure('B'),
      figure('Change'),
      figure('Interval'),
      text('Verdict'),
    ],
    rows: result.changes.map((change) => {
      const known = measureOfChange[change.measure];
      const before = known === undefined ? null : (a?.[known.name] ?? null);
      const after = known === undefined ? null : (b?.[known.name] ?? null);
      const write = (value: number | null) => (known === undefined ? '-' : writeMeasure(known.name, value));
      const row = scoreRow(known?.label ?? change.measure, before, after, 'lower', write);
      const tone = tones[change.verdict] ?? 'plain';
      const isLevel = change.verdict === 'same' || change.verdict === "can't tell";
      const size = formatShare(Math.abs(change.change));
      const words = change.measure === 'cpu' ? ['less', 'more'] : ['faster', 'slower'];
      return [
        cell(row.measure),
        cell(row.beforeText),
        cell(row.afterText),
        {
          text: `${size} ${change.change <= 0 ? words[0] : words[1]}`,
          tone,
          direction: isLevel ? 'level' : change.change > 0 ? 'up' : 'down',
        },
        cell(describeInterval(change)),
        { text: change.verdict, tone },
      ];
    }),
  };
}

function tableOfPercentiles(sides: readonly ReportSide[], isClosed: boolean): ReportTable {
  const all = sides.map((side) => ({
    label: side.label,
    histogram: decodeHistogram(side.run.response),
    service: decodeHistogram(side.run.service),
  }));
  const most = Math.max(...all.map(({ histogram }) => histogram.count));
  const shares = listShares(most);
  const single = all.length === 1;
  const columns = single
    ? [text('Percentile'), figure('Response'), figure('Service'), figure('Slower than it')]
    : [text('Percentile'), ...all.map(({ label }) => figure(label)), figure('Change')];
  return {
    id: 'percentiles',
    title: isClosed ? 'Percentiles (of an overload)' : 'Percentiles',
    note: isClosed
      ? closedNote
      : single
        ? 'Response counts from when the request was due, service from when it was written.'
        : 'Response time, from when the request was due.',
    columns,
    rows: shares.map((share) => {
      const values = all.map(({ histogram }) =>
        reaches(histogram.count, share) ? histogram.percentileUs(share) : null,
      );
      const name = cell(nameOfPercentile(share));
      if (single) {
        const service = all[0]?.service;
        const slower = Math.round((all[0]?.histogram.count ?? 0) * (1 - share));
        const served =
          service !== undefined && reaches(service.count, share) ? service.percentileUs(share) : null;
        return [name, cell(formatUs(values[0])), cell(formatUs(served)), cell(formatCount(slower))];
      }
      const row = scoreRow('', values[0] ?? null, values[1] ?? null, 'lower', formatUs);
      return [
        name,
        cell(row.beforeText),
        cell(row.afterText),
        { text: row.changeText, tone: row.tone, direction: row.direction },
      ];
    }),
    folded: true,
  };
}

/** P50 to P99 always, more nines only where a sample lies beyond them. */
function listShares(count: number): number[] {
  const nines = [3, 4, 5, 6].map((value) => Number(shareOfNines(value).toFixed(6)));
  return [0.5, 0.75, 0.9, 0.95, 0.99, ...nines.filter((share) => reaches(count, share))];
}

function reaches(count: number, share: number): boolean {
  return count > 0 && (share <= 0.99 || count * (1 - share) >= 0.999);
}

function tableOfBenchmarks(rows: readonly MicroRow[]): ReportTable {
  const best = Math.min(...rows.map((row) => row.meanUs));
  return {
    id: 'benchmarks',
    title: 'Benchmarks',
    note: 'Time of one call, best first; in brackets how many times the best. Outliers: rounds beyond 1 SD; beyond 1.5 IQR.',
    columns: [
      text('Name'),
      ...['Min', 'Max', 'Mean', 'StdDev', 'Median', 'IQR', 'Outliers', 'OPS', 'Rounds', 'Iterations'].map(
        figure,
      ),
    ],
    rows: rows
      .toSorted((a, b) => a.meanUs - b.meanUs)
      .map((row) => [
        cell(row.name),
        cell(formatUs(row.minUs)),
        cell(formatUs(row.maxUs)),
        cell(`${formatUs(row.meanUs)} (${formatShort(best > 0 ? row.meanUs / best : 1)})`),
        ...[row.stddevUs, row.medianUs, row.iqrUs].map((us) => cell(formatUs(us))),
        cell(row.outliers.join(';')),
        ...[row.opsPerS, row.rounds, row.iterations].map((value) => cell(formatCount(value))),
      ]),
  };
}

function tableOfRates(result: Extract<Result, { kind: 'knee' }>): ReportTable {
  return {
    id: 'rates',
    title: 'Rates tried',
    note: `Met: P99 under ${formatLimitUs(result.sloP99Ms * 1000)} with the rate delivered. ${latencyNote}`,
    columns: [text('Asked'), figure('Answered'), figure('P50'), figure('P99'), figure('Max'), text('Limit')],
    rows: result.points
      .toSorted((a, b) => a.ratePerS - b.ratePerS)
      .map(({ ratePerS, run, met, faults }) => {
        const { p50, p99, max, rate } = summariseRun(run);
        const why = faults.find(({ weight }) => weight === 'invalid')?.kind ?? 'P99';
        return [
          cell(formatRate(ratePerS)),
          cell(formatRate(rate ?? 0)),
          cell(formatUs(p50)),
          cell(formatUs(p99)),
          cell(formatUs(max)),
          met ? { text: 'met', tone: 'good' as const } : { text: `not met: ${why}`, tone: 'bad' as const },
        ];
      }),
  };
}
