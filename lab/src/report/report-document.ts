/** What a report says, without how it looks: every format renders this one document. */
import type { Doctor, ProfileTable, Result, RunMeasurement } from '../result/result.ts';
import { makeKneeData, makeSideData } from './chart-data.ts';
import { formatCount, formatShare, formatTick, formatUs, quoteCommand } from './format-figures.ts';
import { mergeRuns } from './measures.ts';
import type { PageData } from './page-data.ts';
import { makeTables } from './report-tables.ts';
import { makeScorecard, type Scorecard } from './scorecard.ts';
import { judgeValidity, type ValidityMark } from './validity.ts';
import {
  describeVerdict,
  findLeadingFault,
  nameTarget,
  readMedianRun,
  type Tone,
  type Verdict,
} from './verdict-sentence.ts';

export interface Cell {
  text: string;
  tone?: Tone;
  /** Drawn as an arrow before the text; tone and text say the same in colour and words. */
  direction?: 'up' | 'down' | 'level';
  /** 0 to 1: the page draws a bar beside the text. */
  share?: number;
}

export interface ReportTable {
  /** For links and file names. */
  id: string;
  title: string;
  /** One sentence under the title: what the figures are. */
  note?: string;
  /** Numeric columns are set to the right. */
  columns: readonly { label: string; numeric: boolean }[];
  rows: readonly (readonly Cell[])[];
  /** Wide or long: the page folds it away. */
  folded?: boolean;
}

export interface Fact {
  label: string;
  text: string;
}

/** One result, or one of two, with the run that stands for it. */
export interface ReportSide {
  label: string;
  run: RunMeasurement;
  /** One run that really was, for what is drawn over time. */
  overTime: RunMeasurement;
  /** All measured runs behind it, for the dots. */
  runs: readonly RunMeasurement[];
}

export interface ReportDocument {
  title: string;
  subtitle: string;
  verdict: Verdict;
  /** Sentences beside the verdict: faults, other machine. */
  notes: readonly { tone: Tone; text: string }[];
  /** One strip for each result. */
  strips: readonly { label: string; marks: readonly ValidityMark[] }[];
  tables: readonly ReportTable[];
  facts: readonly { title: string; facts: readonly Fact[] }[];
  reproduce: string;
  sides: readonly ReportSide[];
  page: PageData;
  /** The result reported, the later one of two. */
  result: Result;
  before?: Result;
  scorecard?: Scorecard;
  profile?: ProfileTable;
}

/**
 * Puts a report together from one result, or from two to set side by side.
 *
 * @throws LabError when two results are not comparable and `force` is not said
 */
export function makeDocument(
  result: Result,
  after?: Result,
  options: { force?: boolean } = {},
): ReportDocument {
  const scorecard = after === undefined ? undefined : makeScorecard(result, after, options);
  const latest = after ?? result;
  const results = after === undefined ? [result] : [result, after];
  const sides = readSides(result, after);
  const profile = latest.kind === 'run' ? latest.profile : undefined;
  const labels = after === undefined ? [''] : ['before', 'after'];
  return {
    title: latest.name,
    subtitle: describeLoad(latest),
    verdict: scorecard?.verdict ?? describeVerdict(latest),
    notes: [
      ...(scorecard?.notes.map((text) => ({ tone: 'doubt' as const, text })) ?? []),
      ...(scorecard === undefined ? readFaults(latest) : []),
      ...sides.flatMap(readRunNotes),
    ],
    strips: results.map((one, index) => ({ label: labels[index] ?? '', marks: judgeValidity(one) })),
    tables: makeTables({ result: latest, sides, ...(scorecard === undefined ? {} : { scorecard }) }),
    facts: [
      { title: 'Machine', facts: describeMachine(latest) },
      { title: 'Generator', facts: describeDoctor(latest.doctor) },
    ],
    reproduce: quoteCommand(latest.command),
    sides,
    page: {
      sides: sides.map((side) => makeSideData(side.label, side.run, side.overTime)),
      knee: latest.kind === 'knee' && latest.points.length > 0 ? makeKneeData(latest) : null,
    },
    result: latest,
    ...(after === undefined ? {} : { before: result }),
    ...(scorecard === undefined ? {} : { scorecard }),
    ...(profile === undefined ? {} : { profile }),
  };
}

/** What `doctor` measured, quoted in every report: figures below the floor or above the ceiling are the generator's. */
export function describeDoctor(doctor: Doctor | null): Fact[] {
  if (doctor === null) return [{ label: 'Limits', text: 'not measured: run irontrack-lab doctor' }];
  return [
    { label: 'Ceiling', text: `${formatCount(doctor.ceilingPerS)} requests/s on one core` },
    {
      label: 'Floor',
      text: `P50 ${formatUs(doctor.floorP50Us)}, P99 ${formatUs(doctor.floorP99Us)} against a null server`,
    },
    {
      label: 'Timer overshoot',
      text: `P50 ${formatUs(doctor.timerOvershootP50Us)}, P99 ${formatUs(doctor.timerOvershootP99Us)}`,
    },
    {
      label: 'Noise',
      text: `${formatShare(doctor.noise)} taken by others when idle, ${formatShare(doctor.steal)} stolen, same work varies by ${formatShare(doctor.workCv)}`,
    },
    { label: 'Measured', text: doctor.measuredAt },
  ];
}

function readSides(result: Result, after: Result | undefined): ReportSide[] {
  if (result.kind === 'compare') {
    const [first] = result.pairs;
    if (first === undefined) return [];
    const [a, b] = result.sides;
    const ofA = result.pairs.map((pair) => pair.a);
    const ofB = result.pairs.map((pair) => pair.b);
    return [
      { label: a, run: mergeRuns(ofA), overTime: first.a, runs: ofA },
      { label: b, run: mergeRuns(ofB), overTime: first.b, runs: ofB },
    ];
  }
  const sides: ReportSide[] = [];
  for (const [label, one] of after === undefined
    ? ([['', result]] as const)
    : ([
        ['before', result],
        ['after', after],
      ] as const)) {
    if (one.kind === 'run') {
      const run = readMedianRun(one);
      if (run !== undefined) sides.push({ label, run, overTime: run, runs: one.runs });
    }
    if (one.kind === 'knee') {
      // The rate that the knee stands on, or the lowest tried: its run is the one worth a closer look.
      const met = one.points.filter((point) => point.met).toSorted((x, y) => y.ratePerS - x.ratePerS);
      const point = met[0] ?? one.points.toSorted((x, y) => x.ratePerS - y.ratePerS)[0];
      if (point !== undefined) sides.push({ label, run: point.run, overTime: point.run, runs: [point.run] });
    }
  }
  return sides;
}

/** What the load said of its failures, in words. */
function readRunNotes({ label, run }: ReportSide): { tone: Tone; text: string }[] {
  const notes = (run.notes ?? []).slice(0, 8);
  return notes.map((note) => ({ tone: 'plain', text: label === '' ? note : `${label}: ${note}` }));
}

function readFaults(result: Result): { tone: Tone; text: string }[] {
  if (result.kind === 'bench') return [];
  const said = findLeadingFault(result.faults);
  const others = result.faults.filter((fault) => fault !== said);
  return others.map((fault) => ({
    tone: fault.weight === 'invalid' ? 'bad' : 'doubt',
    text: `${fault.weight === 'invalid' ? 'Invalid' : 'In doubt'}: ${fault.sentence}`,
  }));
}

function describeLoad(result: Result): string {
  if (result.kind === 'bench') return `${formatCount(result.rows.length)} benchmarks`;
  const { load, target } = result;
  const rate =
    load.loop === 'closed'
      ? 'closed loop'
      : load.ratePerS === null || result.kind === 'knee'
        ? `open loop, ${load.arrivals} arrivals`
        : `${formatTick(load.ratePerS)} requests/s, ${load.arrivals} arrivals`;
  const times =
    result.kind === 'run'
      ? `${result.runs.length} x ${formatTick(load.durationS)} s`
      : result.kind === 'compare'
        ? `${result.pairs.length} pairs of ${formatTick(load.durationS)} s`
        : `${result.points.length} rates, ${formatTick(load.durationS)} s each`;
  const where = target.socketPath === undefined ? target.url : `${target.url} over ${target.socketPath}`;
  const what =
    target.scenario === undefined ? `${target.method} ${where}` : `${nameTarget(target)} on ${where}`;
  return `${what}; ${rate}; ${formatCount(load.connections)} connections; ${times}; ${load.protocol}`;
}

function describeMachine(result: Result): Fact[] {
  const { machine, source } = result;
  const facts: Fact[] = [
    { label: 'CPU', text: `${machine.cpu}, ${machine.cores} cores` },
    { label: 'Memory', text: `${formatCount(machine.memoryMb)} MB` },
    { label: 'System', text: `${machine.os}, kernel ${machine.kernel}` },
    { label: 'Node', text: machine.node },
  ];
  if (result.kind !== 'bench') {
    const { serverCores, generatorCores } = result.load;
    const pinned =
      serverCores === null && generatorCores === null
        ? 'not pinned'
        : `server on ${serverCores ?? 'any'}, generator on ${generatorCores ?? 'any'}`;
    facts.push({ label: 'Cores', text: pinned });
  }
  const state =
    source === null
      ? 'not a git checkout'
      : `${source.sha.slice(0, 12)}${source.dirty ? ' with changes not committed' : ''}`;
  facts.push({
    label: 'Source',
    text: source?.branch === undefined ? state : `${state} on ${source.branch}`,
  });
  facts.push({ label: 'Measured', text: `${result.createdAt}, irontrack-lab ${result.labVersion}` });
  return facts;
}
