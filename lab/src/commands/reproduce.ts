/** `irontrack-lab reproduce`: the study's experiment on this machine, from a baseline to our own server, and its report. */
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ExitStatus, exitStatus, LabError } from '../exit-status.ts';
import { checkTargetAddress } from '../load/address-guard.ts';
import { canPin, readAllowedCores } from '../load/pinning.ts';
import { loadBenchmarks } from '../micro/load-benchmarks.ts';
import { runBenchmarks } from '../micro/run-benchmarks.ts';
import { quoteCommand } from '../report/format-figures.ts';
import { describeHead } from '../reproduce/experiment-head.ts';
import { readFigures } from '../reproduce/figures.ts';
import { lockFolder } from '../reproduce/folder-lock.ts';
import { openGround } from '../reproduce/ground.ts';
import { judgeHypotheses } from '../reproduce/hypotheses.ts';
import { measureGroup } from '../reproduce/measure-group.ts';
import { type Placement, placeAll } from '../reproduce/placement.ts';
import { countCells, estimateSeconds, makePlan, type Plan } from '../reproduce/plan.ts';
import { makeReport } from '../reproduce/report.ts';
import { checkMayAdd, type Head, openState, type State } from '../reproduce/state.ts';
import { writeMarkdown, writePage } from '../reproduce/write-report.ts';
import { folderOption } from './bench-options.ts';
import type { LabCommand, LabContext, OptionValues } from './lab-command.ts';
import { createNarrator } from './narrator.ts';
import { checkFolderPlaces } from './output-place.ts';
import { readFlag, readNumber, readSeconds, readText } from './option-values.ts';

export const reproduce: LabCommand = {
  summary: "Repeat the study's experiment step by step, to our own server, and judge its hypotheses here.",
  usage: '[options]',
  mostArguments: 0,
  options: {
    quick: {
      type: 'boolean',
      help: 'Few and short rounds, and no step that cannot touch a load: under 10 minutes.',
    },
    plan: { type: 'boolean', help: 'Only say what would be measured and how long it takes.' },
    database: {
      type: 'string',
      help: 'An empty PostgreSQL to throw away, postgres://user@host/name. Default: the one that comes with our server.',
    },
    folder: { ...folderOption, help: 'Where measurements are kept. Default .irontrack-lab/reproduce.' },
    report: { type: 'string', help: 'Folder of the report. Default the one of the measurements.' },
    fresh: { type: 'boolean', help: 'Begin again instead of going on with what is in the folder.' },
    only: { type: 'string', help: 'Loads to measure, such as me,me-max. Default all; --plan lists them.' },
    rounds: { type: 'string', help: 'Measured runs of each variant. Default 5.' },
    duration: {
      type: 'string',
      short: 't',
      help: 'Length of each run. Default 5s, where passwords are hashed 10s; with --quick 0.9s and 1.8s.',
    },
    pin: { type: 'string', help: 'auto, off, or server=0,generator=1: cores of each. Default auto.' },
  },
  async run(_positionals, values, context) {
    const plan = readPlan(values);
    const place = placeAll(readAllowedCores(), readText(values, 'pin'), canPin());
    const databaseUrl = await readDatabaseUrl(values);
    if (readFlag(values, 'plan')) {
      context.stdout.write(describePlan(plan));
      return exitStatus.ok;
    }
    // An hour should not end in a typo.
    checkFolderPlaces(values, context.cwd, ['folder', 'report']);
    const folder = resolve(context.cwd, readText(values, 'folder') ?? '.irontrack-lab/reproduce');
    const head = await describeHead(plan, place, databaseUrl);
    mkdirSync(folder, { recursive: true });
    const unlock = lockFolder(folder);
    try {
      const path = join(folder, 'measured.jsonl');
      const state = openState(path, head, { isFresh: readFlag(values, 'fresh') });
      if (countDone(plan, state) < countCells(plan)) {
        checkMayAdd(state, path);
        await measureRest(plan, state, head, { place, databaseUrl, folder, context });
      } else {
        context.stderr.write('All of it is measured already; --fresh begins again.\n');
      }
      const report = resolve(context.cwd, readText(values, 'report') ?? folder);
      return writeReport(plan, state, folder, report, context);
    } finally {
      unlock();
    }
  },
};

async function measureRest(plan: Plan, state: State, head: Head, means: Omit<Means, 'say'>): Promise<void> {
  const { say, done } = createNarrator(means.context);
  say(describeBeginning(plan, state));
  if (countDone(plan, state) > 0 && (state.head.source?.dirty === true || head.source?.dirty === true)) {
    say('There are changes that are not committed: see to it that they are those of the first part.');
  }
  try {
    await measureAll(plan, state, { ...means, say });
  } catch (error) {
    say('What was measured is kept: the same command goes on with the rest.');
    throw error;
  } finally {
    done();
  }
}

function readPlan(values: OptionValues): Plan {
  const plan = makePlan({ isQuick: readFlag(values, 'quick') });
  const rounds = readNumber(values, 'rounds', { least: 1, most: 100, whole: true, unit: 'rounds' });
  const seconds = readSeconds(values, 'duration', { least: 0.2, most: 600 });
  const only = readOnly(plan, readText(values, 'only'));
  return {
    ...plan,
    groups: plan.groups.filter(({ id }) => only.has(id)),
    rounds: rounds ?? plan.rounds,
    pieceS: only.has(pieces) ? plan.pieceS : null,
    ...(seconds === undefined
      ? {}
      : { runS: { hashing: seconds, other: seconds }, warmupS: seconds, profileS: seconds }),
  };
}

/** What `--only` calls the benchmarks that need no server. */
const pieces = 'pieces';

function readOnly(plan: Plan, only: string | undefined): ReadonlySet<string> {
  const known = [...plan.groups.map(({ id }) => id), pieces];
  const wanted = only?.split(',') ?? known;
  const wrong = wanted.find((id) => !known.includes(id));
  if (wrong !== undefined) {
    throw new LabError(exitStatus.tool, `--only takes ${known.join(', ')}, not ${JSON.stringify(wrong)}.`);
  }
  return new Set(wanted);
}

/** @throws LabError when it is no address of a PostgreSQL nearby */
async function readDatabaseUrl(values: OptionValues): Promise<string | undefined> {
  const address = readText(values, 'database');
  if (address === undefined) return undefined;
  if (!/^postgres(?:ql)?:\/\//.test(address) || !URL.canParse(address)) {
    throw new LabError(exitStatus.tool, 'Give the database with --database postgres://user@host/name.');
  }
  if (!new URL(address).searchParams.has('host')) {
    const asHttp = new URL(address.replace(/^postgres(?:ql)?:/, 'http:'));
    await checkTargetAddress(asHttp, { iOwnThisTarget: false });
  }
  return address;
}

interface Means {
  place: Placement;
  databaseUrl: string | undefined;
  folder: string;
  context: LabContext;
  say(line: string): void;
}

async function measureAll(plan: Plan, state: State, means: Means): Promise<void> {
  const { place, context, say } = means;
  const { cwd, environment, interrupted } = context;
  const { stderr } = context;
  const [startedMs, doneBefore] = [performance.now(), countDone(plan, state)];
  const announce = (what: string) => {
    const [done, all] = [countDone(plan, state), countCells(plan)];
    // A busy machine takes longer than planned, which shows after a while.
    const planned = (estimateSeconds(plan) * (done - doneBefore)) / all;
    const pace = done - doneBefore < 5 ? 1 : (performance.now() - startedMs) / 1000 / planned;
    const line = `[${done}/${all}, about ${describeMinutes(secondsLeft(plan, state) * Math.max(1, pace))} left] ${what}`;
    if (stderr.isTTY === true) stderr.write(`\r\x1b[K${line.slice(0, (context.stdout.columns ?? 100) - 1)}`);
    else say(line);
  };
  if (plan.pieceS !== null && state.pieces.length === 0) {
    announce('The pieces alone');
    const path = fileURLToPath(new URL('../../experiments/auth/pieces.ts', import.meta.url));
    const rows = await runBenchmarks(await loadBenchmarks([path], { cwd }), {
      context: { cwd, environment, interrupted },
      seconds: plan.pieceS,
      interrupted,
    });
    state.add({ kind: 'pieces', rows });
  }
  if (plan.groups.length === 0) return;
  announce('Starting PostgreSQL');
  const ground = await openGround({
    databaseUrl: means.databaseUrl,
    cores: place.database,
    environment,
    cwd,
    interrupted,
  });
  try {
    state.add({ kind: 'postgres', version: ground.postgresVersion });
    for (const group of plan.groups) {
      await measureGroup(group, {
        plan,
        ground,
        state,
        serverCores: place.server,
        generatorCores: place.generator,
        environment,
        out: means.folder,
        interrupted,
        announce,
      });
    }
  } finally {
    if (stderr.isTTY === true) stderr.write('\n');
    await ground.close();
  }
}

/** Whatever is measured so far; the pages of the flame graphs were written while it was. */
function writeReport(
  plan: Plan,
  state: State,
  measured: string,
  folder: string,
  context: LabContext,
): ExitStatus {
  const figures = readFigures(plan, state);
  const findings = judgeHypotheses(figures);
  const command = quoteCommand([
    'npx',
    'irontrack-lab',
    ...context.args.filter((word) => word !== '--fresh'),
  ]);
  const parts = makeReport({ figures, findings, command });
  mkdirSync(folder, { recursive: true });
  const flames = join(measured, 'flames');
  if (folder !== measured && existsSync(flames)) cpSync(flames, join(folder, 'flames'), { recursive: true });
  writeFileSync(join(folder, 'report.md'), writeMarkdown(parts));
  writeFileSync(join(folder, 'report.html'), writePage(parts));
  for (const part of parts) if (part.kind === 'chart') writeFileSync(join(folder, part.name), part.svg);
  const lines = findings.map(({ number, title, verdict }) => `${number}. ${title}: ${verdict}`);
  context.stdout.write(
    `${lines.join('\n')}\n\nReport: ${join(folder, 'report.md')}\nPage:   ${join(folder, 'report.html')}\n`,
  );
  return exitStatus.ok;
}

/** Of the plan: the state may hold loads that this time were not asked for. */
function countDone(plan: Plan, state: State): number {
  const rounds = Array.from({ length: plan.rounds }, (_, index) => index + 1);
  return plan.groups.reduce(
    (sum, { id, variants, profiled }) =>
      sum +
      variants.reduce(
        (done, variant) =>
          done +
          rounds.filter((round) => state.hasRun(id, variant.id, round)).length +
          Number(profiled.includes(variant.id) && state.hasProfile(id, variant.id)),
        0,
      ),
    Number(plan.pieceS !== null && state.pieces.length > 0),
  );
}

function secondsLeft(plan: Plan, state: State): number {
  return estimateSeconds(plan) * (1 - countDone(plan, state) / countCells(plan));
}

function describeMinutes(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} minutes`;
}

function describeBeginning(plan: Plan, state: State): string {
  const [done, all] = [countDone(plan, state), countCells(plan)];
  const left = describeMinutes(secondsLeft(plan, state));
  return done === 0
    ? `${all} measurements, about ${left}. Ctrl-C keeps what is measured.`
    : `${done} of ${all} measurements are there; about ${left} for the rest.`;
}

function describePlan(plan: Plan): string {
  const rows = plan.groups.map(
    ({ id, title, variants }) =>
      `  ${id.padEnd(12)} ${title}: ${variants.map(({ label }) => label).join(', ')}`,
  );
  return `${countCells(plan)} measurements in ${plan.rounds} rounds, about ${describeMinutes(estimateSeconds(plan))}:\n${rows.join('\n')}\n`;
}
