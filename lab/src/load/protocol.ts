/** The protocol of a measurement: warm up until steady, run several times with pauses, and judge what came out. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault, LoadShape, RunMeasurement, RunResult } from '../result/result.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { isGeneratorLate, leastDeliveredShare, mostSteal } from '../stats/limits.ts';
import { findMedianRun } from '../stats/median-run.ts';
import { durationForP99, judgeSamples, judgeStability, type Stability } from '../stats/stability.ts';
import { meanOf, stddevOf } from '../stats/summary.ts';
import type { Bench } from './bench.ts';
import type { Progress } from './generator.ts';

/** A warm-up goes on to this many times what was asked for, as long as the means of its slices still move. */
const longestWarmup = 4;
const warmupSlices = 4;
/** Three slices in a row whose means differ by less than this are steady. */
const steadyCv = 0.05;
/** Runs are added up to this many while they do not agree. */
const mostRuns = 10;
/** Runs are made longer for their P99 up to this; beyond, the report says that it cannot be judged. */
const longestRunS = 120;

export interface ProtocolOptions {
  load: LoadShape;
  /** Runs to start with; more are added while they are unstable, up to 10. */
  runs: number;
  /** Somebody asked for this duration: a P99 with too few samples is then reported, not waited for. */
  fixedDuration: boolean;
  /** Share of wrong or missing answers that makes a run invalid. */
  mostErrors: number;
  interrupted: AbortSignal;
  /** A line for people: what is being done now. */
  say(line: string): void;
  onProgress(run: number, progress: Progress): void;
}

export type ProtocolOutcome = Pick<RunResult, 'runs' | 'medianRun' | 'stability' | 'faults'>;

export async function followProtocol(bench: Bench, options: ProtocolOptions): Promise<ProtocolOutcome> {
  const { load, interrupted, say } = options;
  const durationS = options.fixedDuration ? load.durationS : chooseDuration(load, say);
  // One run cannot disagree with itself, and who asks for one wants one.
  const most = options.runs === 1 ? 1 : mostRuns;
  await warmUp(bench, load, say);
  const runs: RunMeasurement[] = [];
  let stability: Stability = { meanCv: null, p99Cv: null, stable: false };
  for (;;) {
    interrupted.throwIfAborted();
    const number = runs.length + 1;
    runs.push(
      await bench.measure({ durationS, ratePerS: load.ratePerS }, (progress) =>
        options.onProgress(number, progress),
      ),
    );
    stability = judgeStability(runs.map(load.loop === 'open' ? readMeanAndTail : readTimePerAnswer));
    // A target that is gone or a rate out of reach does not get better by asking again.
    if (judgeRun(runs.at(-1), load, options.mostErrors).some(({ weight }) => weight === 'invalid')) break;
    if (runs.length >= options.runs && (stability.stable || runs.length >= most)) break;
    await delay(load.pauseS * 1000, undefined, { signal: interrupted });
  }
  const medianRun =
    load.loop === 'open'
      ? findMedianRun(runs.map(readP99))
      : findMedianRun(
          runs.map((run) => run.ratePerS),
          'lower',
        );
  return { runs, medianRun, stability, faults: judgeRuns(runs, load, stability, options.mostErrors) };
}

function readP99({ response }: RunMeasurement): number {
  return decodeHistogram(response).percentileUs(0.99);
}

function readLagP99({ lag }: RunMeasurement): number {
  return decodeHistogram(lag).percentileUs(0.99);
}

function readMeanAndTail(run: RunMeasurement): { meanUs: number; p99Us: number | null } {
  return { meanUs: run.response.meanUs, p99Us: judgeSamples(run.ok).enough ? readP99(run) : null };
}

/** A closed loop says how much, not how long: its runs agree when their rates do. */
function readTimePerAnswer({ ratePerS }: RunMeasurement): { meanUs: number; p99Us: null } {
  return { meanUs: ratePerS > 0 ? 1e6 / ratePerS : 0, p99Us: null };
}

/** P99 needs samples, so a slow rate makes a long run, up to a limit. */
function chooseDuration(load: LoadShape, say: (line: string) => void): number {
  if (load.ratePerS === null) return load.durationS;
  const neededS = durationForP99(load.ratePerS);
  if (neededS <= load.durationS || neededS > longestRunS) return load.durationS;
  say(
    `Each run takes ${neededS} s instead of ${load.durationS}: a P99 needs that many at ${load.ratePerS}/s.`,
  );
  return neededS;
}

/** JIT compilers and connection pools need load to settle: slices until three means in a row agree. */
async function warmUp(bench: Bench, load: LoadShape, say: (line: string) => void): Promise<void> {
  if (load.warmupS === 0) return;
  const sliceS = Math.max(load.warmupS / warmupSlices, 0.25);
  const means: number[] = [];
  while (means.length < warmupSlices * longestWarmup) {
    const run = await bench.measure({ durationS: sliceS, ratePerS: load.ratePerS });
    means.push(load.loop === 'open' ? run.response.meanUs : run.ratePerS);
    if (run.ok === 0) return;
    if (means.length >= warmupSlices && variationOf(means.slice(-3)) < steadyCv) return;
  }
  say(`The warm-up did not settle within ${(sliceS * means.length).toFixed(0)} s; the runs will tell.`);
}

/** Why one run may not be believed. */
export function judgeRun(
  run: RunMeasurement | undefined,
  load: Pick<LoadShape, 'loop' | 'ratePerS'>,
  mostErrors: number,
): Fault[] {
  if (run === undefined) return [];
  const failed = Object.values(run.failures).reduce((sum, count) => sum + count, 0);
  const kinds = Object.entries(run.failures)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
  const faults: Fault[] = [];
  if (run.due === 0) faults.push(invalid('rate', 'No request was due in the measured time.'));
  if (run.due > 0 && run.ok === 0) {
    faults.push(invalid('target', `Not one right answer in ${run.due} requests: ${kinds}.`));
  } else if (run.due > 0 && failed / run.due > mostErrors) {
    faults.push(invalid('errors', `${percent(failed / run.due)} of the requests failed: ${kinds}.`));
  } else if (failed > 0) {
    faults.push(doubt('errors', `${failed} of ${run.due} requests failed: ${kinds}.`));
  }
  if (load.ratePerS !== null && run.deliveredShare < leastDeliveredShare) {
    const share = percent(run.deliveredShare);
    faults.push(
      invalid('rate', `Only ${share} of the requests due at ${load.ratePerS}/s were answered in time.`),
    );
  }
  const samples = judgeSamples(run.ok, load.ratePerS ?? undefined);
  // Without any right answer that is said already.
  if (load.loop === 'open' && run.ok > 0 && samples.sentence !== undefined) {
    faults.push(doubt('samples', samples.sentence));
  }
  const lagUs = readLagP99(run);
  const responseUs = decodeHistogram(run.response).percentileUs(0.99);
  if (load.loop === 'open' && isGeneratorLate(lagUs, responseUs)) {
    faults.push(
      doubt(
        'lag',
        `The generator itself was late by ${(lagUs / 1000).toFixed(1)} ms at P99: something else had its core, or its own garbage collector did.`,
      ),
    );
  }
  return faults;
}

function judgeRuns(
  runs: readonly RunMeasurement[],
  load: LoadShape,
  stability: Stability,
  mostErrors: number,
): Fault[] {
  const seen = new Map<string, Fault>();
  // One sentence for each kind: of the lag it is that of the worst run, as in the validity strip.
  const worstFirst = runs.toSorted((a, b) => readLagP99(b) - readLagP99(a));
  const faultsOf = (of: readonly RunMeasurement[]) => of.flatMap((run) => judgeRun(run, load, mostErrors));
  const lags = faultsOf(worstFirst).filter(({ kind }) => kind === 'lag');
  for (const fault of [...lags, ...faultsOf(runs)]) {
    if (!seen.has(`${fault.kind} ${fault.weight}`)) seen.set(`${fault.kind} ${fault.weight}`, fault);
  }
  const faults = [...seen.values()];
  if (stability.meanCv !== null && !stability.stable) {
    const parts = [
      `${load.loop === 'open' ? 'mean' : 'rate'} by ${percent(stability.meanCv)}`,
      stability.p99Cv === null ? '' : `P99 by ${percent(stability.p99Cv)}`,
    ].filter((part) => part !== '');
    faults.push(
      doubt(
        'unstable',
        `${runs.length} runs differ (${parts.join(', ')}): quote the spread, not one figure.`,
      ),
    );
  }
  const steal = averageSteal(runs);
  if (steal > mostSteal) {
    faults.push(doubt('noise', `Other machines took ${percent(steal)} of the cores while this ran.`));
  }
  return faults;
}

function averageSteal(runs: readonly RunMeasurement[]): number {
  const readings = runs.flatMap((run) => run.lanes ?? []);
  return readings.length === 0 ? 0 : readings.reduce((sum, { steal }) => sum + steal, 0) / readings.length;
}

const variationOf = (values: readonly number[]) => stddevOf(values) / meanOf(values);
const invalid = (kind: string, sentence: string): Fault => ({ kind, sentence, weight: 'invalid' });
const doubt = (kind: string, sentence: string): Fault => ({ kind, sentence, weight: 'doubt' });
const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
