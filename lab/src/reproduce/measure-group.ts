/** Measures one load on all its variants, in turn and round by round, and profiles those that are asked for. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bench, openBench } from '../load/bench.ts';
import { findFreePort, signalServer } from '../load/side.ts';
import { makeFlamePage } from '../profile/flame-page.ts';
import { recordProfile } from '../profile/record-profile.ts';
import { quoteCommand } from '../report/format-figures.ts';
import type { FlameNode, LaneReading, LoadShape, RunMeasurement } from '../result/result.ts';
import { meanOf } from '../stats/summary.ts';
import { writeAscii } from './ascii.ts';
import { type Environment, type Ground, ownServerCommand, ownServerEnvironment } from './ground.ts';
import { type Group, type Plan, runSecondsOf, type Variant } from './plan.ts';
import type { State } from './state.ts';

export interface Surroundings {
  plan: Plan;
  ground: Ground;
  state: State;
  /** As `taskset -c` takes them. */
  serverCores: string | null;
  generatorCores: string | null;
  environment: Environment;
  /** Where the pages of the flame graphs go. */
  out: string;
  interrupted: AbortSignal;
  /** Before each measurement: what comes now. */
  announce(what: string): void;
}

interface OpenVariant {
  variant: Variant;
  bench: Bench;
}

const experiment = new URL('../../experiments/auth/', import.meta.url);
const ownScenarios = new URL('../../scenarios/', import.meta.url);
/** Where the servers run, so that the places in a profile are those of the repository. */
const repository = fileURLToPath(new URL('../../..', import.meta.url));
const readyTimeoutS = 60;
/** Frames below this share of the CPU cannot be seen in a drawing. */
const leastFrameShare = 0.002;

/** Does what is not in the state yet; nothing is started when all of it is. */
export async function measureGroup(group: Group, around: Surroundings): Promise<void> {
  const { plan, state, interrupted } = around;
  const isMissing = ({ id }: Variant) =>
    roundsOf(plan).some((round) => !state.hasRun(group.id, id, round)) ||
    (group.profiled.includes(id) && !state.hasProfile(group.id, id));
  if (!group.variants.some(isMissing)) return;
  const open: OpenVariant[] = [];
  try {
    for (const variant of group.variants.filter(isMissing)) {
      interrupted.throwIfAborted();
      around.announce(`${group.title}: starting ${variant.label}`);
      const bench = await openVariant(variant, group, around);
      open.push({ variant, bench });
      await warmUp(bench, group, plan);
      signalServer(bench, 'SIGSTOP');
    }
    for (const round of roundsOf(plan)) {
      // There and back again: whoever comes first in one round comes last in the next.
      for (const each of round % 2 === 1 ? open : open.toReversed()) {
        await measureCell(each, group, round, around);
      }
    }
    for (const each of open) await profileVariant(each, group, around);
  } finally {
    const close = ({ bench }: OpenVariant) => {
      signalServer(bench, 'SIGCONT');
      // What is measured stays, however a service ends.
      return bench.close().catch(() => undefined);
    };
    await Promise.all(open.map(close));
  }
}

function roundsOf({ rounds }: Plan): number[] {
  return Array.from({ length: rounds }, (_, index) => index + 1);
}

async function measureCell(
  { variant, bench }: OpenVariant,
  group: Group,
  round: number,
  around: Surroundings,
): Promise<void> {
  const { plan, state, interrupted } = around;
  if (state.hasRun(group.id, variant.id, round)) return;
  interrupted.throwIfAborted();
  around.announce(`${group.title}: ${variant.label}, round ${round} of ${plan.rounds}`);
  const { ratePerS } = group;
  signalServer(bench, 'SIGCONT');
  try {
    await bench.measure({ durationS: plan.settleS, ratePerS });
    const run = await bench.measure({ durationS: runSecondsOf(plan, group), ratePerS });
    interrupted.throwIfAborted();
    state.add({ kind: 'run', group: group.id, variant: variant.id, round, run: withoutSeries(run) });
  } finally {
    signalServer(bench, 'SIGSTOP');
  }
}

/** As much as it can do, which compiles more code in a second than a constant rate does; hashes are compiled already. */
async function warmUp(bench: Bench, group: Group, { warmupS }: Plan): Promise<void> {
  const ratePerS = group.isHashing ? group.ratePerS : null;
  await bench.measure({ durationS: warmupS, ratePerS });
}

async function profileVariant(
  { variant, bench }: OpenVariant,
  group: Group,
  around: Surroundings,
): Promise<void> {
  const { plan, state, interrupted } = around;
  if (!group.profiled.includes(variant.id) || state.hasProfile(group.id, variant.id)) return;
  interrupted.throwIfAborted();
  around.announce(`${group.title}: ${variant.label}, CPU profile`);
  signalServer(bench, 'SIGCONT');
  const inspectorUrl = bench.inspectorUrl();
  let answered = 0;
  const recorded = await recordProfile({
    pids: bench.pids(),
    seconds: plan.profileS,
    samplerCores: around.generatorCores,
    signal: interrupted,
    ...(inspectorUrl === undefined ? {} : { inspectorUrl }),
    async load() {
      const { ratePerS } = group;
      const run = await bench.measure({ durationS: plan.profileS, ratePerS });
      answered = run.ok;
      return { answered: run.ok, seen: { kind: 'seconds', series: run.series } };
    },
  });
  interrupted.throwIfAborted();
  signalServer(bench, 'SIGSTOP');
  const folder = join(around.out, 'flames');
  mkdirSync(folder, { recursive: true });
  const page = makeFlamePage({ title: `${group.title}: ${variant.label}`, recorded });
  writeFileSync(join(folder, `${group.id}-${variant.id}.html`), writeAscii(page));
  state.add({
    kind: 'profile',
    group: group.id,
    variant: variant.id,
    table: recorded.table,
    stalls: recorded.stalls,
    blockedShare: recorded.loop.blockedShare,
    answered,
    flame: prune(recorded.flame, recorded.flame.totalUs * leastFrameShare),
  });
}

async function openVariant(variant: Variant, group: Group, around: Surroundings): Promise<Bench> {
  const { ground, serverCores, generatorCores, environment, interrupted } = around;
  const port = await findFreePort();
  const load: LoadShape = {
    loop: group.ratePerS === null ? 'closed' : 'open',
    ratePerS: group.ratePerS,
    arrivals: 'constant',
    connections: group.connections,
    durationS: runSecondsOf(around.plan, group),
    warmupS: around.plan.warmupS,
    pauseS: around.plan.settleS,
    timeoutS: 10,
    spin: generatorCores !== null,
    protocol: 'http/1.1',
    serverCores,
    generatorCores,
  };
  const inOwnFolder = group.scenario === 'ping.ts' ? ownScenarios : new URL('scenarios/', experiment);
  return openBench({
    generator: {
      url: `http://127.0.0.1:${port}`,
      insecure: false,
      seed: 1,
      load,
      scenarioPath: fileURLToPath(new URL(group.scenario, inOwnFolder)),
      maxBodyBytes: 16 * 2 ** 20,
    },
    server: {
      command: commandOf(variant, port, ground),
      cwd: repository,
      readyTimeoutS,
      environment:
        variant.options === null
          ? ownServerEnvironment(environment, {
              port,
              dataDir: join(ground.folder, variant.id),
              databaseUrl: ground.databaseUrl,
              log: variant.log,
            })
          : environment,
    },
    iOwnThisTarget: false,
    interrupted,
  });
}

function commandOf({ options }: Variant, port: number, { databaseUrl }: Ground): string {
  if (options === null) return ownServerCommand;
  const main = fileURLToPath(new URL('main.ts', experiment));
  const words = [process.execPath, main, '--port', String(port), '--database', databaseUrl, ...options];
  return `exec ${quoteCommand(words)} >/dev/null`;
}

/** The seconds are in the histograms, and of ten readings a second the mean is what the columns want. */
function withoutSeries(run: RunMeasurement): RunMeasurement {
  const { lanes = [], ...rest } = run;
  const [first] = lanes;
  return { ...rest, series: [], ...(first === undefined ? {} : { lanes: [averageLanes(first, lanes)] }) };
}

function averageLanes(first: LaneReading, lanes: readonly LaneReading[]): LaneReading {
  const mean = (read: (lane: LaneReading) => number) => meanOf(lanes.map(read));
  return {
    atS: mean(({ atS }) => atS),
    cores: first.cores.map((_, core) => mean(({ cores }) => cores[core] ?? 0)),
    serverCpu: mean(({ serverCpu }) => serverCpu),
    runQueueMsPerS: mean(({ runQueueMsPerS }) => runQueueMsPerS),
    voluntarySwitchesPerS: mean(({ voluntarySwitchesPerS }) => voluntarySwitchesPerS),
    involuntarySwitchesPerS: mean(({ involuntarySwitchesPerS }) => involuntarySwitchesPerS),
    rssMb: Math.max(...lanes.map(({ rssMb }) => rssMb)),
    cpuPressure: first.cpuPressure === null ? null : mean(({ cpuPressure }) => cpuPressure ?? 0),
    steal: mean(({ steal }) => steal),
  };
}

function prune(node: FlameNode, leastUs: number): FlameNode {
  const children = node.children.filter(({ totalUs }) => totalUs >= leastUs);
  return { ...node, children: children.map((child) => prune(child, leastUs)) };
}
