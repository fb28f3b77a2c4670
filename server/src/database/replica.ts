/**
 * Reads that may be made on a replica, and never see less there than they would on the primary: each asks the primary how
 * far its log is, and the replica whether it has come as far. So whoever wrote sees what was written, through any node,
 * and a page that is kept is as new as one from the primary. See docs/decisions/0014-replica-reads.md.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Database } from './database.ts';
import { readFlushed, readPrimary, readReplayed, readReplica } from './replica.sql.ts';
import type { Sql } from './sql.ts';

/** Where reads are made that need not see what their own transaction has not committed. */
export type Reads = Pick<Database, 'sql' | 'forRequest'>;

export interface Replica extends Reads {
  /** Begins to look whether the replica can be used; until it can, the primary is read. */
  open(): void;
  readonly isUsed: boolean;
  close(): Promise<void>;
}

interface ReplicaOptions {
  primary: Reads;
  /** The primary too, past any line of lists there: with that full the replica is needed most. */
  position: Sql;
  replica: Database;
  /** A monotonic clock in milliseconds. */
  now: () => number;
  onRead: (from: 'replica' | 'primary') => void;
  /** The replica is not used any more, said once, or it is (again): then there is no reason. */
  onChange: (reason: unknown) => void;
}

/** A read waits this long for the replica at most. Replicas that keep up are a few milliseconds behind. */
const longestWaitMs = 50;
const betweenPollsMs = 2;
/** A replica that was lost is looked at this often. */
const lookEveryMs = 250;
/** A moment behind is not worth a line in the log. */
const toldAfterMs = 2_000;
/** What a replica has replayed it has replayed, unless it was made anew meanwhile, which takes longer than this. */
const positionGoodMs = 1_000;

export function createReplica(options: ReplicaOptions): Replica {
  const { primary, position: positionSql, replica, now, onRead, onChange } = options;
  let isUsed = false;
  let isClosed = false;
  /** Undefined: known to be in use, or nothing is known yet. */
  let told: 'used' | 'lost' | undefined;
  let lostAt = now();
  let looking: NodeJS.Timeout | undefined;
  let replayed = { position: 0n, at: Number.NEGATIVE_INFINITY };
  let isPolling = false;
  const waiters = new Set<{ position: bigint; settle: (hasCome: boolean) => void }>();
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<bigint> | undefined;

  function lose(): void {
    for (const { settle } of waiters) settle(false);
    if (!isUsed) return;
    isUsed = false;
    lostAt = now();
    lookLater();
  }

  function lookLater(): void {
    if (isClosed) return;
    clearTimeout(looking);
    looking = setTimeout(() => void look(), lookEveryMs);
    looking.unref();
  }

  async function look(): Promise<void> {
    try {
      const [ours, theirs] = await Promise.all([readPrimary(positionSql), readReplica(replica.sql)]);
      if (!theirs.isReplica) throw new Error('DATABASE_REPLICA_URL leads to a primary.');
      if (theirs.system !== ours.system) throw new Error('It is the replica of another database.');
      if (!(await hasReplayed(ours.position))) throw new Error('The replica is behind.');
      if (isClosed) return;
      isUsed = true;
      if (told !== 'used') onChange(undefined);
      told = 'used';
    } catch (error) {
      if (isClosed) return;
      if (told !== 'lost' && now() - lostAt >= toldAfterMs) {
        told = 'lost';
        onChange(error);
      }
      lookLater();
    }
  }

  /**
   * How far the log of the primary is, asked after this call: what was committed before is in it. Callers that come while
   * one question is under way share the next.
   *
   * @throws Problem `database-unavailable`, so that nobody waits for a primary that is away twice
   */
  function readWritten(): Promise<bigint> {
    next ??= ask();
    return next;
  }

  async function ask(): Promise<bigint> {
    // A primary that is silent must not hold up those who come later any longer than themselves.
    await Promise.race([underWay, wait(longestWaitMs, undefined, { ref: false })]);
    next = undefined;
    const answer = readFlushed(positionSql);
    underWay = answer.catch(() => undefined);
    return await answer;
  }

  function hasReplayed(position: bigint): Promise<boolean> {
    if (position <= replayed.position && now() - replayed.at < positionGoodMs) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiter.settle(false), longestWaitMs);
      const waiter = {
        position,
        settle(hasCome: boolean) {
          clearTimeout(timer);
          waiters.delete(waiter);
          resolve(hasCome);
        },
      };
      waiters.add(waiter);
      if (!isPolling) void poll();
    });
  }

  async function poll(): Promise<void> {
    isPolling = true;
    try {
      while (waiters.size > 0) {
        const position = await readReplayed(replica.sql);
        replayed = { position, at: now() };
        for (const waiter of waiters) if (waiter.position <= position) waiter.settle(true);
        if (waiters.size > 0) await wait(betweenPollsMs);
      }
    } catch {
      // Away, or not a replica any longer: what is wrong with it the next look says.
      replayed = { position: 0n, at: Number.NEGATIVE_INFINITY };
      lose();
    } finally {
      isPolling = false;
    }
  }

  async function isCurrent(): Promise<boolean> {
    if (!isUsed) return false;
    if (await hasReplayed(await readWritten())) return true;
    lose();
    return false;
  }

  function readingFrom(there: Sql, here: Sql): Sql {
    return async <Row extends object>(...statement: Parameters<Sql>) => {
      if (await isCurrent()) {
        try {
          const rows = await there<Row>(...statement);
          onRead('replica');
          return rows;
        } catch {
          // Away, or broken off because it had to replay what the read still needed. Reading again harms nothing.
          lose();
        }
      }
      onRead('primary');
      return await here<Row>(...statement);
    };
  }

  return {
    sql: readingFrom(replica.sql, primary.sql),
    forRequest: (requestId) => readingFrom(replica.forRequest(requestId), primary.forRequest(requestId)),
    open() {
      lostAt = now();
      void look();
    },
    get isUsed() {
      return isUsed;
    },
    async close() {
      isClosed = true;
      clearTimeout(looking);
      lose();
      await replica.close();
    },
  };
}
