/** One task of a comparison as a table, with what to doubt about it, who is ahead, and a chart. */
import { type Bar, drawBars } from '../report/bar-chart.ts';
import { formatCount, formatShort } from '../report/format-figures.ts';
import { fewestSamplesForP99 } from '../stats/stability.ts';
import { medianOf, quantileOf } from '../stats/summary.ts';
import { describeTask, type ServiceRun, type Task } from './compare-services.ts';
import {
  type Contender,
  countRight,
  describeAhead,
  findAhead,
  hasTail,
  isInvalid,
  pairRounds,
  type Reading,
  rateOf,
  ratioWithinRounds,
} from './rank-services.ts';

export interface Chart {
  /** Of its file. */
  name: string;
  svg: string;
}

type Row = readonly string[];

const tailOf: Reading = ({ p99Us }) => p99Us;

export function drawTask(task: Task, contenders: readonly Contender[]): string[] {
  const [base] = contenders;
  if (base === undefined) return [];
  const compared = task.ratePerS === null ? rateOf : tailOf;
  const rows = contenders.map((contender) => {
    const { name, runs } = contender;
    const of = (read: Reading, digits: number) =>
      spread(
        runs.flatMap((run) => read(run) ?? []),
        digits,
      );
    const milliseconds = (read: (run: ServiceRun) => number | null) =>
      of((run) => divide(read(run), 1000), 2);
    const failed = runs.reduce((sum, run) => sum + run.failed, 0);
    return [
      name,
      writeRate(task, runs),
      contender === base ? '1' : writeRatio(task, base, contender, compared),
      milliseconds((run) => run.meanUs),
      milliseconds((run) => run.p90Us),
      hasTail(contender) ? milliseconds(tailOf) : `- (${formatCount(countRight(contender))} answers)`,
      of((run) => run.cpuUsPerRequest, 0),
      of((run) => run.rssMb, 0),
      String(failed),
    ];
  });
  const ratio = task.ratePerS === null ? `${base.name} does times as many` : `its P99, times ${base.name}'s`;
  const times = ['mean ms', 'P90 ms', 'P99 ms'];
  return [
    `### ${describeTask(task)}, ${task.connections} connections`,
    '',
    task.ratePerS === null
      ? 'As much as it can do: every connection asks again as soon as it is answered. The rate counts; the times are those of an overload.'
      : 'Sent by the clock, and timed from when each request was due.',
    '',
    ...drawTable(['service', 'a second', ratio, ...times, 'CPU us a request', 'MB', 'failed'], rows),
    ...describeDoubts(task, contenders),
    ...describeBest(task, contenders),
  ];
}

function writeRate(task: Task, runs: readonly ServiceRun[]): string {
  if (runs.every(({ ok }) => ok === 0)) return 'no right answer';
  if (runs.every(({ ratePerS }) => ratePerS === 0)) return 'none in time';
  return spread(
    runs.map(({ ratePerS }) => ratePerS),
    task.hashes ? 1 : 0,
  );
}

/** How many times as many the first does; at a given rate, how many times as long the P99 is. */
function writeRatio(task: Task, base: Contender, contender: Contender, read: Reading): string {
  if (task.ratePerS !== null && !(hasTail(base) && hasTail(contender))) return '-';
  const [from, to] = task.ratePerS === null ? [contender, base] : [base, contender];
  const interval = ratioWithinRounds(from, to, read);
  if (interval !== undefined) {
    const { mean, low, high } = interval;
    return `**${formatShort(mean)}** (${formatShort(low)}-${formatShort(high)})`;
  }
  const [pair, ...more] = pairRounds(from, to, read);
  const isOne = pair !== undefined && more.length === 0 && pair.a > 0 && pair.b > 0;
  return isOne ? formatShort(pair.b / pair.a) : '-';
}

/** One sentence of a kind and service, with how often it was so. */
function describeDoubts(task: Task, contenders: readonly Contender[]): string[] {
  const doubts = contenders.flatMap(({ name, runs }) => {
    const found = new Map<string, { sentence: string; count: number }>();
    for (const { kind, sentence } of runs.flatMap(({ faults }) => faults)) {
      const known = found.get(kind);
      found.set(kind, { sentence: known?.sentence ?? sentence, count: (known?.count ?? 0) + 1 });
    }
    const late = runs.filter(({ ok, ratePerS }) => ok > 0 && ratePerS === 0).length;
    return [
      ...[...found.values()].map(
        ({ sentence, count }) => `${name}, ${count} of ${runs.length} runs: ${sentence}`,
      ),
      ...(late === 0
        ? []
        : [
            `${name}, ${late} of ${runs.length} runs: nobody was answered before it was over, so there is no rate; longer runs (--duration) would have one.`,
          ]),
    ];
  });
  const few = contenders.filter((contender) => !hasTail(contender));
  if (few.length > 0 && task.ratePerS !== null) {
    doubts.push(
      `A P99 takes ${formatCount(fewestSamplesForP99)} right answers; ${few.map(({ name }) => name).join(', ')} had fewer.`,
    );
  }
  return doubts.length === 0 ? [] : [...doubts.map((doubt) => `* ${doubt}`), ''];
}

/** Who is ahead, among those whose runs may be believed. */
function describeBest(task: Task, all: readonly Contender[]): string[] {
  const contenders = all.filter(({ runs }) => !runs.some(isInvalid));
  if (contenders.length < 2) return [];
  const facts = [
    task.ratePerS === null
      ? `Most a second: ${describeAhead(findAhead(contenders, rateOf, 'more'))}`
      : `Shortest P99: ${describeAhead(findAhead(contenders.filter(hasTail), tailOf, 'less'))}`,
    `least CPU a request: ${describeAhead(findAhead(contenders, (run) => run.cpuUsPerRequest, 'less'))}`,
    `least memory: ${describeAhead(findAhead(contenders, (run) => run.rssMb, 'less'))}`,
  ];
  return [`${facts.join('; ')}.`, ''];
}

/** Medians, with whiskers from the least to the most; undefined when there is nothing to draw. */
export function drawChart(
  section: string,
  task: Task,
  contenders: readonly Contender[],
  stem: string,
): Chart | undefined {
  const read: Reading = task.ratePerS === null ? rateOf : (run) => divide(tailOf(run), 1000);
  const drawn = task.ratePerS === null ? contenders : contenders.filter(hasTail);
  const bars = drawn.flatMap(({ name, runs }): Bar[] => {
    const values = runs.flatMap((run) => read(run) ?? []);
    if (values.length === 0) return [];
    const whisker = values.length < 2 ? {} : { low: Math.min(...values), high: Math.max(...values) };
    return [{ label: name, value: medianOf(values), ...whisker, isOwn: name === contenders[0]?.name }];
  });
  if (bars.length === 0) return undefined;
  const words = [stem, section, task.name, String(task.ratePerS ?? 'max')].join(' ').toLowerCase();
  return {
    name: `${words.replaceAll(/[^a-z0-9]+/g, '-')}.svg`,
    svg: drawBars(
      `${section}: ${describeTask(task)}`,
      task.ratePerS === null ? 'answers a second' : 'P99, ms',
      bars,
      'least to most',
    ),
  };
}

export function drawTable(heads: Row, rows: readonly Row[]): string[] {
  return [...[heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`), ''];
}

function spread(sample: readonly number[], digits: number): string {
  if (sample.length === 0) return '-';
  const sorted = sample.toSorted((a, b) => a - b);
  const [middle, least, most] = [0.5, 0, 1].map((share) => quantileOf(sorted, share).toFixed(digits));
  return sample.length === 1 ? `**${middle}**` : `**${middle}** (${least}-${most})`;
}

function divide(value: number | null, by: number): number | null {
  return value === null ? null : value / by;
}
