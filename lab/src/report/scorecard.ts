/** Before against after, measure by measure; of two single results it reports the change and claims no significance. */
import { exitStatus, LabError } from '../exit-status.ts';
import type { BenchResult, KneeResult, Result, RunResult } from '../result/result.ts';
import { formatChange, formatUs, joinWords } from './format-figures.ts';
import { measureFacts, measureNames, summariseRun, writeMeasure } from './measures.ts';
import { nameTarget, readMedianRun, type Tone, type Verdict } from './verdict-sentence.ts';

export interface ScoreRow {
  measure: string;
  before: number | null;
  after: number | null;
  beforeText: string;
  afterText: string;
  /** After over before, less one; null when one is missing, Infinity from nothing to something. */
  change: number | null;
  changeText: string;
  word: 'better' | 'worse' | 'unchanged' | 'not measured';
  tone: Tone;
  /** Which way the figure itself went; the tone says whether that is good. */
  direction: 'up' | 'down' | 'level';
}

export interface Scorecard {
  verdict: Verdict;
  rows: ScoreRow[];
  /** Sentences to read before quoting a figure: other machine, other configuration. */
  notes: string[];
}

/** A change smaller than this is called unchanged: the band that compare calls the same. */
const unchangedShare = 0.03;

/**
 * @throws LabError (no baseline) when the two were not asked the same, unless forced; says what differs
 */
export function makeScorecard(before: Result, after: Result, { force = false } = {}): Scorecard {
  const notes: string[] = [];
  const differences = listDifferences(before, after);
  if (before.kind !== after.kind || before.kind === 'compare')
    throw new LabError(
      exitStatus.noBaseline,
      before.kind === 'compare' || after.kind === 'compare'
        ? 'A compare result holds both sides already: report it alone.'
        : `The first file is a ${before.kind} and the second a ${after.kind}: they have no measure in common.`,
    );
  if (before.configHash !== after.configHash) {
    const said = differences.length > 0 ? joinWords(differences) : 'what was asked for (its digest)';
    if (!force)
      throw new LabError(
        exitStatus.noBaseline,
        `The two results are not comparable, they differ in ${said}; measure both alike, or say --force.`,
      );
    notes.push(`Forced although they differ in ${said}: a change may come from that alone.`);
  }
  if (before.machine.fingerprint !== after.machine.fingerprint)
    notes.push(
      `Measured on different machines (${before.machine.cpu}, ${before.machine.cores} cores; ${after.machine.cpu}, ${after.machine.cores} cores): the changes are the machines' as much as the code's.`,
    );
  if (before.machine.node !== after.machine.node)
    notes.push(`Measured with different Node versions: ${before.machine.node} and ${after.machine.node}.`);
  for (const [name, result] of [
    ['before', before],
    ['after', after],
  ] as const) {
    if (result.kind === 'bench') continue;
    const invalid = result.faults.find((fault) => fault.weight === 'invalid');
    if (invalid !== undefined) notes.push(`The result ${name} is invalid: ${invalid.sentence}`);
  }
  const rows = makeRows(before, after);
  const isInvalid = notes.some((note) => note.includes(' is invalid: '));
  return {
    rows,
    notes,
    verdict: {
      tone: isInvalid ? 'bad' : 'plain',
      word: isInvalid ? 'invalid' : 'no verdict',
      sentence: `one result each: no verdict; use compare${summariseRows(rows)}`,
    },
  };
}

/** One row from two figures; `lower` is better for times. */
export function scoreRow(
  measure: string,
  before: number | null,
  after: number | null,
  better: 'lower' | 'higher',
  write: (value: number | null) => string,
): ScoreRow {
  const texts = { beforeText: write(before), afterText: write(after) };
  if (before === null || after === null)
    return {
      measure,
      before,
      after,
      ...texts,
      change: null,
      changeText: '-',
      word: 'not measured',
      tone: 'plain',
      direction: 'level',
    };
  const change = before === after ? 0 : before === 0 ? Number.POSITIVE_INFINITY : after / before - 1;
  const isLevel = Math.abs(change) < unchangedShare;
  const isBetter = change < 0 === (better === 'lower');
  return {
    measure,
    before,
    after,
    ...texts,
    change,
    changeText: formatChange(change),
    word: isLevel ? 'unchanged' : isBetter ? 'better' : 'worse',
    tone: isLevel ? 'plain' : isBetter ? 'good' : 'bad',
    direction: isLevel ? 'level' : change > 0 ? 'up' : 'down',
  };
}

function makeRows(before: Result, after: Result): ScoreRow[] {
  if (before.kind === 'run' && after.kind === 'run') return rowsOfRuns(before, after);
  if (before.kind === 'bench' && after.kind === 'bench') return rowsOfBenches(before, after);
  if (before.kind === 'knee' && after.kind === 'knee') return rowsOfKnees(before, after);
  return [];
}

function rowsOfRuns(before: RunResult, after: RunResult): ScoreRow[] {
  const first = readMedianRun(before);
  const second = readMedianRun(after);
  if (first === undefined || second === undefined) return [];
  const a = summariseRun(first);
  const b = summariseRun(second);
  return measureNames.map((name) =>
    scoreRow(measureFacts[name].label, a[name], b[name], measureFacts[name].better, (value) =>
      writeMeasure(name, value),
    ),
  );
}

function rowsOfBenches(before: BenchResult, after: BenchResult): ScoreRow[] {
  const names = [...new Set([...before.rows, ...after.rows].map((row) => row.name))];
  const mean = (result: BenchResult, name: string) =>
    result.rows.find((row) => row.name === name)?.meanUs ?? null;
  return names.map((name) => scoreRow(name, mean(before, name), mean(after, name), 'lower', formatUs));
}

function rowsOfKnees(before: KneeResult, after: KneeResult): ScoreRow[] {
  const write = (value: number | null) => writeMeasure('rate', value);
  return [scoreRow('Highest rate within the limit', before.kneePerS, after.kneePerS, 'higher', write)];
}

/** "; of 11 measures 4 read better, 1 worse" */
function summariseRows(rows: readonly ScoreRow[]): string {
  const count = (word: string) => rows.filter((row) => row.word === word).length;
  if (rows.length === 0) return '';
  const measured = rows.length - count('not measured');
  return `. Of ${measured} measures ${count('better')} read better, ${count('worse')} worse, ${count('unchanged')} unchanged`;
}

function listDifferences(before: Result, after: Result): string[] {
  if (before.kind === 'bench' || after.kind === 'bench') {
    return before.name === after.name ? [] : [`the name (${before.name}, ${after.name})`];
  }
  const found: string[] = [];
  const say = (what: string, a: unknown, b: unknown) => {
    if (a !== b) found.push(`${what} (${String(a ?? 'none')}, ${String(b ?? 'none')})`);
  };
  say('the target', nameTarget(before.target), nameTarget(after.target));
  say('the address', before.target.url, after.target.url);
  say('the command of the server', before.target.server, after.target.server);
  say('the loop', before.load.loop, after.load.loop);
  say('the rate', before.load.ratePerS, after.load.ratePerS);
  say('the arrivals', before.load.arrivals, after.load.arrivals);
  say('the connections', before.load.connections, after.load.connections);
  say('the duration in seconds', before.load.durationS, after.load.durationS);
  say('the warm-up in seconds', before.load.warmupS, after.load.warmupS);
  say('the time limit in seconds', before.load.timeoutS, after.load.timeoutS);
  say('the protocol', before.load.protocol, after.load.protocol);
  say('spinning', before.load.spin, after.load.spin);
  say("the server's cores", before.load.serverCores, after.load.serverCores);
  say("the generator's cores", before.load.generatorCores, after.load.generatorCores);
  return found;
}
