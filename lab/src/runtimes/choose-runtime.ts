/** Which runtime, how many workers and whether a proxy: what follows from the figures, computed, as Markdown lines. */
import type { ServiceRun } from '../peers/compare-services.ts';
import {
  type Ahead,
  type Contender,
  describeAhead,
  distinctTasks,
  findAhead,
  hasTail,
  isInvalid,
  listContenders,
  type Reading,
  rateOf,
} from '../peers/rank-services.ts';
import { drawTable } from '../peers/task-table.ts';
import { formatShort, joinWords } from '../report/format-figures.ts';
import { medianOf } from '../stats/summary.ts';

/** One way to run the server, on all the runtimes. */
export interface Setting {
  /** Title of its runs. */
  section: string;
  workers: number;
  path: 'direct' | 'nginx';
}

interface Measured {
  runs: readonly ServiceRun[];
  /** The first is the one the project pins. */
  services: readonly { name: string }[];
  refusals: readonly { service: string; section: string }[];
  machine: { cores: number };
}

interface Wish {
  name: string;
  /** At full rate, or at the given one. */
  isFullRate: boolean;
  read: Reading;
  better: 'more' | 'less';
  needsTail?: boolean;
}

const wishes: readonly Wish[] = [
  { name: 'most answers a second', isFullRate: true, read: rateOf, better: 'more' },
  {
    name: 'shortest P99 at the given rate',
    isFullRate: false,
    read: ({ p99Us }) => p99Us,
    better: 'less',
    needsTail: true,
  },
  {
    name: 'least CPU a request at the given rate',
    isFullRate: false,
    read: ({ cpuUsPerRequest }) => cpuUsPerRequest,
    better: 'less',
  },
  { name: 'least memory at full rate', isFullRate: true, read: ({ rssMb }) => rssMb, better: 'less' },
];

/** A second worker is worth its memory from here on. */
const worthwhile = 1.2;

/** Share of invalid runs that a noisy machine may make of a sound server. */
const mostInvalid = 0.2;

/** Nothing without runs. */
export function chooseRuntimes(measured: Measured, settings: readonly Setting[]): string[] {
  const there = settings.filter(({ section }) => measured.runs.some((run) => run.section === section));
  if (there.length === 0) return [];
  const rows = wishes.map((wish) => ({
    wish,
    ahead: there.map(({ section }) => findWinner(measured, section, wish)),
  }));
  const advice = [
    ...rows.map(({ wish, ahead }) => advise(wish, ahead)),
    ...describeWorkers(measured, there),
    ...describeProxy(measured, there),
    ...describeUnfit(measured),
  ];
  return [
    '## Which to choose when',
    '',
    ...drawTable(
      ['you want', ...there.map(({ section }) => section)],
      rows.map(({ wish, ahead }) => [
        wish.name,
        ...ahead.map((each) => (each === undefined ? 'cannot tell' : describeAhead(each))),
      ]),
    ),
    ...advice.map((sentence) => `* ${sentence}`),
    '',
  ];
}

/** Among those whose runs may all be believed. */
function findWinner(measured: Measured, section: string, wish: Wish): Ahead | undefined {
  const fit = findContenders(measured, section, wish.isFullRate).filter(
    (contender) => !contender.runs.some(isInvalid) && (wish.needsTail !== true || hasTail(contender)),
  );
  // Who is alone is ahead of nobody.
  return fit.length < 2 ? undefined : findAhead(fit, wish.read, wish.better);
}

function findContenders(
  { runs, services }: Measured,
  section: string,
  isFullRate: boolean,
): readonly Contender[] {
  const here = runs.filter((run) => run.section === section);
  const task = distinctTasks(here).find(({ ratePerS }) => (ratePerS === null) === isFullRate);
  return task === undefined ? [] : listContenders(here, task, services);
}

/** The one that is clearly ahead most often. */
function advise({ name }: Wish, ahead: readonly (Ahead | undefined)[]): string {
  const clear = ahead.flatMap((each) => (each?.besides.length === 0 ? each.name : []));
  const counts = [...new Set(clear)].map((winner) => ({
    winner,
    count: clear.filter((other) => other === winner).length,
  }));
  const most = Math.max(0, ...counts.map(({ count }) => count));
  const winners = counts.filter(({ count }) => count === most).map(({ winner }) => winner);
  const title = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  if (ahead.every((each) => each === undefined))
    return `${title}: cannot be told, for too few answers or runs that do not count.`;
  return winners.length === 0
    ? `${title}: these rounds tell nobody apart, so choose by something else.`
    : `${title}: take ${joinWords(winners)}, clearly ahead in ${most} of ${ahead.length} settings${winners.length > 1 ? ' each' : ''}.`;
}

/** From setting to setting the rounds differ, so these are ratios of medians, without an interval. */
function describeWorkers(measured: Measured, settings: readonly Setting[]): string[] {
  const fewest = Math.min(...settings.map(({ workers }) => workers));
  const more = settings.filter(({ workers }) => workers > fewest);
  const gains = more.flatMap((setting) => {
    const one = settings.find(({ workers, path }) => workers === fewest && path === setting.path);
    return one === undefined ? [] : compareSettings(measured, one, setting);
  });
  if (gains.length === 0) return [];
  const list = gains.map(({ name, ratio, to }) => `${name} ${formatShort(ratio)} (${to.section})`);
  const isWorth = gains.some(({ ratio }) => ratio >= worthwhile);
  const cramped =
    measured.machine.cores < Math.max(...more.map(({ workers }) => workers)) + 1
      ? ` With ${measured.machine.cores} cores for workers, database and load this says little about a machine that has a core for each.`
      : '';
  return [
    `More workers than ${fewest}, times the answers a second: ${list.join(', ')}. ${
      isWorth
        ? `Take more where it is ${worthwhile} and above and one worker's core is busy.`
        : `None of it reaches ${worthwhile}: stay with ${fewest} on a machine like this.`
    }${cramped} Medians of different rounds, so without an interval.`,
  ];
}

function describeProxy(measured: Measured, settings: readonly Setting[]): string[] {
  const costs = settings
    .filter(({ path }) => path === 'nginx')
    .flatMap((setting) => {
      const direct = settings.find(({ workers, path }) => workers === setting.workers && path === 'direct');
      return direct === undefined ? [] : compareSettings(measured, direct, setting);
    });
  if (costs.length === 0) return [];
  const list = costs.map(({ name, ratio, to }) => `${name} ${formatShort(ratio)} (${to.section})`);
  return [
    `Behind nginx with TLS, times the answers a second of the direct way: ${list.join(', ')}. Take it for what it does (TLS, limits, several nodes), not for speed. Medians of different rounds, so without an interval; CPU and memory there include nginx's own.`,
  ];
}

function compareSettings(measured: Measured, from: Setting, to: Setting) {
  const before = findContenders(measured, from.section, true);
  return findContenders(measured, to.section, true).flatMap(({ name, runs }) => {
    const base = before.find((contender) => contender.name === name);
    if (base === undefined) return [];
    const ratio = medianOf(runs.map((run) => run.ratePerS)) / medianOf(base.runs.map((run) => run.ratePerS));
    return Number.isFinite(ratio) ? [{ name, ratio, to }] : [];
  });
}

function describeUnfit({ runs, refusals, services }: Measured): string[] {
  return services.flatMap(({ name }) => {
    const refused = new Set(refusals.filter(({ service }) => service === name).map(({ section }) => section));
    const own = runs.filter(({ service }) => service === name);
    const invalid = own.filter(isInvalid).length;
    const reasons = [
      ...(refused.size === 0 ? [] : [`did not start in ${refused.size} settings`]),
      ...(invalid === 0 ? [] : [`missed its rate or failed in ${invalid} of ${own.length} runs`]),
    ];
    if (reasons.length === 0) return [];
    const isUnfit = refused.size > 0 || invalid > own.length * mostInvalid;
    return [`${isUnfit ? `Not ${name}, as it stands: it` : name} ${reasons.join(' and ')}.`];
  });
}
