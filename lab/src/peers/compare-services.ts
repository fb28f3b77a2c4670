/** Drives several services in turn, the others halted meanwhile, and keeps what each run showed. */
import { join } from 'node:path';
import { LabError } from '../exit-status.ts';
import { type CorePlan, parseCores } from '../load/pinning.ts';
import { judgeRun } from '../load/protocol.ts';
import { openSide, type Side } from '../load/side.ts';
import { formatShare } from '../report/format-figures.ts';
import { countFailures } from '../report/measures.ts';
import type { Fault, LoadShape, RunMeasurement } from '../result/result.ts';
import { findIdleShare } from '../stats/busy-cores.ts';
import { decodeHistogram } from '../stats/histogram.ts';

/** What is asked of each of them, and how hard. */
export interface Task {
  name: 'signup' | 'signin' | 'me';
  /** Requests a second; null for as many as it can. */
  ratePerS: number | null;
  connections: number;
  /** Passwords are hashed in it: few answers a second, so its runs are longer, and how they are hashed matters. */
  hashes: boolean;
}

/** Sign-ups and sign-ins are bound by hashing: a few connections keep every core at it. */
export const tasks: readonly Task[] = [
  { name: 'signup', ratePerS: null, connections: 4, hashes: true },
  { name: 'signin', ratePerS: null, connections: 4, hashes: true },
  { name: 'me', ratePerS: null, connections: 50, hashes: false },
  { name: 'me', ratePerS: 600, connections: 50, hashes: false },
];

/** Tasks that hash run this many times as long as the others. */
const hashingFactor = 2;

/** Seconds that a task measures in one run. */
export function runLength({ hashes }: Task, runS: number): number {
  return hashes ? runS * hashingFactor : runS;
}

export interface ServiceRun {
  service: string;
  /** Title of what was compared: the same settings for all. */
  section: string;
  task: Task;
  /** From 0; runs of one round followed each other, so that their ratio leaves out what drifts. */
  round: number;
  /** Seconds. */
  durationS: number;
  /** Right answers before the time was over, a second. */
  ratePerS: number;
  due: number;
  /** Right answers, those that came after the time was over included. */
  ok: number;
  failed: number;
  /** Times are null when nobody got a right answer. */
  meanUs: number | null;
  p90Us: number | null;
  p99Us: number | null;
  cpuUsPerRequest: number | null;
  rssMb: number | null;
  /** Why it may not be believed. */
  faults: readonly Fault[];
}

/** A service that is installed and may be started. */
export interface ReadyService {
  name: string;
  /** Run by `sh`; "{port}" is replaced by a free one, which PORT holds too. */
  command: string;
  environment: Readonly<Record<string, string | undefined>>;
  /** It is asked over TLS, with a certificate that nobody vouches for. */
  tls?: boolean;
}

interface CompareOptions {
  services: readonly ReadyService[];
  section: string;
  tasks: readonly Task[];
  rounds: number;
  /** Length of one run, seconds. */
  runS: number;
  cores: CorePlan;
  /** Folder of the scenarios. */
  scenarios: string;
  cwd: string;
  interrupted: AbortSignal;
  say(line: string): void;
  onRun(run: ServiceRun): void;
  /** One of them does not start; the others go on without it. */
  onRefusal(service: string, reason: string): void;
}

/** All that were started are stopped, however it ends. */
export async function compareServices(options: CompareOptions): Promise<void> {
  for (const task of options.tasks) {
    const sides: { name: string; side: Side }[] = [];
    try {
      for (const ready of options.services) {
        options.say(`Starting ${ready.name} for ${describeTask(task)}`);
        try {
          sides.push({ name: ready.name, side: await openService(ready, task, options) });
        } catch (error) {
          if (!(error instanceof LabError) || options.interrupted.aborted) throw error;
          options.onRefusal(ready.name, error.message);
        }
      }
      const phase = { durationS: runLength(task, options.runS), ratePerS: task.ratePerS };
      // Once through without counting: compilers and pools settle. As much as each can do, also before a given rate: two
      // seconds at 600/s are 1,200 requests, which V8 has by far not compiled everything after.
      for (const { side } of sides) {
        options.interrupted.throwIfAborted();
        await side.measure({ ...phase, ratePerS: null });
      }
      for (let round = 0; round < options.rounds; round += 1) {
        options.say(`${describeTask(task)}: round ${round + 1} of ${options.rounds}`);
        const first = round % sides.length;
        for (const { name, side } of [...sides.slice(first), ...sides.slice(0, first)]) {
          options.interrupted.throwIfAborted();
          const run = await side.measure(phase);
          const what = { service: name, section: options.section, task, round };
          options.onRun(summarizeRun(what, run, options.cores));
        }
      }
    } finally {
      // What was measured stays, however a service ends, and one that ends badly leaves none of the others running.
      for (const { side } of sides.toReversed()) await side.close().catch(() => undefined);
    }
  }
}

export function describeTask({ name, ratePerS }: Task): string {
  return ratePerS === null ? `${name} at full rate` : `${name} at ${ratePerS}/s`;
}

function openService(ready: ReadyService, task: Task, options: CompareOptions): Promise<Side> {
  const { cores } = options;
  const { name, command, environment, tls = false } = ready;
  const load: LoadShape = {
    loop: task.ratePerS === null ? 'closed' : 'open',
    ratePerS: task.ratePerS,
    arrivals: 'constant',
    connections: task.connections,
    durationS: runLength(task, options.runS),
    warmupS: 0,
    pauseS: 0,
    timeoutS: 30,
    spin: false,
    protocol: 'http/1.1',
    serverCores: cores.server,
    generatorCores: cores.generator,
  };
  return openSide({
    label: name,
    command,
    generator: {
      url: `${tls ? 'https' : 'http'}://127.0.0.1:{port}/`,
      insecure: tls,
      seed: 1,
      load,
      maxBodyBytes: 2 ** 20,
      scenarioPath: join(options.scenarios, `${task.name}.ts`),
    },
    cwd: options.cwd,
    readyTimeoutS: 60,
    environment,
    iOwnThisTarget: false,
    interrupted: options.interrupted,
    say: options.say,
  });
}

/** Share of wrong or missing answers from which a run is no figure. */
const mostErrors = 0.01;

function summarizeRun(
  what: Pick<ServiceRun, 'service' | 'section' | 'task' | 'round'>,
  run: RunMeasurement,
  cores: CorePlan,
): ServiceRun {
  const { ratePerS } = what.task;
  const { response, ok, due, durationS, cpuUsPerRequest = null } = run;
  const histogram = decodeHistogram(response);
  const at = (share: number) => (ok === 0 ? null : histogram.percentileUs(share));
  const memory = (run.lanes ?? []).map(({ rssMb }) => rssMb);
  const loop = ratePerS === null ? 'closed' : 'open';
  return {
    ...what,
    durationS,
    ratePerS: run.ratePerS,
    due,
    ok,
    failed: countFailures(run),
    meanUs: ok === 0 ? null : response.meanUs,
    p90Us: at(0.9),
    p99Us: at(0.99),
    cpuUsPerRequest,
    rssMb: memory.length === 0 ? null : Math.max(...memory),
    faults: [
      // Whether there are samples enough for a P99 is asked of all rounds together.
      ...judgeRun(run, { loop, ratePerS }, mostErrors).filter(({ kind }) => kind !== 'samples'),
      ...(loop === 'closed' ? describeIdle(run, cores) : []),
    ],
  };
}

function describeIdle({ lanes = [] }: RunMeasurement, { server }: CorePlan): Fault[] {
  const idle = server === null ? undefined : findIdleShare(lanes, parseCores(server));
  if (idle === undefined) return [];
  const sentence = `The core of the service was busy for only ${formatShare(idle)}: the load was the limit, so it could do more.`;
  return [{ kind: 'idle', sentence, weight: 'doubt' }];
}
