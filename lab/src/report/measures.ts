/** The figures that one measured run is summed up in, with their names, units and which way is better. */
import type { EncodedHistogram, RunMeasurement } from '../result/result.ts';
import { createHistogram, decodeHistogram } from '../stats/histogram.ts';
import { formatCount, formatShort, formatUs } from './format-figures.ts';

export const measureNames = [
  'rate',
  'mean',
  'p50',
  'p90',
  'p99',
  'p99.9',
  'max',
  'stddev',
  'errors',
  'cpu',
  'rss',
] as const;
export type MeasureName = (typeof measureNames)[number];

/** null: not measured. Times are microseconds, rss megabytes, rate requests a second. */
export type Measures = Readonly<Record<MeasureName, number | null>>;

export interface MeasureFacts {
  label: string;
  better: 'lower' | 'higher';
  write(value: number): string;
}

/** How each measure is called and written in every format. */
export const measureFacts: Readonly<Record<MeasureName, MeasureFacts>> = {
  rate: {
    label: 'Right answers',
    better: 'higher',
    write: (perS) => `${perS < 10 ? formatShort(perS) : formatCount(perS)}/s`,
  },
  mean: { label: 'Mean', better: 'lower', write: formatUs },
  p50: { label: 'P50', better: 'lower', write: formatUs },
  p90: { label: 'P90', better: 'lower', write: formatUs },
  p99: { label: 'P99', better: 'lower', write: formatUs },
  'p99.9': { label: 'P99.9', better: 'lower', write: formatUs },
  max: { label: 'Max', better: 'lower', write: formatUs },
  stddev: { label: 'Std deviation', better: 'lower', write: formatUs },
  errors: { label: 'Errors', better: 'lower', write: formatCount },
  cpu: { label: 'CPU per request', better: 'lower', write: formatUs },
  rss: { label: 'Memory (RSS)', better: 'lower', write: (mb) => `${formatShort(mb)} MB` },
};

/** Sums one run up; latencies are from when a request was due, memory is the highest reading. */
export function summariseRun(run: RunMeasurement): Measures {
  const { count, meanUs, stddevUs, maxUs } = run.response;
  const histogram = decodeHistogram(run.response);
  const at = (share: number) => (count === 0 ? null : histogram.percentileUs(share));
  const readings = run.lanes?.map((lane) => lane.rssMb) ?? [];
  return {
    rate: run.ratePerS,
    mean: count === 0 ? null : meanUs,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    'p99.9': at(0.999),
    max: count === 0 ? null : maxUs,
    stddev: count === 0 ? null : stddevUs,
    errors: countFailures(run),
    cpu: run.cpuUsPerRequest ?? null,
    rss: readings.length === 0 ? null : readings.reduce((most, mb) => Math.max(most, mb), 0),
  };
}

/** Requests that were not answered rightly, over all kinds. */
export function countFailures(run: RunMeasurement): number {
  return Object.values(run.failures).reduce((sum, count) => sum + count, 0);
}

/** Writes a measure with its unit, "-" when it was not measured. */
export function writeMeasure(name: MeasureName, value: number | null): string {
  return value === null ? '-' : measureFacts[name].write(value);
}

/**
 * Many runs as one: counts add up, histograms are merged bucket by bucket, the series and lanes of the first stay.
 * Used for the sides of a compare, where each side is many short runs.
 *
 * @throws RangeError without runs
 */
export function mergeRuns(runs: readonly RunMeasurement[]): RunMeasurement {
  const [first] = runs;
  if (first === undefined) throw new RangeError('There is no run to merge.');
  const sum = (read: (run: RunMeasurement) => number) => runs.reduce((total, run) => total + read(run), 0);
  const ok = sum((run) => run.ok);
  const due = sum((run) => run.due);
  const durationS = sum((run) => run.durationS);
  const failures: Record<string, number> = {};
  const statuses: Record<string, number> = {};
  for (const run of runs) {
    for (const [kind, count] of Object.entries(run.failures)) failures[kind] = (failures[kind] ?? 0) + count;
    for (const [status, count] of Object.entries(run.statuses))
      statuses[status] = (statuses[status] ?? 0) + count;
  }
  const { cpuUsPerRequest: _, lanes, ...rest } = first;
  const hasCpu = ok > 0 && runs.every((run) => run.cpuUsPerRequest !== undefined);
  return {
    ...rest,
    durationS,
    due,
    ok,
    failures,
    statuses,
    // Not ok / durationS: of a closed loop that would count what came after the time was over.
    ratePerS: durationS > 0 ? sum((run) => run.ratePerS * run.durationS) / durationS : 0,
    deliveredShare: due > 0 ? sum((run) => run.deliveredShare * run.due) / due : 1,
    bytesIn: sum((run) => run.bytesIn),
    connectionsOpened: sum((run) => run.connectionsOpened),
    generatorCpu: sum((run) => run.generatorCpu) / runs.length,
    response: mergeEncoded(runs.map((run) => run.response)),
    service: mergeEncoded(runs.map((run) => run.service)),
    lag: mergeEncoded(runs.map((run) => run.lag)),
    ...(lanes === undefined ? {} : { lanes: runs.flatMap((run) => run.lanes ?? []) }),
    ...(hasCpu ? { cpuUsPerRequest: sum((run) => (run.cpuUsPerRequest ?? 0) * run.ok) / ok } : {}),
  };
}

/** All of one precision, as the runs of one result are. */
function mergeEncoded(all: readonly EncodedHistogram[]): EncodedHistogram {
  const merged = createHistogram(all[0]?.precisionBits);
  for (const one of all) merged.add(decodeHistogram(one));
  return merged.encode();
}
