/** Events of organizations: stored once, kept as they came, read from the inbox, acknowledged, replayed. */
import {
  type Acknowledgement,
  type Acknowledgements,
  fullPageBytes,
  type InboxQuery,
  type Replayed,
  type ReplayFilter,
} from '@irontrack/contract/events.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { Reads } from '../database/replica.ts';
import type { Sql } from '../database/sql.ts';
import { formats } from '../http/formats.ts';
import { Problem, ValidationProblem } from '../problem.ts';
import { createEventIds, type EventIdentity, lowestIdAt } from './event-ids.ts';
import { type EventInput, hashContent } from './event-input.ts';
import { writeDetails, writeLeased, writePage } from './event-json.ts';
import {
  acknowledgeEvents,
  countInbox,
  findEvent,
  leaseEvents,
  lockLeases,
  selectAttempts,
  selectFinished,
} from './inbox.sql.ts';
import { readInboxCursor, writeInboxCursor } from './inbox-cursor.ts';
import { readInboxPage } from './inbox-page.ts';
import { createIngest, type FlushReport, type IngestLimits, type IngestOutcome } from './ingest.ts';
import { deleteExpired, dropOldPartitions, makePartitions } from './partitions.ts';
import { replayEvents, selectReplayable } from './replay.sql.ts';

export interface Events {
  /**
   * Takes an event in; `settle` hears of it once, after the commit or when it failed.
   *
   * @returns who the event is, or the problem when it is refused at once; `settle` is not called then
   */
  post(
    organizationId: string,
    input: EventInput,
    settle: (outcome: IngestOutcome, event: EventIdentity) => void,
  ): Problem | undefined;
  /** A page of the inbox as JSON. @throws ValidationProblem for a cursor that is none of this list */
  readInbox(organizationId: string, query: InboxQuery, requestId: string): Promise<string>;
  /** The oldest unacknowledged events as JSON, hidden from other leases. */
  lease(organizationId: string, limit: number, seconds: number, requestId: string): Promise<string>;
  /** @throws Problem `event-not-found`, also for an event of another organization */
  acknowledge(organizationId: string, eventId: string, requestId: string): Promise<Acknowledgement>;
  acknowledgeMany(
    organizationId: string,
    eventIds: readonly string[],
    requestId: string,
  ): Promise<Acknowledgements>;
  /** One event with its attempts as JSON. @throws Problem `event-not-found` */
  read(organizationId: string, eventId: string, requestId: string): Promise<string>;
  /** @throws Problem `event-not-found` */
  replay(organizationId: string, eventId: string, requestId: string): Promise<Replayed>;
  replayMany(organizationId: string, filter: ReplayFilter, requestId: string): Promise<Replayed>;
  /** Makes the partitions that are needed soon. */
  prepare(): Promise<void>;
  /** Drops what is older than the retention. */
  dropOld(olderThan: Date): Promise<void>;
  /** Forgets dedup ids and leases whose time is over. */
  tidy(): Promise<void>;
  /** Resolves when every event that was taken in is settled. */
  drain(): Promise<void>;
  /** Events taken in and not settled yet. */
  readonly depth: number;
}

interface Needs {
  database: Database;
  /** For pages of the inbox. */
  reads: Reads;
  clock: Clock;
  randomBytes: (size: number) => Buffer;
  /** A monotonic clock in milliseconds. */
  now: () => number;
  ingest: IngestLimits;
  onFlush: (report: FlushReport) => void;
  /** There are deliveries to be made, as of a commit. */
  onDeliveries: () => void;
}

/** A worker on another machine may think it is earlier than it was when the event came. */
const clockSkewMs = 60_000;

const replayedAtOnce = 2_000;

export function createEvents({
  database,
  reads,
  clock,
  randomBytes,
  now,
  ingest: limits,
  onFlush,
  onDeliveries,
}: Needs): Events {
  const identify = createEventIds(clock, randomBytes);
  const ingest = createIngest({ sql: database.sql, limits, now, onFlush, onDeliveries });

  async function readAcknowledged(
    sql: Sql,
    organizationId: string,
    eventIds: readonly string[],
  ): Promise<Map<string, string>> {
    const at = clock();
    const known = eventIds.filter(formats.uuid).map((id) => id.toLowerCase());
    if (known.length === 0) return new Map();
    const acknowledged = new Set(await acknowledgeEvents(sql, organizationId, known, at));
    const times = new Map([...acknowledged].map((id) => [id, at.toISOString()]));
    const others = known.filter((id) => !acknowledged.has(id));
    if (others.length === 0) return times;
    for (const { id, finishedAt } of await selectFinished(sql, organizationId, others)) {
      times.set(id, (finishedAt ?? at).toISOString());
    }
    return times;
  }

  async function replayIds(sql: Sql, organizationId: string, eventIds: readonly string[]): Promise<number> {
    const { replayed, deliveries } = await replayEvents(sql, organizationId, eventIds, clock());
    if (deliveries > 0) onDeliveries();
    return replayed;
  }

  return {
    post(organizationId, input, settle) {
      const { id, createdAt } = identify();
      const { type, payload, dedupId } = input;
      const contentHash = dedupId === null ? null : hashContent(input);
      const event = { id, organizationId, type, payload, dedupId, contentHash, createdAt };
      return ingest.add(event, (outcome) => settle(outcome, event));
    },

    async readInbox(organizationId, { limit, cursor, status, offset }, requestId) {
      if (cursor !== undefined && offset !== undefined && offset > 0) {
        const message = 'Is of no use beside a cursor; give one of them';
        throw new ValidationProblem([{ type: 'value_error', field: 'offset', message }]);
      }
      const listKey = `${organizationId} ${status ?? 'all'}`;
      const before = cursor === undefined ? undefined : readInboxCursor(cursor, listKey);
      const sql = reads.forRequest(requestId);
      const skipped = offset ?? 0;
      const room = { events: limit, bytes: fullPageBytes };
      const [{ rows, endsAt }, total] = await Promise.all([
        readInboxPage(sql, { organizationId, status, before, offset: skipped }, room),
        offset === undefined ? null : countInbox(sql, organizationId, status),
      ]);
      const nextCursor = endsAt === undefined ? null : writeInboxCursor(endsAt, listKey);
      // Who goes on by `offset + limit` of the answer misses none.
      const given = endsAt === undefined ? limit : rows.length;
      return writePage(rows, { nextCursor, limit: given, offset: skipped, total });
    },

    async lease(organizationId, limit, seconds, requestId) {
      return await database.transaction(requestId, async (tx) => {
        await lockLeases(tx, organizationId);
        const at = clock();
        const until = new Date(at.getTime() + seconds * 1000);
        const room = { events: limit, bytes: fullPageBytes };
        return writeLeased(await leaseEvents(tx, { organizationId, room, now: at, until }), until);
      });
    },

    async acknowledge(organizationId, eventId, requestId) {
      const id = eventId.toLowerCase();
      const times = await readAcknowledged(database.forRequest(requestId), organizationId, [id]);
      const acknowledgedAt = times.get(id);
      if (acknowledgedAt === undefined) throw new Problem('event-not-found');
      return {
        id,
        status: 'delivered',
        acknowledged_at: acknowledgedAt,
        message: 'The event is acknowledged.',
      };
    },

    async acknowledgeMany(organizationId, eventIds, requestId) {
      const times = await readAcknowledged(database.forRequest(requestId), organizationId, eventIds);
      const results = eventIds.map((id) => {
        const at = times.get(id.toLowerCase());
        return at === undefined
          ? ({ id, status: 'not_found', acknowledged_at: null } as const)
          : ({ id, status: 'delivered', acknowledged_at: at } as const);
      });
      const failed = results.filter(({ status }) => status === 'not_found').length;
      return { acknowledged: results.length - failed, failed, results };
    },

    async read(organizationId, eventId, requestId) {
      const sql = database.forRequest(requestId);
      const row = formats.uuid(eventId) ? await findEvent(sql, organizationId, eventId) : undefined;
      if (row === undefined) throw new Problem('event-not-found');
      const since = new Date(row.createdAt.getTime() - clockSkewMs);
      return writeDetails(row, organizationId, await selectAttempts(sql, row.id, since));
    },

    async replay(organizationId, eventId, requestId) {
      const sql = database.forRequest(requestId);
      const replayed = formats.uuid(eventId)
        ? await replayIds(sql, organizationId, [eventId.toLowerCase()])
        : 0;
      if (replayed === 0) throw new Problem('event-not-found');
      return { replayed };
    },

    async replayMany(organizationId, { status, type, since, until }, requestId) {
      const sql = database.forRequest(requestId);
      // Not beyond now: what arrives meanwhile is not replayed.
      const end =
        until === undefined
          ? new Date(clock().getTime() + 1)
          : new Date(Math.min(Date.parse(until), clock().getTime() + 1));
      const scope = {
        organizationId,
        status,
        type,
        fromId: since === undefined ? undefined : lowestIdAt(new Date(since)),
        beforeId: lowestIdAt(end),
      };
      let replayed = 0;
      let afterId: string | undefined;
      do {
        const ids = await selectReplayable(sql, scope, afterId, replayedAtOnce);
        if (ids.length > 0) replayed += await replayIds(sql, organizationId, ids);
        afterId = ids.length < replayedAtOnce ? undefined : ids.at(-1);
      } while (afterId !== undefined);
      return { replayed };
    },

    prepare: () => makePartitions(database.sql, clock()),
    dropOld: (olderThan) => dropOldPartitions(database.sql, olderThan),
    tidy: () => deleteExpired(database.sql, clock()),
    drain: ingest.drain,
    get depth() {
      return ingest.depth;
    },
  };
}

/** What an event that was not stored is answered with. */
export function outcomeProblem(outcome: Exclude<IngestOutcome, { kind: 'stored' }>): unknown {
  if (outcome.kind === 'failed') return outcome.error;
  const { eventId, isSameContent } = outcome;
  const sentence = isSameContent
    ? `This event is stored already, as ${eventId}.`
    : `Another event is stored under this dedup_id, ${eventId}, with another type or payload.`;
  return new Problem('event-repeated', sentence, {
    members: { event_id: eventId, payload_mismatch: !isSameContent },
  });
}
