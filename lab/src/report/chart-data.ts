/** Turns results into the columns that charts draw, rounded and thinned so that a page stays small. */
import type { EncodedHistogram, KneeResult, LaneReading, RunMeasurement } from '../result/result.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { summariseRun } from './measures.ts';
import type { Column, KneeData, SideData } from './page-data.ts';

/** More lane readings than this are joined, since no screen shows them: two minutes at 10 Hz. */
const mostLanePoints = 1200;
const mostStalls = 200;

/** The columns of one side of a report: percentiles of `run`, the rest as it was in `overTime`. */
export function makeSideData(label: string, run: RunMeasurement, overTime: RunMeasurement = run): SideData {
  const nines = ninesUpTo(Math.max(run.response.count, 1));
  const lanes = thinLanes(overTime.lanes ?? []);
  const stalls = (overTime.stalls ?? []).toSorted((a, b) => b.lengthMs - a.lengthMs).slice(0, mostStalls);
  return {
    label,
    percentiles: {
      nines,
      responseUs: valuesAt(run.response, nines),
      serviceUs: valuesAt(run.service, nines),
    },
    series: {
      second: overTime.series.map((second) => second.second),
      okPerS: overTime.series.map((second) => second.ok),
      failedPerS: overTime.series.map((second) => second.failed),
      p50Us: overTime.series.map((second) => round(second.p50Us)),
      p99Us: overTime.series.map((second) => round(second.p99Us)),
      maxUs: overTime.series.map((second) => round(second.maxUs)),
    },
    lanes:
      lanes.length === 0
        ? null
        : {
            atS: lanes.map((lane) => Number(lane.atS.toFixed(2))),
            serverCpu: lanes.map((lane) => round(lane.serverCpu)),
            machine: lanes.map((lane) =>
              round(lane.cores.reduce((sum, core) => sum + core, 0) / Math.max(1, lane.cores.length)),
            ),
            runQueueMsPerS: lanes.map((lane) => round(lane.runQueueMsPerS)),
          },
    stalls: stalls
      .toSorted((a, b) => a.startS - b.startS)
      .map(({ startS, lengthMs, requestsHurt, stack }) => ({
        startS: Number(startS.toFixed(3)),
        lengthMs: Number(lengthMs.toFixed(1)),
        requestsHurt,
        frame: stack[0] ?? '',
      })),
  };
}

/** The tried rates in rising order. */
export function makeKneeData(result: KneeResult): KneeData {
  const points = result.points.toSorted((a, b) => a.ratePerS - b.ratePerS);
  const summaries = points.map((point) => summariseRun(point.run));
  return {
    ratePerS: points.map((point) => point.ratePerS),
    p50Us: summaries.map((summary) => round(summary.p50)),
    p99Us: summaries.map((summary) => round(summary.p99)),
    met: points.map((point) => point.met),
    sloUs: result.sloP99Ms * 1000,
    kneePerS: result.kneePerS,
  };
}

/** The share of the values below a number of nines: 2 is 0.99. */
export function shareOfNines(nines: number): number {
  return 1 - 10 ** -nines;
}

/** Steps of a twentieth nine, ending where one sample is left: beyond that a percentile is only the maximum. */
function ninesUpTo(count: number): number[] {
  const last = Math.max(1, Math.log10(count));
  const steps = Math.ceil(last * 20);
  return Array.from({ length: steps + 1 }, (_, step) => Number(Math.min(last, step / 20).toFixed(4)));
}

function valuesAt(encoded: EncodedHistogram, nines: readonly number[]): Column {
  if (encoded.count === 0) return nines.map(() => null);
  const histogram = decodeHistogram(encoded);
  return nines.map((value) => round(histogram.percentileUs(shareOfNines(value))));
}

/** Means of neighbours, so that a lane's area stays true. */
function thinLanes(lanes: readonly LaneReading[]): readonly LaneReading[] {
  const width = Math.ceil(lanes.length / mostLanePoints);
  if (width <= 1) return lanes;
  const thinned: LaneReading[] = [];
  for (let start = 0; start < lanes.length; start += width) {
    const group = lanes.slice(start, start + width);
    const [first] = group;
    if (first === undefined) break;
    const mean = (read: (lane: LaneReading) => number) =>
      group.reduce((sum, lane) => sum + read(lane), 0) / group.length;
    thinned.push({
      ...first,
      cores: first.cores.map((_, core) => mean((lane) => lane.cores[core] ?? 0)),
      serverCpu: mean((lane) => lane.serverCpu),
      runQueueMsPerS: mean((lane) => lane.runQueueMsPerS),
    });
  }
  return thinned;
}

/** Four significant digits: a pixel is coarser. */
function round(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Number(value.toPrecision(4));
}
