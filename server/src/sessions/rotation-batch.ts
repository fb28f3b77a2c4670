/**
 * Rotations of many requests in one statement, each answered after its commit: what PostgreSQL does for a statement and
 * a commit is then shared. Nobody waits for others to come: whoever is there when a statement may start goes along.
 */
import type { Clock } from '../clock.ts';
import type { Sql } from '../database/sql.ts';
import { Problem } from '../problem.ts';
import {
  type Rotated,
  type RotationStep,
  type RotationTimes,
  rotateRefreshToken,
  rotateRefreshTokens,
} from './sessions.sql.ts';

/** @returns undefined when the token is not the live one of a live session */
export type RotateToken = (step: RotationStep) => Promise<Rotated | undefined>;

interface Needs {
  sql: Sql;
  clock: Clock;
  /** How long a session lives without a refresh, milliseconds. */
  idleTtlMs: number;
}

interface Waiting {
  readonly step: RotationStep;
  readonly resolve: (rotated: Rotated | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Statements at once: while one waits for its commit to be on disk, the next is composed and run. */
const mostStatements = 2;
/** Of a statement. */
const mostRows = 32;
/** Requests that wait for a statement to end; one more is refused, as they would only wait longer. */
const mostWaiting = 2_000;

/** Makes the function that rotates a token together with those of others. */
export function createRotationBatch({ sql, clock, idleTtlMs }: Needs): RotateToken {
  let queue: Waiting[] = [];
  let running = 0;
  let isScheduled = false;

  function readTimes(): RotationTimes {
    const now = clock();
    return { now, idleEndsAt: new Date(now.getTime() + idleTtlMs) };
  }

  function start(): void {
    isScheduled = false;
    while (running < mostStatements && queue.length > 0) {
      running += 1;
      flush(takeBatch()).then(finish, finish);
    }
  }

  function finish(): void {
    running -= 1;
    start();
  }

  /** The next ones, each session once: of two tokens of one session PostgreSQL would take either. */
  function takeBatch(): Waiting[] {
    const bySession = new Map<string, Waiting>();
    for (const waiting of queue.slice(0, mostRows)) {
      const { sessionId } = waiting.step.presented;
      if (bySession.has(sessionId)) rotateAlone(waiting);
      else bySession.set(sessionId, waiting);
    }
    queue = queue.slice(mostRows);
    return [...bySession.values()];
  }

  /** Resolves when the statement has ended, whatever becomes of those it passed over. */
  async function flush(batch: readonly Waiting[]): Promise<void> {
    let found: ReadonlyMap<string, Rotated>;
    try {
      found = await rotateTogether(batch);
    } catch (error) {
      // The database was away, or had no connection free: it would be for each of them, and for those behind.
      const refused = error instanceof Problem ? [...batch, ...queue.splice(0)] : [];
      for (const { reject } of refused) reject(error);
      if (refused.length > 0) return;
      found = new Map();
    }
    for (const waiting of batch) {
      const rotated = found.get(waiting.step.presented.sessionId);
      if (rotated === undefined) rotateAlone(waiting);
      else waiting.resolve(rotated);
    }
  }

  async function rotateTogether(batch: readonly Waiting[]): Promise<ReadonlyMap<string, Rotated>> {
    const steps = batch.map(({ step }) => step);
    const rows = await rotateRefreshTokens(sql, steps, readTimes());
    return new Map(rows.map((row) => [row.sessionId, row]));
  }

  /** A token that is not the live one, or a row that somebody holds: found out by a statement of its own. */
  function rotateAlone({ step, resolve, reject }: Waiting): void {
    rotateRefreshToken(sql, step, readTimes()).then(resolve, reject);
  }

  return (step) => {
    if (queue.length >= mostWaiting) {
      return Promise.reject(new Problem('overloaded', undefined, { headers: { 'retry-after': '2' } }));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Rotated | undefined>();
    queue.push({ step, resolve, reject });
    if (!isScheduled && running < mostStatements) {
      isScheduled = true;
      // Everything that is read from the sockets in this turn of the loop goes along.
      setImmediate(start);
    }
    return promise;
  };
}
