/** The strip under the verdict: was the rate met, were the answers right, the runs stable, the machine quiet, the generator on time. */
import type { Doctor, Fault, Result, RunMeasurement } from '../result/result.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { isGeneratorLate, leastDeliveredShare, mostNoise, mostSteal } from '../stats/limits.ts';
import { formatCount, formatShare, formatUs } from './format-figures.ts';
import { countFailures } from './measures.ts';
import type { Tone } from './verdict-sentence.ts';

export interface ValidityMark {
  name: string;
  /** plain: not known, or nothing to judge. */
  tone: Tone;
  /** One or two words, so that colour is never alone. */
  word: string;
  /** The figure behind it. */
  detail: string;
}

/** One character each, drawn beside the word; the terminal has its own for plain ASCII. */
export const toneSymbols: Readonly<Record<Tone, string>> = {
  good: '\u2713',
  bad: '\u2717',
  doubt: '!',
  plain: '\u2013',
};

/** The five marks of a result under load; none for benchmarks of functions, whose table says it. */
export function judgeValidity(result: Result): ValidityMark[] {
  if (result.kind === 'bench') return [judgeQuiet([], [], result.doctor)];
  // The rates above the knee are meant to fail: only those that were met are judged.
  const runs = readRuns(result);
  const { faults } = result;
  return [
    judgeRate(runs, faults, result.load.loop),
    judgeAnswers(runs, faults),
    judgeStability(result, faults),
    judgeQuiet(runs, faults, result.doctor),
    judgeLag(runs, faults),
  ];
}

function readRuns(result: Exclude<Result, { kind: 'bench' }>): RunMeasurement[] {
  if (result.kind === 'run') return result.runs;
  if (result.kind === 'compare') return result.pairs.flatMap(({ a, b }) => [a, b]);
  return result.points.filter((point) => point.met).map((point) => point.run);
}

function judgeRate(runs: readonly RunMeasurement[], faults: readonly Fault[], loop: string): ValidityMark {
  const name = 'Rate met';
  if (runs.length === 0) return { name, tone: 'plain', word: 'no run', detail: 'nothing to judge' };
  if (loop === 'closed') return { name, tone: 'plain', word: 'closed loop', detail: 'as fast as it goes' };
  const least = Math.min(...runs.map((run) => run.deliveredShare));
  const tone = toneOf(faults, ['rate'], least < leastDeliveredShare ? 'bad' : 'good');
  return { name, tone, word: pick(tone, 'met', 'missed'), detail: `${formatShare(least)} delivered` };
}

function judgeAnswers(runs: readonly RunMeasurement[], faults: readonly Fault[]): ValidityMark {
  const failed = runs.reduce((sum, run) => sum + countFailures(run), 0);
  const due = runs.reduce((sum, run) => sum + run.due, 0);
  const tone = toneOf(faults, ['errors', 'target'], failed > 0 ? 'doubt' : 'good');
  if (due === 0)
    return { name: 'Answers', tone: toneOf(faults, ['target'], 'plain'), word: 'none', detail: 'no run' };
  const detail = failed === 0 ? 'no errors' : `${formatCount(failed)} of ${formatCount(due)} failed`;
  return { name: 'Answers', tone, word: pick(tone, 'right', failed > 0 ? 'errors' : 'wrong'), detail };
}

function judgeStability(result: Exclude<Result, { kind: 'bench' }>, faults: readonly Fault[]): ValidityMark {
  const name = 'Stable';
  if (result.kind === 'compare') {
    const { canary } = result;
    if (canary === null) return { name, tone: 'plain', word: 'no canary', detail: 'A was not run against A' };
    const moved = canary.verdict === 'faster' || canary.verdict === 'slower';
    const tone = toneOf(faults, ['unstable', 'canary'], moved ? 'bad' : 'good');
    const words = { same: 'same', "can't tell": 'no difference', faster: 'faster', slower: 'slower' };
    return {
      name,
      tone,
      word: pick(tone, 'stable', 'unstable'),
      detail: `A against A: ${words[canary.verdict]}`,
    };
  }
  if (result.kind === 'knee')
    return {
      name,
      tone: toneOf(faults, ['unstable'], 'plain'),
      word: 'one run a rate',
      detail: `${result.points.length} rates tried`,
    };
  const { meanCv, p99Cv, stable } = result.stability;
  if (meanCv === null)
    return {
      name,
      tone: toneOf(faults, ['unstable'], 'plain'),
      word: 'not known',
      // The lab stops after a run that says nothing, however many were asked for.
      detail: faults.some(({ weight }) => weight === 'invalid') ? 'one run' : 'one run: use --runs 5',
    };
  const tone = toneOf(faults, ['unstable', 'samples'], stable ? 'good' : 'doubt');
  const tail = p99Cv === null ? '' : `, P99 ${formatShare(p99Cv)}`;
  return {
    name,
    tone,
    word: pick(tone, 'stable', 'unstable'),
    detail: `varies: ${result.load.loop === 'open' ? 'mean' : 'rate'} ${formatShare(meanCv)}${tail}`,
  };
}

function judgeQuiet(
  runs: readonly RunMeasurement[],
  faults: readonly Fault[],
  doctor: Doctor | null,
): ValidityMark {
  const name = 'Machine';
  const lanes = runs.flatMap((run) => run.lanes ?? []);
  if (lanes.length === 0 && doctor === null)
    return {
      name,
      tone: toneOf(faults, ['noise'], 'plain'),
      word: 'not known',
      detail: 'run irontrack-lab doctor',
    };
  const steal =
    lanes.length > 0 ? lanes.reduce((sum, lane) => sum + lane.steal, 0) / lanes.length : (doctor?.steal ?? 0);
  const noise = doctor?.noise ?? 0;
  const tone = toneOf(faults, ['noise'], steal > mostSteal || noise > mostNoise ? 'doubt' : 'good');
  const idle = doctor === null ? '' : `, ${formatShare(noise)} by neighbours when idle`;
  return { name, tone, word: pick(tone, 'quiet', 'noisy'), detail: `${formatShare(steal)} stolen${idle}` };
}

function judgeLag(runs: readonly RunMeasurement[], faults: readonly Fault[]): ValidityMark {
  const filled = runs.filter((run) => run.lag.count > 0);
  const p99 = (run: RunMeasurement) => decodeHistogram(run.lag).percentileUs(0.99);
  const worst = filled.reduce<RunMeasurement | undefined>(
    (most, run) => (most === undefined || p99(run) > p99(most) ? run : most),
    undefined,
  );
  const name = 'Generator';
  if (worst === undefined)
    return { name, tone: toneOf(faults, ['lag'], 'plain'), word: 'no lag kept', detail: 'nothing to judge' };
  const lag = p99(worst);
  const response = decodeHistogram(worst.response).percentileUs(0.99);
  const tone = toneOf(faults, ['lag'], isGeneratorLate(lag, response) ? 'doubt' : 'good');
  return { name, tone, word: pick(tone, 'on time', 'late'), detail: `lag P99 ${formatUs(lag)}` };
}

/** What the measuring code said weighs more than what is read off the figures here. */
function toneOf(faults: readonly Fault[], kinds: readonly string[], otherwise: Tone): Tone {
  const said = faults.filter((fault) => kinds.includes(fault.kind));
  if (said.some((fault) => fault.weight === 'invalid')) return 'bad';
  return said.length > 0 ? (otherwise === 'bad' ? 'bad' : 'doubt') : otherwise;
}

function pick(tone: Tone, good: string, otherwise: string): string {
  return tone === 'good' ? good : otherwise;
}
