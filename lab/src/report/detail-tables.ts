/** The tables behind the figures: steps, every run, failures, stalls and shares of CPU. */
import type { CpuShare } from '../result/result.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { formatCount, formatShare, formatUs } from './format-figures.ts';
import { type MeasureName, summariseRun, writeMeasure } from './measures.ts';
import type { Cell, ReportSide, ReportTable } from './report-document.ts';

const text = (label: string) => ({ label, numeric: false });
const figure = (label: string) => ({ label, numeric: true });
const cell = (value: string): Cell => ({ text: value });

export function tableOfSteps(sides: readonly ReportSide[]): ReportTable | undefined {
  const rows = sides.flatMap(({ label, run }) =>
    Object.entries(run.steps ?? {}).map(([name, step]) => {
      const histogram = decodeHistogram(step.response);
      const at = (share: number) =>
        cell(step.response.count === 0 ? '-' : formatUs(histogram.percentileUs(share)));
      return [
        cell(label === '' ? name : `${name} (${label})`),
        cell(formatCount(step.ok)),
        cell(formatCount(step.failed)),
        at(0.5),
        at(0.9),
        at(0.99),
      ];
    }),
  );
  if (rows.length === 0) return undefined;
  const columns = [
    text('Step'),
    figure('Right'),
    figure('Failed'),
    figure('P50'),
    figure('P90'),
    figure('P99'),
  ];
  return { id: 'steps', title: 'Steps of the scenario', columns, rows };
}

export function tableOfRuns(sides: readonly ReportSide[]): ReportTable {
  return {
    id: 'runs',
    title: 'Every run',
    columns: [
      text('Run'),
      figure('Rate'),
      figure('Mean'),
      figure('P50'),
      figure('P99'),
      figure('Max'),
      figure('Errors'),
    ],
    rows: sides.flatMap(({ label, runs, run: median }) =>
      runs.map((run, index) => {
        const measures = summariseRun(run);
        const name = `${label} ${index + 1}${run === median ? ' (median)' : ''}`.trim();
        const write = (measure: MeasureName) => cell(writeMeasure(measure, measures[measure]));
        return [
          cell(name),
          write('rate'),
          write('mean'),
          write('p50'),
          write('p99'),
          write('max'),
          write('errors'),
        ];
      }),
    ),
    folded: true,
  };
}

export function tableOfFailures(sides: readonly ReportSide[]): ReportTable | undefined {
  const rows = sides.flatMap(({ label, run }) =>
    Object.entries(run.failures)
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => [
        cell(label === '' ? kind : `${kind} (${label})`),
        cell(formatCount(count)),
        cell(formatShare(run.due === 0 ? 0 : count / run.due)),
      ]),
  );
  if (rows.length === 0) return undefined;
  return {
    id: 'failures',
    title: 'What went wrong',
    note: 'By kind; none of these is in the latencies above, except as at least the time it had waited.',
    columns: [text('Kind'), figure('Requests'), figure('Share')],
    rows,
  };
}

export function tableOfStalls(
  sides: readonly Pick<ReportSide, 'label' | 'overTime'>[],
): ReportTable | undefined {
  const rows = sides.flatMap(({ label, overTime }) =>
    (overTime.stalls ?? [])
      .toSorted((x, y) => y.lengthMs - x.lengthMs)
      .slice(0, 12)
      .map((stall) => [
        cell(`${stall.startS.toFixed(2)} s${label === '' ? '' : ` (${label})`}`),
        cell(formatUs(stall.lengthMs * 1000)),
        cell(stall.requestsHurt === null ? '-' : formatCount(stall.requestsHurt)),
        cell(stall.stack[0] ?? 'no profile'),
      ]),
  );
  if (rows.length === 0) return undefined;
  return {
    id: 'stalls',
    title: 'Longest stalls',
    note: 'Stretches in which the event loop answered nobody.',
    columns: [text('At'), figure('Length'), figure('Requests hurt'), text('Innermost frame')],
    rows,
  };
}

export function tableOfShares(id: string, title: string, shares: readonly CpuShare[]): ReportTable {
  return {
    id,
    title,
    note: "Share of the server's CPU time, from a pass of its own; total includes what it calls.",
    columns: [text('Name'), text('Where'), figure('Self'), figure('Total')],
    rows: shares
      .slice(0, 20)
      .map((share) => [
        cell(share.name),
        cell(share.where),
        { text: formatShare(share.self), share: share.self },
        cell(formatShare(share.total)),
      ]),
  };
}
