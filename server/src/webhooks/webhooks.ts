/** Webhooks: delivers the events of organizations to their addresses, and shows how that goes. */
import type {
  AttemptPage,
  AttemptQuery,
  DeliveryPage,
  DeliveryQuery,
  EventSummaryPage,
  EventSummaryQuery,
  ReplayOrder,
} from '@irontrack/contract/webhooks.ts';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { Events } from '../events/events.ts';
import type { Caller } from '../http/guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { type DeliveryEngine, type DeliveryOutcome, startDeliveryEngine } from './delivery-engine.ts';
import { createHostResolver } from './host-names.ts';
import { createPoster } from './post.ts';
import {
  announceDeliveries,
  type Backlog,
  countAttempts,
  countDeliveries,
  selectAttempts,
  selectBacklog,
  selectBreaker,
  selectDeliveries,
  selectEventSummaries,
} from './webhooks.sql.ts';

export interface Webhooks {
  /** Delivers in this process from now on. */
  start(): void;
  /** There are deliveries to be made, as of a commit: tells the workers, here and elsewhere. */
  announceDue(): void;
  /** As `announceDue`, heard from another process. */
  wake(): void;
  listAttempts(organizationId: string, query: AttemptQuery, source: RequestSource): Promise<AttemptPage>;
  /** What waits to be delivered, the next first. */
  listDeliveries(organizationId: string, query: DeliveryQuery, source: RequestSource): Promise<DeliveryPage>;
  /** The events of an organization, newest first, without their payloads. */
  listEvents(
    organizationId: string,
    query: EventSummaryQuery,
    source: RequestSource,
  ): Promise<EventSummaryPage>;
  readBacklog(): Promise<Backlog>;
  /** Attempts that this process is making. */
  readonly underWay: number;
  /** Claims no more and waits for what is under way. */
  close(): Promise<void>;
}

interface Needs {
  database: Database;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  /** Attempts at once. */
  concurrency: number;
  /** May addresses lead to this machine and its network? */
  allowPrivate: boolean;
  onAttempt: (outcome: DeliveryOutcome, durationMs: number) => void;
  /** The engine cannot do its work; told once until it can again. */
  onFailure: (error: unknown) => void;
}

/**
 * Between two notifications: all transactions that notify commit one after the other, so ingest must not notify each
 * time.
 */
const announceEveryMs = 50;

export function createWebhooks(needs: Needs): Webhooks {
  const { database, clock, random, concurrency, allowPrivate, onAttempt, onFailure } = needs;
  let engine: DeliveryEngine | undefined;
  let isQuiet = false;
  let isDueAgain = false;

  function notify(): void {
    if (isQuiet) {
      isDueAgain = true;
      return;
    }
    isQuiet = true;
    isDueAgain = false;
    // Not heard, it is found at the next look.
    announceDeliveries(database.sql).catch(() => undefined);
    setTimeout(() => {
      isQuiet = false;
      if (isDueAgain) notify();
    }, announceEveryMs).unref();
  }

  return {
    start() {
      engine ??= startDeliveryEngine({
        database,
        poster: createPoster({ resolve: createHostResolver(allowPrivate), allowPrivate, clock }),
        clock,
        random,
        concurrency,
        onAttempt: (outcome, { durationMs }) => onAttempt(outcome, durationMs),
        onFailure,
      });
    },
    announceDue() {
      engine?.wake();
      notify();
    },
    wake: () => engine?.wake(),
    async listAttempts(organizationId, query, { requestId }) {
      const sql = database.forRequest(requestId);
      const limit = query.pageSize;
      const offset = (query.currentPage - 1) * limit;
      const [items, total] = await Promise.all([
        selectAttempts(sql, organizationId, query, limit, offset),
        countAttempts(sql, organizationId, query),
      ]);
      return { items, limit, offset, total };
    },
    async listDeliveries(organizationId, query, { requestId }) {
      const sql = database.forRequest(requestId);
      const limit = query.pageSize;
      const offset = (query.currentPage - 1) * limit;
      const [items, total, breaker] = await Promise.all([
        selectDeliveries(sql, organizationId, limit, offset),
        countDeliveries(sql, organizationId),
        selectBreaker(sql, organizationId),
      ]);
      return { items, limit, offset, total, ...breaker };
    },
    async listEvents(organizationId, query, { requestId }) {
      const sql = database.forRequest(requestId);
      const found = await selectEventSummaries(sql, organizationId, query, query.pageSize + 1);
      const items = found.slice(0, query.pageSize);
      return { items, nextBefore: found.length > items.length ? (items.at(-1)?.id ?? null) : null };
    },
    readBacklog: () => selectBacklog(database.sql, clock()),
    get underWay() {
      return engine?.underWay ?? 0;
    },
    async close() {
      await engine?.close();
    },
  };
}

/** Replays events of an organization for a superuser, and says so in the audit trail. @returns how many */
export async function replayForSuperuser(
  { database, events, audit }: { database: Database; events: Events; audit: Audit },
  caller: Caller,
  organizationId: string,
  order: ReplayOrder,
  source: RequestSource,
): Promise<number> {
  const { eventId, ...filter } = order;
  const { requestId } = source;
  const { replayed } =
    eventId === undefined
      ? await events.replayMany(organizationId, filter, requestId)
      : await events.replay(organizationId, eventId, requestId);
  const details = { organizationId, replayed, ...order };
  await audit.record(database.forRequest(requestId), source, {
    action: 'events.replayed',
    actorId: caller.user.id,
    details,
  });
  return replayed;
}
