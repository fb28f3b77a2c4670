/**
 * Keeps the workers of a node: starts them, starts them again when they die, replaces them one after the other without
 * losing a request, and passes between them what they tell each other.
 */
import type { Counters } from '../cache/counters.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
import type { MetricsPart } from '../telemetry/joined-metrics.ts';
import { type Link, openLink } from './link.ts';
import { createCountingCalls } from './linked-counters.ts';
import type { Change, Post, StartFailure, SupervisorCalls, WorkerCalls } from './messages.ts';
import { watchForSilence } from './silence.ts';
import type { Ending, WorkerProcess } from './worker-process.ts';

export interface Supervisor {
  /** Starts all workers. @returns the address to show @throws StartupError of the first that cannot start */
  start(): Promise<string>;
  /** Replaces every worker, one after the other. Never throws: a worker that cannot be replaced goes on. */
  restart(): Promise<void>;
  /** Lets all workers finish, and resolves when none is left. */
  stop(): Promise<void>;
}

interface Log {
  info(members: object, sentence: string): void;
  error(members: object, sentence: string): void;
}

interface Needs {
  workers: number;
  fork: () => WorkerProcess;
  postOf: (place: number) => Post;
  /** What all workers count together. */
  counters: Counters;
  log: Log;
  /** A monotonic clock in milliseconds. */
  now: () => number;
  /** Joins the metrics of ended workers with those of one more; only what is counted, not what was measured last. */
  addUp: (parts: readonly MetricsPart[]) => Promise<MetricsPart>;
  /** The supervisor's own metrics. */
  describe: (restarts: number) => Promise<MetricsPart>;
}

interface Worker {
  readonly place: number;
  readonly process: WorkerProcess;
  readonly link: Link<WorkerCalls>;
  /** Resolves with the address once it serves. */
  readonly serving: Promise<string>;
  /** Hears what others change. */
  isJoined: boolean;
  /** It did not confirm the last change in time: until it answers again, nobody waits for it. */
  isSilent: boolean;
  servingSince: number | undefined;
  /** It was told to end, or asked for it. */
  isLeaving: boolean;
  failure: StartFailure | undefined;
  metrics: MetricsPart | undefined;
}

/** A worker that died is started again after 0.1 s, then 0.2 s and so on up to 5 s: also one that died of an outage is back soon after it. */
const firstBackOffMs = 100;
const longestBackOffMs = 5_000;
/** Whoever served this long starts again without remembering earlier deaths. */
const settledMs = 60_000;
const longestHearingMs = 1_000;
const longestReportMs = 1_500;
/** Four questions in a row without an answer, 20 to 25 s: an event loop that is busy for so long serves nobody either. */
const watchEveryMs = 5_000;
const mostUnanswered = 4;
/** From its first moment until it serves. It takes a second or two, and waits for others on a machine that starts 64. */
const longestStartMs = 120_000;
/** A worker cuts off what is still open after 30 s by itself. */
const longestEndMs = 40_000;

export function createSupervisor(needs: Needs): Supervisor {
  const { workers: count, fork, postOf, counters, log, now, addUp, describe } = needs;
  const all = new Set<Worker>();
  /** Who holds each place now; a replacement takes it once it serves. */
  const holders = new Map<number, Worker>();
  const deaths = new Map<number, number>();
  let timers: NodeJS.Timeout[] = [];
  let retired: MetricsPart = [];
  let retiring: Promise<void> = Promise.resolve();
  let restarts = 0;
  let isStarted = false;
  let isStopping = false;
  let restarting: Promise<void> | undefined;
  let isAskedAgain = false;

  function others(self: Worker): Worker[] {
    return [...all].filter((worker) => worker !== self && worker.isJoined);
  }

  function startWorker(place: number): Worker {
    const process = fork();
    const serving = Promise.withResolvers<string>();
    serving.promise.catch(() => undefined);
    const calls: SupervisorCalls = {
      join() {
        worker.isJoined = true;
        return postOf(place);
      },
      serving(address) {
        worker.servingSince = now();
        serving.resolve(address);
      },
      cannotStart(failure) {
        worker.failure = failure;
      },
      async spread(changes: readonly Change[]) {
        await Promise.all(others(worker).map((other) => tell(other, changes)));
      },
      async collect(own) {
        // The page it writes shows this, so it stays counted should the worker be killed before anybody else asks it.
        worker.metrics = own;
        await Promise.all(others(worker).map(askForReport));
        await untilRetired();
        // Who ended while the others were asked is among the retired now, and would count twice.
        const parts = others(worker).map(({ metrics }) => metrics ?? []);
        return [...parts, retired, await describe(restarts)];
      },
      leave(metrics) {
        worker.isLeaving = true;
        worker.metrics = metrics;
      },
      ...createCountingCalls(counters),
    };
    const worker: Worker = {
      place,
      process,
      link: openLink<WorkerCalls>(process.endpoint, { ...calls }),
      serving: serving.promise,
      isJoined: false,
      isSilent: false,
      servingSince: undefined,
      isLeaving: false,
      failure: undefined,
      metrics: undefined,
    };
    all.add(worker);
    const stopWatching = watch(worker);
    void process.ended.then((ending) => {
      stopWatching();
      all.delete(worker);
      worker.link.close();
      serving.reject(asStartupError(worker, ending));
      keepCounted(worker);
      if (holders.get(place) === worker) replaceDead(worker, ending);
    });
    return worker;
  }

  /** Kills a worker that hangs, so that another takes its place. @returns what ends the watch */
  function watch(worker: Worker): () => void {
    const { place, process, link, serving } = worker;
    const late = setTimeout(() => {
      const message = `It did not serve within ${longestStartMs / 1000} s.`;
      worker.failure ??= { status: exitStatus.unavailable, message };
      process.kill('SIGKILL');
    }, longestStartMs).unref();
    serving.then(
      () => clearTimeout(late),
      () => undefined,
    );
    const stopAsking = watchForSilence({
      everyMs: watchEveryMs,
      mostUnanswered,
      // A start may take longer than this on a machine that starts many: until it serves only the time for its start counts.
      ask: async () => {
        if (worker.servingSince === undefined) return;
        await link.ask(watchEveryMs * mostUnanswered, 'answer');
        worker.isSilent = false;
      },
      onSilent(silentMs) {
        log.error(
          { worker: place, pid: process.pid, silentMs },
          `Worker ${place} has not answered for ${silentMs / 1000} s: it hangs, and is killed.`,
        );
        process.kill('SIGKILL');
      },
    });
    return () => {
      clearTimeout(late);
      stopAsking();
    };
  }

  /** Resolves when it has heard, or after a second. Who let somebody wait once is not waited for until it answers again. */
  async function tell(other: Worker, changes: readonly Change[]): Promise<void> {
    const heard = other.link.ask(longestHearingMs, 'hear', changes).then(
      () => {
        other.isSilent = false;
      },
      () => {
        other.isSilent = true;
      },
    );
    if (!other.isSilent) await heard;
  }

  /** What an ended worker counted stays counted: a sum that falls would be taken for a restart of everything. */
  function keepCounted({ metrics }: Worker): void {
    if (metrics === undefined) return;
    retiring = retiring
      .then(async () => {
        retired = await addUp([retired, metrics]);
      })
      .catch((error: unknown) => log.error({ err: error }, 'The metrics of an ended worker are lost.'));
  }

  /** Resolves when everybody who has ended by then is among the retired. */
  async function untilRetired(): Promise<void> {
    let last: Promise<void>;
    do {
      last = retiring;
      await last;
    } while (last !== retiring);
  }

  async function askForReport(worker: Worker): Promise<void> {
    try {
      worker.metrics = await worker.link.ask(longestReportMs, 'report');
    } catch {
      // Too busy, or just gone: what it said last is closer to the truth than nothing.
    }
  }

  /** Somebody who held a place is gone without a successor. */
  function replaceDead(worker: Worker, ending: Ending): void {
    const { status, signal } = ending;
    const { place, process, servingSince } = worker;
    holders.delete(place);
    if (isStopping || !isStarted) return;
    const livedMs = servingSince === undefined ? 0 : now() - servingSince;
    const before = livedMs >= settledMs ? 0 : (deaths.get(place) ?? 0);
    const isOrderly = worker.isLeaving && status === 0;
    deaths.set(place, isOrderly ? before : before + 1);
    const delayMs = isOrderly ? 0 : Math.min(longestBackOffMs, firstBackOffMs * 2 ** before);
    const about = {
      worker: place,
      pid: process.pid,
      status,
      signal,
      reason: worker.failure?.message ?? ending.reason,
    };
    if (isOrderly) log.info(about, 'A worker was asked to end and has; another takes its place.');
    else
      log.error({ ...about, restartInMs: delayMs }, `${endingInWords(worker, ending)} It is started again.`);
    restarts += 1;
    const timer = setTimeout(() => {
      timers = timers.filter((each) => each !== timer);
      if (!isStopping && !holders.has(place)) holders.set(place, startWorker(place));
    }, delayMs);
    timers.push(timer);
  }

  /** Ends a worker that nobody else needs to wait for; cuts it off when it takes too long. */
  async function end(worker: Worker, how: 'retire' | 'drain'): Promise<void> {
    worker.isLeaving = true;
    const cutOff = setTimeout(() => worker.process.kill('SIGKILL'), longestEndMs);
    // One that does not know us yet has nothing to finish.
    if (worker.isJoined) worker.link.ask(longestHearingMs, how).catch(() => undefined);
    else worker.process.kill('SIGKILL');
    await worker.process.ended;
    clearTimeout(cutOff);
  }

  async function replaceAll(): Promise<void> {
    let dead = 0;
    for (let place = 0; place < count && !isStopping; place += 1) {
      const old = holders.get(place);
      if (old === undefined) {
        // On its way back by itself.
        dead += 1;
        continue;
      }
      const successor = startWorker(place);
      try {
        await successor.serving;
      } catch (error) {
        if (isStopping) return;
        log.error(
          { err: error, worker: place },
          'The new worker did not start: the rolling restart is given up.',
        );
        return;
      }
      // It may have died meanwhile, and then its place has been filled or will be.
      const current = holders.get(place);
      holders.set(place, successor);
      if (current !== undefined) await end(current, 'retire');
    }
    if (isStopping) return;
    if (dead === 0) log.info({ workers: count }, 'Every worker was replaced.');
    else
      log.info(
        { workers: count, dead },
        'Every worker was replaced but those that are started again anyway.',
      );
  }

  async function restartUntilQuiet(): Promise<void> {
    do {
      isAskedAgain = false;
      await replaceAll();
    } while (isAskedAgain && !isStopping);
    restarting = undefined;
  }

  return {
    async start() {
      // The first alone: what keeps it from starting is said once.
      const first = startWorker(0);
      holders.set(0, first);
      const address = await first.serving;
      // Those that are started now nobody would end.
      if (isStopping) throw new StartupError(exitStatus.unavailable, 'It was ended while it started.');
      for (let place = 1; place < count; place += 1) holders.set(place, startWorker(place));
      await Promise.all([...holders.values()].map(({ serving }) => serving));
      isStarted = true;
      for (let place = 0; place < count; place += 1) {
        if (!holders.has(place)) holders.set(place, startWorker(place));
      }
      return address;
    },
    restart() {
      if (restarting !== undefined) isAskedAgain = true;
      restarting ??= restartUntilQuiet();
      return restarting;
    },
    async stop() {
      isStopping = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all([...all].map((worker) => end(worker, 'drain')));
    },
  };
}

function endingInWords({ failure, place }: Worker, { status, signal, reason }: Ending): string {
  if (failure !== undefined) return `Worker ${place} could not start: ${failure.message}`;
  if (reason !== undefined) return `Worker ${place} could not be made (${reason}).`;
  return signal === null
    ? `Worker ${place} ended with status ${status}.`
    : `Worker ${place} was killed by ${signal}.`;
}

function asStartupError(worker: Worker, ending: Ending): StartupError {
  const known = Object.values(exitStatus).find((each) => each === worker.failure?.status);
  const message = worker.failure?.message ?? endingInWords(worker, ending);
  return new StartupError(known ?? exitStatus.unavailable, message);
}
