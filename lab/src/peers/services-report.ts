/** A comparison of services, or of one service under several runtimes, as one Markdown page. */
import type { Machine } from '../result/result.ts';
import { quantileOf } from '../stats/summary.ts';
import { describeTask, type ServiceRun, type Task } from './compare-services.ts';

export interface ServicesReport {
  title: string;
  /** Where everything ran, in sentences. */
  method: string;
  startedAt: string;
  machine: Machine;
  database: string;
  /** The command line that gives it again. */
  command: string;
  rounds: number;
  runS: number;
  /** Heads of the columns that say what each service is, after its name. */
  facts: readonly string[];
  /** The first is what the others are compared with, within a round. */
  services: readonly { name: string; facts: readonly string[] }[];
  runs: readonly ServiceRun[];
  /** Which did not start, and why. */
  refusals: readonly { service: string; section: string; reason: string }[];
}

type Row = readonly string[];

export function renderServicesReport(report: ServicesReport): string {
  const { machine, runs, refusals } = report;
  const lines = [
    `# ${report.title}`,
    '',
    `Measured on ${report.startedAt.slice(0, 10)}: ${machine.cores} cores of ${machine.cpu}, ` +
      `${Math.round(machine.memoryMb / 1024)} GB, ${machine.os} ${machine.kernel}, Node ${machine.node}, ${report.database}. ` +
      `${report.method} One service at a time, the others halted, in an order that rotates. ` +
      `Median (least to most) of ${report.rounds} runs of ${report.runS} s, of twice that where passwords are hashed.`,
    '',
    '```',
    report.command,
    '```',
    '',
    ...drawTable(
      ['service', ...report.facts],
      report.services.map(({ name, facts }) => [name, ...facts]),
    ),
  ];
  const sections = [...new Set([...runs, ...refusals].map(({ section }) => section))];
  for (const section of sections) {
    lines.push(`## ${section}`, '');
    const told = new Set<string>();
    for (const refusal of refusals.filter((each) => each.section === section)) {
      const sentence = `${refusal.service} did not start: ${refusal.reason.replaceAll(/\s+/g, ' ')}`;
      if (!told.has(sentence)) lines.push(sentence, '');
      told.add(sentence);
    }
    const here = runs.filter((run) => run.section === section);
    for (const task of distinctTasks(here)) lines.push(...drawTask(task, here, report.services));
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function drawTask(task: Task, here: readonly ServiceRun[], services: readonly { name: string }[]): string[] {
  const groups = services.flatMap(({ name }) => {
    const runs = here.filter((run) => run.service === name && isSame(run.task, task));
    return runs.length === 0 ? [] : [{ name, runs }];
  });
  const base = groups[0];
  if (base === undefined) return [];
  const rows = groups.map(({ name, runs }) => {
    const ratios = runs.flatMap((run, round) => {
      const first = base.runs[round];
      const measured = measureOf(task, run);
      return first === undefined || measured === 0 ? [] : [measureOf(task, first) / measured];
    });
    const of = (read: (run: ServiceRun) => number | null, digits: number) =>
      spread(
        runs.flatMap((run) => read(run) ?? []),
        digits,
      );
    const failed = runs.reduce((sum, run) => sum + run.failed, 0);
    return [
      name,
      of((run) => run.ratePerS, task.hashes ? 1 : 0),
      spread(ratios, 2),
      of((run) => run.meanUs / 1000, 2),
      of((run) => run.p90Us / 1000, 2),
      of((run) => run.p99Us / 1000, 2),
      of((run) => run.cpuUsPerRequest, 0),
      of((run) => run.rssMb, 0),
      String(failed),
    ];
  });
  const ratio = task.ratePerS === null ? `${base.name} does times as many` : `its P99 times ${base.name}'s`;
  const times = ['mean ms', 'P90 ms', 'P99 ms'];
  return [
    `### ${describeTask(task)}, ${task.connections} connections`,
    '',
    ...drawTable(['service', 'a second', ratio, ...times, 'CPU us a request', 'MB', 'failed'], rows),
    ...chooseBest(task, groups),
  ];
}

/** Who is ahead in what, as far as the ranges of the runs do not overlap. */
function chooseBest(task: Task, groups: readonly { name: string; runs: readonly ServiceRun[] }[]): string[] {
  if (groups.length < 2) return [];
  const rate = findAhead(groups, (run) => -run.ratePerS);
  const tail = findAhead(groups, (run) => run.p99Us);
  const memory = findAhead(groups, (run) => run.rssMb ?? Number.NaN);
  const facts = [
    ...(task.ratePerS === null ? [`Most a second: ${rate}`] : []),
    `shortest P99: ${tail}`,
    `least memory: ${memory}`,
  ];
  const text = facts.join('; ');
  return [`${text.charAt(0).toUpperCase()}${text.slice(1)}.`, ''];
}

/** @param cost less is better */
function findAhead(
  groups: readonly { name: string; runs: readonly ServiceRun[] }[],
  cost: (run: ServiceRun) => number,
): string {
  const ranked = groups
    .map(({ name, runs }) => ({ name, sorted: runs.map(cost).toSorted((a, b) => a - b) }))
    .filter(({ sorted }) => sorted.every(Number.isFinite))
    .toSorted((a, b) => quantileOf(a.sorted, 0.5) - quantileOf(b.sorted, 0.5));
  const [first, ...others] = ranked;
  if (first === undefined) return 'not known';
  const close = others.filter(({ sorted }) => (sorted[0] ?? 0) <= (first.sorted.at(-1) ?? 0));
  return close.length === 0
    ? first.name
    : `${first.name}, not clearly before ${close.map(({ name }) => name).join(' and ')}`;
}

/** What is compared: how many at full rate, how long at a given one; the higher is the better. */
function measureOf(task: Task, run: ServiceRun): number {
  return task.ratePerS === null ? run.ratePerS : 1 / run.p99Us;
}

function distinctTasks(runs: readonly ServiceRun[]): Task[] {
  const found: Task[] = [];
  for (const { task } of runs) if (!found.some((known) => isSame(known, task))) found.push(task);
  return found;
}

function isSame(left: Task, right: Task): boolean {
  return left.name === right.name && left.ratePerS === right.ratePerS;
}

function drawTable(heads: Row, rows: readonly Row[]): string[] {
  return [...[heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`), ''];
}

function spread(sample: readonly number[], digits: number): string {
  if (sample.length === 0) return '-';
  const sorted = sample.toSorted((a, b) => a - b);
  const [middle, least, most] = [0.5, 0, 1].map((share) => quantileOf(sorted, share).toFixed(digits));
  return `**${middle}** (${least}-${most})`;
}
