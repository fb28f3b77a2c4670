/** The delivery engine: claims what is due, attempts it, and writes down what came of it, all of it side by side. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import { Problem } from '../problem.ts';
import {
  type Claim,
  claimDeliveries,
  dropDeliveries,
  dropHomelessDeliveries,
  releaseClaims,
  selectEventTexts,
} from './claims.sql.ts';
import { composeBody } from './message.ts';
import { type Answer, judge, type Outcome } from './outcome.ts';
import type { Poster } from './post.ts';
import { createResultWriter } from './result-writer.ts';
import { type AddressNews, type Result, writeResults } from './results.sql.ts';
import { signMessage } from './signature.ts';

export interface DeliveryEngine {
  /** Something may be due: look now rather than at the next turn. */
  wake(): void;
  /** Claims no more, waits for what is under way, and leaves the rest to the next worker. */
  close(): Promise<void>;
  readonly underWay: number;
}

export type DeliveryOutcome = Outcome['kind'] | 'superseded';

interface Needs {
  database: Database;
  poster: Poster;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  /** Attempts at once. */
  concurrency: number;
  onAttempt: (outcome: DeliveryOutcome, answer: Answer) => void;
  /** The database failed; told once until it works again. */
  onFailure: (error: unknown) => void;
}

/** Attempts of one organization at once: before others come first, and at most. */
const share = 4;
const most = 32;

/** Longer than an attempt may take and its result may wait. */
const leaseMs = 30_000;

/** An address with this many failures in a row is left alone for a while, and then tried with one delivery. */
const breakerThreshold = 10;
const breakerOpenMs = 30_000;

/** Looked for work at least this often: what wakes us may get lost, and retries fall due by themselves. */
const pollMs = 500;
const failedPollMs = 1_000;
/** Results are kept for a database that is away for so long; then their leases end. */
const keepResultsMs = 20_000;
/** Until we ask again for what another worker is just claiming, or somebody keeps locked for hours. */
const lockedPauseMs = 50;
const homelessAtOnce = 1_000;

/** In place of a request id, for whoever reads pg_stat_activity. */
const statementOrigin = 'deliveries';

/**
 * Any text may be a type. What a header cannot hold is percent-encoded, blanks at its ends too, and so is the percent sign:
 * whoever decodes it has the type again.
 */
function toHeaderText(text: string): string {
  return text.toWellFormed().replaceAll(/[^\x20-\x7e]|%|^ +| +$/gu, (part) => encodeURIComponent(part));
}

/** Starts to deliver. */
export function startDeliveryEngine(needs: Needs): DeliveryEngine {
  const { database, poster, clock, concurrency } = needs;
  // Planned at every turn: a plan that was made while the tables were small would read all of a flood.
  const sql = database.forRequest(statementOrigin);
  const writer = createResultWriter(writeWhenPossible);
  const underWay = new Map<string, number>();
  let busy = 0;
  let isClosing = false;
  let isWoken = false;
  let hasFailed = false;
  /** Results cannot be written: what is delivered now would come once more. */
  let isHeldBack = false;
  /** Leases of claims whose answer was lost, with the time by which they end by themselves. */
  const unanswered = new Map<string, number>();
  let rouse: () => void = () => undefined;
  let idle: () => void = () => undefined;

  function wake(): void {
    isWoken = true;
    rouse();
  }

  function fail(error: unknown): void {
    if (!hasFailed && !isClosing) needs.onFailure(error);
    hasFailed = true;
  }

  /** A full disk refuses them and lets claims pass; a database that died is back in seconds. */
  async function writeWhenPossible(results: readonly Result[], news: readonly AddressNews[]) {
    const triedSince = performance.now();
    for (;;) {
      const now = clock();
      const openUntil = new Date(now.getTime() + breakerOpenMs);
      try {
        const breaker = { now, threshold: breakerThreshold, openUntil };
        const counted = await writeResults(sql, results, news, breaker);
        isHeldBack = false;
        return counted;
      } catch (error) {
        isHeldBack = error instanceof Problem && performance.now() - triedSince < keepResultsMs;
        if (!isHeldBack || isClosing) throw error;
        fail(error);
        await wait(failedPollMs);
      }
    }
  }

  async function pause(milliseconds: number): Promise<void> {
    if (isWoken) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    rouse = resolve;
    const timer = setTimeout(resolve, milliseconds);
    await promise;
    clearTimeout(timer);
  }

  /** @returns the end of a lease, and by its microseconds one that no other claim has */
  function newLease(now: Date): string {
    const microseconds = Math.floor(needs.random() * 1_000);
    const end = new Date(now.getTime() + leaseMs).toISOString();
    return end.replace('Z', `${String(microseconds).padStart(3, '0')}Z`);
  }

  async function claimWithTexts(free: number) {
    const now = clock();
    const lease = newLease(now);
    const probingUntil = new Date(now.getTime() + breakerOpenMs);
    const spare = Math.max(0, Math.floor(concurrency / 2) - busy);
    try {
      const room = { free, spare, share, most, underWay };
      const { claims, chosen } = await claimDeliveries(sql, now, { lease, probingUntil }, room);
      const ids = claims.map(({ eventId }) => eventId);
      return { claims, chosen, texts: ids.length === 0 ? [] : await selectEventTexts(sql, ids) };
    } catch (error) {
      // They may be claimed all the same, or be about to: nobody attempts them before the lease ends.
      unanswered.set(lease, performance.now() + leaseMs);
      throw error;
    }
  }

  /** Once would not do: a statement that was given up may be carried out later. */
  async function releaseUnanswered(): Promise<void> {
    if (unanswered.size === 0) return;
    if ((await releaseClaims(sql, clock(), [...unanswered.keys()])) > 0) isWoken = true;
    const nowMs = performance.now();
    for (const [lease, endsAt] of unanswered) if (endsAt < nowMs) unanswered.delete(lease);
  }

  /** @returns whether there may be more to claim at once */
  async function claim(): Promise<boolean> {
    isWoken = false;
    const free = concurrency - busy;
    if (free <= 0) return false;
    const { claims, chosen, texts } = await claimWithTexts(free);
    if (claims.length === 0) {
      // Others have them locked, and may have left something else.
      if (chosen > 0) await pause(lockedPauseMs);
      return chosen > 0;
    }
    const bodies = new Map(texts.map((event) => [event.id, { type: event.type, body: composeBody(event) }]));
    const lost: string[] = [];
    for (const each of claims) {
      const message = bodies.get(each.eventId);
      if (message === undefined) lost.push(each.eventId);
      else void deliver(each, message);
    }
    if (lost.length > 0) await dropDeliveries(sql, lost);
    return claims.length < chosen;
  }

  async function deliver(claimed: Claim, message: { type: string; body: string }): Promise<void> {
    const { organizationId } = claimed;
    busy += 1;
    underWay.set(organizationId, (underWay.get(organizationId) ?? 0) + 1);
    try {
      const at = clock();
      const answer = await attempt(claimed, message, at);
      const outcome = judge(answer, claimed.attempts, needs.random());
      const counted = await writer.write({ claim: claimed, at, answer, outcome });
      needs.onAttempt(counted ? outcome.kind : 'superseded', answer);
    } catch (error) {
      // Not written down: the lease ends, and it is delivered once more.
      fail(error);
    } finally {
      busy -= 1;
      const left = (underWay.get(organizationId) ?? 1) - 1;
      if (left === 0) underWay.delete(organizationId);
      else underWay.set(organizationId, left);
      if (busy === 0) idle();
      wake();
    }
  }

  function attempt(
    claimed: Claim,
    { type, body }: { type: string; body: string },
    at: Date,
  ): Promise<Answer> {
    const { eventId, address, secret, previousSecret } = claimed;
    const secrets = previousSecret === null ? [secret] : [secret, previousSecret];
    return poster.post(
      address,
      {
        'content-type': 'application/json',
        'user-agent': 'IronTrack-Webhooks',
        ...signMessage({ id: eventId, at, body }, secrets),
        'x-event-id': eventId,
        'x-event-type': toHeaderText(type),
      },
      body,
    );
  }

  async function run(): Promise<void> {
    let lastSweepAt = Number.NEGATIVE_INFINITY;
    while (!isClosing) {
      try {
        while (!isClosing && !isHeldBack && (await claim()));
        if (isHeldBack) {
          isWoken = false;
          await pause(failedPollMs);
          continue;
        }
        if (performance.now() - lastSweepAt >= pollMs) {
          await releaseUnanswered();
          while (
            !isClosing &&
            (await dropHomelessDeliveries(sql, clock(), homelessAtOnce)) === homelessAtOnce
          );
          lastSweepAt = performance.now();
        }
        hasFailed = false;
        await pause(pollMs);
      } catch (error) {
        fail(error);
        isWoken = false;
        await pause(failedPollMs);
      }
    }
  }

  const running = run();

  return {
    wake,
    get underWay() {
      return busy;
    },
    async close() {
      isClosing = true;
      wake();
      await running;
      const { promise, resolve } = Promise.withResolvers<void>();
      idle = resolve;
      if (busy > 0) await promise;
      poster.close();
    },
  };
}
