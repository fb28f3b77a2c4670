/**
 * Rotations of many requests in one statement, each answered after its commit: what PostgreSQL does for a statement and
 * a commit is then shared. Nobody waits for others to come: whoever is there when a statement may start goes along.
 */
import type { Clock } from '../clock.ts';
import { createConnectionGate, takePlace } from '../database/connection-gate.ts';
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

export interface RotationBatch {
  /** @throws Problem `overloaded` when too many wait, or it has waited too long */
  rotate: RotateToken;
  /** Refreshes that wait for a place in a statement, and how long the first of them has, milliseconds. */
  load(): { waiting: number; oldestWaitMs: number };
}

/** The line in front of the statements; its limits are those of the line for connections. */
export interface RotationLine {
  queue: { mostWaiting: number; maxWaitMs: number };
  /** A monotonic clock in milliseconds. */
  now: () => number;
  onWait: (waitMs: number) => void;
  /** A refresh was turned away because too many waited, or it too long. */
  onRefused: () => void;
}

interface Needs {
  sql: Sql;
  clock: Clock;
  /** How long a session lives without a refresh, milliseconds. */
  idleTtlMs: number;
  line: RotationLine;
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

export function createRotationBatch({ sql, clock, idleTtlMs, line }: Needs): RotationBatch {
  // Whoever is past it is in a statement or in the next one.
  const gate = createConnectionGate({ ...line, ...line.queue, places: mostStatements * mostRows });
  let queue: Waiting[] = [];
  let running = 0;
  let isScheduled = false;

  function readTimes(): RotationTimes {
    const now = clock();
    return { now, idleEndsAt: new Date(now.getTime() + idleTtlMs) };
  }

  function join(step: RotationStep): Promise<Rotated | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Rotated | undefined>();
    queue.push({ step, resolve, reject });
    if (!isScheduled && running < mostStatements) {
      isScheduled = true;
      // Everything that is read from the sockets in this turn of the loop goes along.
      setImmediate(start);
    }
    return promise;
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
      const steps = batch.map(({ step }) => step);
      const rows = await rotateRefreshTokens(sql, steps, readTimes());
      found = new Map(rows.map((row) => [row.sessionId, row]));
    } catch (error) {
      // The connection was lost, or none was free: whether it was done is not known, and the client asks again.
      if (error instanceof Problem) {
        for (const { reject } of batch) reject(error);
        return;
      }
      found = new Map();
    }
    for (const waiting of batch) {
      const rotated = found.get(waiting.step.presented.sessionId);
      if (rotated === undefined) rotateAlone(waiting);
      else waiting.resolve(rotated);
    }
  }

  /** A token that is not the live one, or a row that somebody holds: found out by a statement of its own. */
  function rotateAlone({ step, resolve, reject }: Waiting): void {
    rotateRefreshToken(sql, step, readTimes()).then(resolve, reject);
  }

  return {
    async rotate(step) {
      await takePlace(gate, line.onRefused);
      try {
        return await join(step);
      } finally {
        gate.leave(1);
      }
    },
    load: () => ({ waiting: gate.waiting, oldestWaitMs: gate.oldestWaitMs }),
  };
}
