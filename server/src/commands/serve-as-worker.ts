import { readConfig } from '../config.ts';
import { lowerHashPriority } from '../crypto/hash-priority.ts';
import { requireMigrated } from '../database/migrations.ts';
import { isUnavailable } from '../database/unavailable.ts';
import { Problem } from '../problem.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
import type { Lifecycle } from '../system/system.ts';
import { openTelemetry } from '../telemetry/telemetry.ts';
import { LinkError, openLink } from '../workers/link.ts';
import { createLinkedCounters } from '../workers/linked-counters.ts';
import type { StartFailure, SupervisorCalls, WorkerCalls } from '../workers/messages.ts';
import { createSiblings } from '../workers/siblings.ts';
import type { Command } from './command.ts';
import { idleMs, openService, releaseConnections } from './serving.ts';

/** The supervisor may be busy with other starts. */
const longestAskMs = 10_000;

export const serveAsWorker: Command = {
  summary: 'One of the serving processes that serve starts with WORKERS above 1.',
  options: {},
  isInternal: true,
  async run(_values, context) {
    const { supervisor } = context;
    if (supervisor === undefined) {
      throw new StartupError(
        exitStatus.wrongUsage,
        'Only serve starts this. Run irontrack serve with WORKERS.',
      );
    }
    const signal = context.untilSignal(() => undefined);
    const retiring = Promise.withResolvers<void>();
    const draining = Promise.withResolvers<void>();
    const lifecycle: Lifecycle = { state: 'starting' };
    let hear: WorkerCalls['hear'] = () => undefined;
    let report: WorkerCalls['report'] = async () => [];
    const calls: WorkerCalls = {
      answer: () => undefined,
      hear: (changes) => hear(changes),
      report: () => report(),
      retire: () => retiring.resolve(),
      drain() {
        lifecycle.state = 'draining';
        draining.resolve();
      },
    };
    const link = openLink<SupervisorCalls>(supervisor, { ...calls });
    const closers: (() => Promise<void>)[] = [];
    let isServing = false;
    try {
      const post = await link.ask(longestAskMs, 'join');
      const config = readConfig(context.environment, false);
      const own = {
        ...config,
        hashing: { ...config.hashing, concurrency: post.hashConcurrency },
      };
      const telemetry = await openTelemetry({ ...config.log, fd: 1, sharesFd: true });
      closers.unshift(telemetry.close);
      const { place, database } = post;
      await requireMigrated(database.directAddress);
      const siblings = createSiblings(link);
      const counters = createLinkedCounters(link, () => performance.now());
      const settings = { config: own, database, telemetry, siblings, counters, place };
      const { service, address } = await openService(settings, lifecycle, (close) => closers.unshift(close));
      hear = (changes) => {
        for (const [topic, id] of changes) service.forget(topic, id);
      };
      report = () => telemetry.metrics.report();
      if (lifecycle.state === 'starting') lifecycle.state = 'serving';
      isServing = true;
      await link.ask(longestAskMs, 'serving', address);
      await lowerHashPriority();
      await service.warmUp();
      // Asked alone, by the supervisor or by hand, it hands its connections over first; with all others there is nobody.
      const asked = Promise.race([retiring.promise, signal]);
      await Promise.race([asked.then(() => releaseConnections(service, idleMs)), draining.promise]);
      await link.ask(longestAskMs, 'leave', await telemetry.metrics.report());
    } catch (error) {
      if (isServing || error instanceof LinkError) throw error;
      const failure = asStartFailure(error);
      await link.ask(longestAskMs, 'cannotStart', failure).catch(() => undefined);
      // What an operator can act on is said by the supervisor alone.
      if (failure.status === faultOfOurs) throw error;
    } finally {
      for (const close of closers) await close();
    }
    context.exit();
  },
};

/** The status of a process that Node ends because of an error. */
const faultOfOurs = 1;

function asStartFailure(error: unknown): StartFailure {
  if (error instanceof StartupError) return { status: error.status, message: error.message };
  // A worker that died is started again during an outage too.
  if (error instanceof Problem && error.code === 'database-unavailable') return databaseAway(error.cause);
  return isUnavailable(error) ? databaseAway(error) : { status: faultOfOurs, message: messageOf(error) };
}

function databaseAway(cause: unknown): StartFailure {
  return { status: exitStatus.unavailable, message: `The database is away (${messageOf(cause)}).` };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
