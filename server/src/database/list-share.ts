/**
 * The part of the connections that lists may use, and a line of their own for it. They are costly and can be many: in one
 * line with everything else a refresh would stand behind all of them, and be refused, as would sign-ins, when they fill it.
 */
import { Problem } from '../problem.ts';
import { createConnectionGate, NoConnectionFree } from './connection-gate.ts';
import type { Database } from './database.ts';
import type { Reads } from './replica.ts';
import type { Sql } from './sql.ts';

/** So much of the connections, at least one place. What is left serves a refresh while lists stand in line. */
const shareOfPlaces = 0.75;
/** So much of the limits of all: like all that is costly, lists are refused first. */
const shareOfQueue = 0.5;

export interface ListShare extends Reads {
  /** As of the database, with those that wait here before they may wait for a connection. */
  load(): ReturnType<Database['load']>;
}

interface ListShareOptions {
  database: Pick<Database, 'sql' | 'forRequest' | 'places' | 'load'>;
  /** Those of the database. */
  queue: { mostWaiting: number; maxWaitMs: number };
  /** A monotonic clock in milliseconds. */
  now: () => number;
  onWait: (waitMs: number) => void;
  /** A statement was turned away because too many waited, or it too long. */
  onRefused: () => void;
}

export function createListShare({ database, queue, now, onWait, onRefused }: ListShareOptions): ListShare {
  const gate = createConnectionGate({
    places: Math.max(1, Math.floor(database.places * shareOfPlaces)),
    mostWaiting: Math.ceil(queue.mostWaiting * shareOfQueue),
    maxWaitMs: Math.ceil(queue.maxWaitMs * shareOfQueue),
    now,
    onWait,
  });

  async function enter(): Promise<void> {
    try {
      await gate.enter(1);
    } catch (error) {
      if (!(error instanceof NoConnectionFree)) throw error;
      onRefused();
      throw new Problem('overloaded', undefined, { headers: { 'retry-after': '2' }, cause: error });
    }
  }

  function inTurn(sql: Sql): Sql {
    return async <Row extends object>(...statement: Parameters<Sql>): Promise<Row[]> => {
      await enter();
      try {
        return await sql<Row>(...statement);
      } finally {
        gate.leave(1);
      }
    };
  }

  return {
    sql: inTurn(database.sql),
    forRequest: (requestId) => inTurn(database.forRequest(requestId)),
    load() {
      const { busy, waiting, oldestWaitMs } = database.load();
      return {
        busy,
        waiting: waiting + gate.waiting,
        oldestWaitMs: Math.max(oldestWaitMs, gate.oldestWaitMs),
      };
    },
  };
}
