/** The first line of every report: one honest sentence that claims no more than the result holds. */
import type {
  BenchResult,
  Change,
  CompareResult,
  Fault,
  KneeResult,
  Result,
  RunResult,
  Target,
} from '../result/result.ts';
import { formatCount, formatLimitUs, formatRate, formatShare, formatUs } from './format-figures.ts';
import { summariseRun } from './measures.ts';

/** good and bad only where the lab has decided; plain is a figure without a judgement. */
export type Tone = 'good' | 'bad' | 'doubt' | 'plain';

export interface Verdict {
  tone: Tone;
  /** One or two words for the mark beside the sentence: "valid", "invalid", "faster", "can't tell". */
  word: string;
  /** Without a full stop. */
  sentence: string;
}

/** As a heading: a capital at the beginning unless that is somebody's name, and a full stop. */
export function writeHeadline({ sentence }: Verdict): string {
  const isOurs = /^(?:invalid:|one result|can't tell|no rate)/.test(sentence);
  return `${isOurs ? sentence.charAt(0).toUpperCase() + sentence.slice(1) : sentence}.`;
}

/** Says what one result shows. */
export function describeVerdict(result: Result): Verdict {
  if (result.kind === 'bench') return describeBench(result);
  const invalid = result.faults.find((fault) => fault.weight === 'invalid');
  if (invalid !== undefined)
    return { tone: 'bad', word: 'invalid', sentence: `invalid: ${continueSentence(invalid.sentence)}` };
  if (result.kind === 'run') return describeRun(result);
  return result.kind === 'compare' ? describeCompare(result) : describeKnee(result);
}

/** "GET /me", or the scenario's name. */
export function nameTarget(target: Target): string {
  if (target.scenario !== undefined) return target.scenario;
  const url = URL.parse(target.url);
  return `${target.method} ${url === null ? target.url : url.pathname + url.search}`;
}

/** The median run of a result, and nothing when it has no runs. */
export function readMedianRun(result: RunResult): RunResult['runs'][number] | undefined {
  return result.runs[result.medianRun] ?? result.runs[0];
}

function describeRun(result: RunResult): Verdict {
  const name = nameTarget(result.target);
  const run = readMedianRun(result);
  if (run === undefined) return { tone: 'bad', word: 'invalid', sentence: `invalid: ${name} was never run` };
  const { p99, rate } = summariseRun(run);
  const closed = result.load.loop === 'closed';
  const figures = closed
    ? `${name} answered at most ${formatRate(rate ?? 0)} over ${formatCount(result.load.connections)} connections in a closed loop, which says how much but not how long`
    : `${name} answered ${formatRate(rate ?? 0)}, P99 ${formatUs(p99)}`;
  return { ...judgeFaults(result.faults), sentence: `${figures}; ${validityWords(result.faults)}` };
}

function describeKnee(result: KneeResult): Verdict {
  const name = nameTarget(result.target);
  const slo = formatLimitUs(result.sloP99Ms * 1000);
  const knee = result.kneePerS;
  if (knee === null) {
    const lowest = Math.min(...result.points.map((point) => point.ratePerS));
    const tried = result.points.length === 0 ? 'no rate was tried' : `the lowest was ${formatRate(lowest)}`;
    return {
      tone: 'bad',
      word: 'never met',
      sentence: `no rate tried kept the P99 of ${name} under ${slo}; ${tried}`,
    };
  }
  const failed = result.points.some((point) => !point.met && point.ratePerS > knee);
  const limit = failed ? 'up to' : 'to at least';
  const rest = failed ? '' : ', the highest rate tried';
  const verdict = judgeFaults(result.faults);
  const doubt = verdict.tone === 'doubt' ? `; ${validityWords(result.faults)}` : '';
  return {
    ...verdict,
    sentence: `${name} keeps its P99 under ${slo} ${limit} ${formatRate(knee)}${rest}${doubt}`,
  };
}

function describeCompare(result: CompareResult): Verdict {
  const [a, b] = result.sides;
  const [change] = result.changes;
  if (change === undefined)
    return { tone: 'bad', word: 'invalid', sentence: 'invalid: nothing was compared' };
  const { canary } = result;
  if (canary !== null && (canary.verdict === 'faster' || canary.verdict === 'slower'))
    return {
      tone: 'bad',
      word: 'invalid',
      sentence: `invalid: ${a} against itself came out ${canary.verdict} by ${formatShare(Math.abs(canary.change))}, so this machine cannot decide today`,
    };
  const tail = result.changes.find((other) => other.measure === 'p99');
  const rest = tail === undefined || tail === change ? '' : `, ${describeTail(tail)}`;
  const confidence = formatShare(change.confidence);
  const doubts = result.faults.length > 0 ? `; ${validityWords(result.faults)}` : '';
  const interval = describeInterval(change);
  switch (change.verdict) {
    case 'faster':
    case 'slower':
      return {
        tone: change.verdict === 'faster' ? 'good' : 'bad',
        word: change.verdict,
        sentence: `${b} ${describeSize(change)} than ${a}, ${confidence} interval ${interval}${rest}${doubts}`,
      };
    case 'same':
      return {
        tone: 'good',
        word: 'same',
        sentence: `${b} is the same as ${a}${measureWords(change)}: ${confidence} interval ${interval}${rest}${doubts}`,
      };
    default: {
      const more = change.morePairs === undefined ? '' : `; about ${change.morePairs} more pairs would tell`;
      return {
        tone: 'doubt',
        word: "can't tell",
        sentence: `can't tell whether ${b} is faster than ${a}${measureWords(change)}: ${confidence} interval ${interval}${more}${rest}${doubts}`,
      };
    }
  }
}

function describeBench(result: BenchResult): Verdict {
  const rows = result.rows.toSorted((a, b) => a.meanUs - b.meanUs);
  const [fastest] = rows;
  const slowest = rows.at(-1);
  if (fastest === undefined || slowest === undefined)
    return { tone: 'bad', word: 'empty', sentence: `invalid: ${result.name} holds no benchmark` };
  if (fastest === slowest)
    return {
      tone: 'plain',
      word: 'measured',
      sentence: `${fastest.name} takes ${formatUs(fastest.meanUs)} on average`,
    };
  return {
    tone: 'plain',
    word: 'measured',
    sentence: `${rows.length} benchmarks, from ${fastest.name} at ${formatUs(fastest.meanUs)} to ${slowest.name} at ${formatUs(slowest.meanUs)} on average`,
  };
}

/** "is 38 % faster", or what else the measure is about. */
function describeSize(change: Change): string {
  const size = formatShare(Math.abs(change.change));
  if (change.measure === 'cpu') return `takes ${size} ${change.change < 0 ? 'less' : 'more'} CPU a request`;
  return `is ${size} ${change.change < 0 ? 'faster' : 'slower'}${measureWords(change)}`;
}

function measureWords(change: Change): string {
  const words: Record<string, string> = {
    cpu: ' in CPU a request',
    p50: ' at P50',
    p99: ' at P99',
    throughput: ' at full load',
  };
  return words[change.measure] ?? '';
}

function describeTail(tail: Change): string {
  if (tail.verdict === 'same') return 'tail unchanged';
  if (tail.verdict === "can't tell") return 'tail undecided';
  return `tail (P99) ${formatShare(Math.abs(tail.change))} ${tail.verdict}`;
}

/** "35-41 %" when both ends are on one side, else both ends by name. */
export function describeInterval({ low, high, measure }: Change): string {
  const [less, more] = measure === 'cpu' ? ['less', 'more'] : ['faster', 'slower'];
  const write = (change: number) => formatShare(Math.abs(change)).replace(' %', '');
  if (low < 0 === high < 0) {
    const ends = [Math.abs(low), Math.abs(high)].toSorted((x, y) => x - y);
    return `${ends.map(write).join('-')} %`;
  }
  return `${write(low)} % ${less} to ${write(high)} % ${more}`;
}

function judgeFaults(faults: readonly Fault[]): { tone: Tone; word: string } {
  if (faults.some((fault) => fault.weight === 'invalid')) return { tone: 'bad', word: 'invalid' };
  return faults.length > 0 ? { tone: 'doubt', word: 'in doubt' } : { tone: 'good', word: 'valid' };
}

/** What weighs most comes first; too few samples say the least against a figure. */
const kindsByWeight = ['canary', 'unstable', 'lag', 'errors', 'noise'];

/** The fault that the verdict tells, so that no report has to tell it again. */
export function findLeadingFault(faults: readonly Fault[]): Fault | undefined {
  const rank = ({ kind, weight }: Fault) => {
    const place = kindsByWeight.indexOf(kind);
    return weight === 'invalid' ? -1 : place < 0 ? kindsByWeight.length : place;
  };
  return faults.toSorted((a, b) => rank(a) - rank(b))[0];
}

function validityWords(faults: readonly Fault[]): string {
  const first = findLeadingFault(faults);
  return first === undefined ? 'the run is valid' : `in doubt: ${continueSentence(first.sentence)}`;
}

/** As the end of another sentence: no full stop, no capital unless it is a name or an abbreviation. */
function continueSentence(sentence: string): string {
  const text = sentence.trim().replace(/\.$/, '');
  return /^[A-Z](?:[a-z]| )/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
