/** A comparison of services, or of one service under several runtimes: a Markdown page with its charts as files. */
import type { Machine, RunResult } from '../result/result.ts';
import { describeTask, type ServiceRun } from './compare-services.ts';
import { distinctTasks, listContenders } from './rank-services.ts';
import { type Chart, drawChart, drawTable, drawTask } from './task-table.ts';

export interface ServicesReport {
  title: string;
  /** Where everything ran, in sentences. */
  method: string;
  startedAt: string;
  machine: Machine;
  /** Of what is ours. */
  source: RunResult['source'];
  database: string;
  /** The command line that gives it again. */
  command: string;
  rounds: number;
  runS: number;
  /** Heads of the columns that say what each service is, after its name. */
  facts: readonly string[];
  /** The first is what the others are compared with, within a round. */
  services: readonly { name: string; facts: readonly string[] }[];
  /** What one has to know before quoting it, a sentence or two each. */
  caveats: readonly string[];
  /** What follows from the figures, as Markdown lines. */
  conclude?: (report: ServicesReport) => readonly string[];
  runs: readonly ServiceRun[];
  /** It was stopped, or is still under way. */
  isUnfinished?: boolean;
  /** Which did not start, and why. */
  refusals: readonly { service: string; section: string; reason: string }[];
}

/** @param stem what the names of the charts begin with */
export function renderServicesReport(
  report: ServicesReport,
  stem: string,
): { markdown: string; charts: Chart[] } {
  const { runs, refusals } = report;
  const charts: Chart[] = [];
  const lines = [
    `# ${report.title}`,
    '',
    describeMeasurement(report),
    '',
    ...(report.isUnfinished === true
      ? ['**Not finished: below is what was measured before it ended. Nothing to quote.**', '']
      : []),
    '```',
    report.command,
    '```',
    '',
    ...drawTable(
      ['service', ...report.facts],
      report.services.map(({ name, facts }) => [name, ...facts]),
    ),
    'Before you quote it:',
    '',
    ...report.caveats.map((caveat) => `* ${caveat}`),
    '',
    ...(report.conclude?.(report) ?? []),
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
    for (const task of distinctTasks(here)) {
      const contenders = listContenders(here, task, report.services);
      lines.push(...drawTask(task, contenders));
      const chart = drawChart(section, task, contenders, stem);
      if (chart === undefined) continue;
      charts.push(chart);
      lines.push(`![${section}: ${describeTask(task)}](${chart.name})`, '');
    }
  }
  return { markdown: `${lines.join('\n').trimEnd()}\n`, charts };
}

function describeMeasurement({ machine, source, ...report }: ServicesReport): string {
  const commit =
    source === null ? '' : ` Our commit: ${source.sha.slice(0, 12)}${source.dirty ? ', changed' : ''}.`;
  const spread =
    report.rounds === 1
      ? `One run of ${report.runS} s each, of twice that where passwords are hashed, so there is neither spread nor interval: it shows that all of it works, and is nothing to quote.`
      : `Figures are the median (least-most) of ${report.rounds} runs of ${report.runS} s, of twice that where passwords are hashed, after one at full rate that does not count. A ratio is that of runs of one round, with Student's 95 % interval over the rounds; that of rates is wider by the answers that were under way when the time was over. One such interval in twenty misses by chance.`;
  return (
    `Measured on ${report.startedAt.slice(0, 10)}: ${machine.cores} cores of ${machine.cpu}, ` +
    `${Math.round(machine.memoryMb / 1024)} GB, ${machine.os} ${machine.kernel}, Node ${machine.node}, ${report.database}.${commit} ` +
    `${report.method} One service at a time, the others halted, in an order that rotates. ${spread}`
  );
}
