/**
 * The ingest coalescer: events of many requests become one statement, and each request is answered after the commit
 * that holds its event. There is no wait for a batch to fill: whatever is there when a flusher is free goes.
 */
import type { Sql } from '../database/sql.ts';
import { Problem } from '../problem.ts';
import { type DedupMark, insertEvents, type NewEvent, selectDedupMarks } from './ingest.sql.ts';

export type IngestOutcome =
  | { readonly kind: 'stored' }
  /** Its dedup id belongs to another event. */
  | { readonly kind: 'duplicate'; readonly eventId: string; readonly isSameContent: boolean }
  /** Not acknowledged; whether it is stored is not known when the database was lost. */
  | { readonly kind: 'failed'; readonly error: unknown };

export interface IngestLimits {
  /** Statements at once. */
  flushers: number;
  /** Rows of a statement at most, and the size of their payloads. */
  batchRows: number;
  batchBytes: number;
  /** Events held in memory at most, and the size of their payloads; one more is refused. */
  queueRows: number;
  queueBytes: number;
}

export interface FlushReport {
  rows: number;
  stored: number;
  duplicates: number;
  durationMs: number;
}

export interface Ingest {
  /**
   * Queues an event; `settle` is called once, after the commit or when it failed.
   *
   * @returns the problem to answer with when the event is refused; `settle` is not called then
   */
  add(event: NewEvent, settle: (outcome: IngestOutcome) => void): Problem | undefined;
  /** Resolves when every event that was queued is settled. */
  drain(): Promise<void>;
  /** Events held now: queued, or in a statement that runs. */
  readonly depth: number;
}

interface IngestSettings {
  sql: Sql;
  limits: IngestLimits;
  /** A monotonic clock in milliseconds. */
  now: () => number;
  onFlush: (report: FlushReport) => void;
  /** There are new deliveries, as of a commit. */
  onDeliveries: () => void;
}

interface Held {
  readonly event: NewEvent;
  readonly settle: (outcome: IngestOutcome) => void;
  readonly queuedAtMs: number;
  /** Came later in the same batch with the same dedup id. */
  followers: Held[] | undefined;
}

/** A statement whose end is not known is run again until its oldest event has waited so long. */
const longestWaitMs = 10_000;
const firstPauseMs = 50;
const longestPauseMs = 500;
/** Away for so long, it is no single connection that broke: new events are refused at once, rather than kept waiting. */
const awayMs = 200;

export function createIngest(settings: IngestSettings): Ingest {
  const { sql, limits, now, onFlush, onDeliveries } = settings;
  let queue: Held[] = [];
  /** Rows before this one are taken. */
  let head = 0;
  let heldRows = 0;
  let heldBytes = 0;
  let running = 0;
  let isScheduled = false;
  let awaySinceMs: number | undefined;
  let idle: (() => void)[] = [];

  function schedule(): void {
    if (isScheduled || running >= limits.flushers) return;
    isScheduled = true;
    // Everything that is read from the sockets in this turn of the loop goes along.
    setImmediate(start);
  }

  function start(): void {
    isScheduled = false;
    while (running < limits.flushers && head < queue.length) {
      running += 1;
      flush(takeBatch()).then(finish, finish);
    }
  }

  function finish(): void {
    running -= 1;
    start();
    if (running > 0) return;
    for (const resolve of idle) resolve();
    idle = [];
  }

  /** The next rows, each dedup id once; those that repeat one follow the first. */
  function takeBatch(): Held[] {
    const batch: Held[] = [];
    const leaders = new Map<string, Held>();
    let bytes = 0;
    while (head < queue.length && batch.length < limits.batchRows) {
      const next = queue[head];
      if (next === undefined) break;
      const size = next.event.payload.length;
      if (batch.length > 0 && bytes + size > limits.batchBytes) break;
      head += 1;
      const key = dedupKey(next.event);
      const leader = key === undefined ? undefined : leaders.get(key);
      if (leader !== undefined) {
        leader.followers ??= [];
        leader.followers.push(next);
        continue;
      }
      if (key !== undefined) leaders.set(key, next);
      batch.push(next);
      bytes += size;
    }
    if (head === queue.length || head > 4096) {
      queue = queue.slice(head);
      head = 0;
    }
    return leaders.size > 1 ? batch.sort(byDedupId) : batch;
  }

  async function flush(batch: readonly Held[]): Promise<void> {
    const startedAtMs = now();
    let originals: Originals;
    try {
      originals = await store(batch);
    } catch (error) {
      await divide(batch, error);
      return;
    }
    const duplicates = originals.size;
    const rows = batch.length;
    onFlush({ rows, stored: rows - duplicates, duplicates, durationMs: now() - startedAtMs });
    for (const held of batch) {
      const original = originals.get(held.event.id);
      if (original === undefined) settleStored(held);
      else settleDuplicate(held, original);
    }
  }

  /** @returns the events that were not stored, by id, with what their dedup id stands for */
  async function store(batch: readonly Held[]): Promise<Originals> {
    const events = batch.map(({ event }) => event);
    const { duplicates, deliveries } = await insertUntilAnswered(batch, events);
    if (deliveries > 0) onDeliveries();
    if (duplicates.length === 0) return noOriginals;
    const wanted = new Set(duplicates);
    const asked = events.filter(({ id }) => wanted.has(id));
    let find: (event: NewEvent) => Original;
    try {
      const marks = new Map((await selectDedupMarks(sql, asked)).map((mark) => [dedupKey(mark), mark]));
      find = (event) => marks.get(dedupKey(event)) ?? 'expired';
    } catch (error) {
      // The rest of the batch is stored, whatever becomes of this question.
      const unanswered = { kind: 'failed', error } as const;
      find = () => unanswered;
    }
    return new Map(asked.map((event) => [event.id, find(event)]));
  }

  /** A batch that PostgreSQL refuses is halved until what is wrong with it stands alone. */
  async function divide(batch: readonly Held[], error: unknown): Promise<void> {
    if (batch.length === 1 || isNoFaultOfIts(error)) {
      for (const held of batch) settleFailed(held, error);
      return;
    }
    const middle = Math.ceil(batch.length / 2);
    await flush(batch.slice(0, middle));
    await flush(batch.slice(middle));
  }

  /** Runs the statement again when its end is not known: with the same ids that does no harm. */
  async function insertUntilAnswered(batch: readonly Held[], events: readonly NewEvent[]) {
    const lastTryMs = Math.min(...batch.map(({ queuedAtMs }) => queuedAtMs)) + longestWaitMs;
    let turn: 'first' | 'again' = 'first';
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      // Those at the end of a long queue: a try takes 5 s while the database is silent, and 26 of them stand in a full one.
      if (awaySinceMs !== undefined && now() > lastTryMs) throw databaseAway();
      try {
        const result = await insertEvents(sql, events, turn);
        awaySinceMs = undefined;
        return result;
      } catch (error) {
        if (!isAway(error)) throw error;
        awaySinceMs ??= now();
        turn = 'again';
        if (now() + pauseMs > lastTryMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  function settleStored(held: Held): void {
    const { event, followers } = held;
    settle(held, stored);
    if (followers === undefined) return;
    const leader = { eventId: event.id, contentHash: event.contentHash };
    for (const follower of followers) settle(follower, duplicateOf(follower.event, leader));
  }

  function settleDuplicate(held: Held, original: Original): void {
    if (original !== 'expired' && 'error' in original) {
      settleFailed(held, original.error);
      return;
    }
    const all = [held, ...(held.followers ?? [])];
    held.followers = undefined;
    // The mark ran out between the two statements: the next turn stores the event.
    if (original === 'expired') queue.push(...all);
    else for (const each of all) settle(each, duplicateOf(each.event, original));
  }

  function settleFailed(held: Held, error: unknown): void {
    const followers = held.followers ?? [];
    held.followers = undefined;
    settle(held, { kind: 'failed', error });
    // Under the same dedup id another content may be fine where the first was not.
    if (!isNoFaultOfIts(error)) queue.push(...followers);
    else for (const follower of followers) settle(follower, { kind: 'failed', error });
  }

  function settle(held: Held, outcome: IngestOutcome): void {
    heldRows -= 1;
    heldBytes -= held.event.payload.length;
    held.settle(outcome);
  }

  return {
    add(event, settle) {
      const nowMs = now();
      // With nothing held nobody would find out that the database is back: this event does.
      if (awaySinceMs !== undefined && nowMs - awaySinceMs > awayMs && heldRows > 0) return databaseAway();
      if (heldRows >= limits.queueRows || heldBytes + event.payload.length > limits.queueBytes) {
        return new Problem('ingest-queue-full', undefined, { headers: { 'retry-after': '1' } });
      }
      heldRows += 1;
      heldBytes += event.payload.length;
      queue.push({ event, settle, queuedAtMs: nowMs, followers: undefined });
      schedule();
      return undefined;
    },
    async drain() {
      if (heldRows === 0) return;
      await new Promise<void>((resolve) => idle.push(resolve));
    },
    get depth() {
      return heldRows;
    },
  };
}

const stored: IngestOutcome = { kind: 'stored' };
/** What the dedup id of an event stands for: nothing any more, another event, or nobody could say. */
type Original = DedupMark | 'expired' | Extract<IngestOutcome, { kind: 'failed' }>;
type Originals = ReadonlyMap<string, Original>;
const noOriginals: Originals = new Map();

function duplicateOf(
  event: NewEvent,
  original: { eventId: string; contentHash: string | null },
): IngestOutcome {
  const isSameContent = event.contentHash === original.contentHash;
  return { kind: 'duplicate', eventId: original.eventId, isSameContent };
}

/** An id of an organization has always the same length, so this is no other pair's key. */
function dedupKey({ organizationId, dedupId }: Pick<NewEvent, 'organizationId' | 'dedupId'>) {
  return dedupId === null ? undefined : organizationId + dedupId;
}

/** By code units: the order is nobody's but PostgreSQL's locks', and has to be the same everywhere. */
function byDedupId({ event: a }: Held, { event: b }: Held): number {
  const [left, right] = [dedupKey(a) ?? '', dedupKey(b) ?? ''];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function isAway(error: unknown): boolean {
  return error instanceof Problem && error.code === 'database-unavailable';
}

/** The database was away or had no connection free: halving the batch would only ask, and wait, once more for each half. */
function isNoFaultOfIts(error: unknown): boolean {
  return error instanceof Problem;
}

function databaseAway(): Problem {
  return new Problem('database-unavailable', undefined, { headers: { 'retry-after': '1' } });
}
