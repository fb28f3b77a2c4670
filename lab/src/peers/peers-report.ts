/** The comparison of services as one Markdown page. */
import type { Machine } from '../result/result.ts';
import { quantileOf } from '../stats/summary.ts';
import { describeTask, type PeerRun, type Task } from './compare-peers.ts';
import type { PasswordSettings } from './peer.ts';

export interface PeersReport {
  startedAt: string;
  machine: Machine;
  database: string;
  /** The command line that gives it again. */
  command: string;
  rounds: number;
  runS: number;
  peers: readonly { name: string; ownHash: string; versions: readonly string[] }[];
  runs: readonly PeerRun[];
}

const settingsTitles: Readonly<Record<PasswordSettings, string>> = {
  own: 'Each as its guides recommend',
  equal: 'All with Argon2id, 64 MiB, 3 passes, 1 lane',
};

/** The first peer is what the others are compared with, within a round. */
export function renderPeersReport(report: PeersReport): string {
  const { machine } = report;
  const lines = [
    '# The same three things asked of what else a team would take',
    '',
    `Measured ${report.startedAt.slice(0, 10)} on ${machine.cores} cores of ${machine.cpu}, ${Math.round(machine.memoryMb / 1024)} GB, ` +
      `${machine.os} ${machine.kernel}, Node ${machine.node}, ${report.database}. Each service in one process on the core of the server, ` +
      'the load on the other, PostgreSQL on both; one at a time, the others halted, in a rotating order. ' +
      `Median (least to most) of ${report.rounds} runs of ${report.runS} s.`,
    '',
    '```',
    report.command,
    '```',
    '',
    '| service | passwords, when left to its guides | versions |',
    '| --- | --- | --- |',
    ...report.peers.map(
      ({ name, ownHash, versions }) =>
        `| ${name} | ${ownHash} | ${versions.join(', ') || 'this repository'} |`,
    ),
    '',
  ];
  for (const settings of ['own', 'equal'] as const) {
    const runs = report.runs.filter((run) => run.settings === settings);
    if (runs.length === 0) continue;
    lines.push(`## ${settingsTitles[settings]}`, '');
    for (const task of distinctTasks(runs)) lines.push(...drawTask(task, runs, report));
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function drawTask(task: Task, all: readonly PeerRun[], report: PeersReport): string[] {
  const runsOf = (peer: string) => all.filter((run) => run.peer === peer && isSame(run.task, task));
  const base = runsOf(report.peers[0]?.name ?? '');
  const rows = report.peers.flatMap(({ name }) => {
    const runs = runsOf(name);
    if (runs.length === 0) return [];
    const failed = runs.reduce((sum, run) => sum + run.failed, 0);
    const ratios = runs.flatMap((run, round) => {
      const ours = base[round];
      const theirs = measureOf(task, run);
      return ours === undefined || theirs === 0 ? [] : [measureOf(task, ours) / theirs];
    });
    return [
      [
        name,
        spread(
          runs.map((run) => run.ratePerS),
          0,
        ),
        spread(ratios, 2),
        spread(
          runs.map((run) => run.meanUs / 1000),
          2,
        ),
        spread(
          runs.map((run) => run.p90Us / 1000),
          2,
        ),
        spread(
          runs.map((run) => run.p99Us / 1000),
          2,
        ),
        spread(
          runs.flatMap((run) => run.cpuUsPerRequest ?? []),
          0,
        ),
        spread(
          runs.flatMap((run) => run.rssMb ?? []),
          0,
        ),
        String(failed),
      ],
    ];
  });
  const ratio = task.ratePerS === null ? 'ours times it' : 'its P99 times ours';
  const heads = [
    'service',
    'a second',
    ratio,
    'mean ms',
    'P90 ms',
    'P99 ms',
    'CPU us a request',
    'MB',
    'failed',
  ];
  return [
    `### ${describeTask(task)}, ${task.connections} connections`,
    '',
    ...[heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`),
    '',
  ];
}

/** What is compared: how many at full rate, how long at a given one; the higher is the better. */
function measureOf(task: Task, run: PeerRun): number {
  return task.ratePerS === null ? run.ratePerS : 1 / run.p99Us;
}

function distinctTasks(runs: readonly PeerRun[]): Task[] {
  const found: Task[] = [];
  for (const { task } of runs) if (!found.some((known) => isSame(known, task))) found.push(task);
  return found;
}

function isSame(left: Task, right: Task): boolean {
  return left.name === right.name && left.ratePerS === right.ratePerS;
}

function spread(sample: readonly number[], digits: number): string {
  if (sample.length === 0) return '-';
  const sorted = sample.toSorted((a, b) => a - b);
  const [middle, least, most] = [0.5, 0, 1].map((share) => quantileOf(sorted, share).toFixed(digits));
  return `**${middle}** (${least}-${most})`;
}
