/**
 * The part of the connections that lists may use, and a line of their own for it. They are costly and can be many: in one
 * line with everything else a refresh would stand behind all of them, and be refused, as would sign-ins, when they fill it.
 */
import { createConnectionGate, takePlace } from './connection-gate.ts';
import type { Database } from './database.ts';
import type { Reads } from './replica.ts';
import type { Sql } from './sql.ts';

/**
 * Of ten connections seven may have a list, one each; of one, one. The others serve a refresh while lists stand in line.
 * Connections are what is shared out, not places, of which each has several: the library gives a statement to a connection
 * that has none as long as there is one, so that ten lists in thirty places were on all ten connections, each in front of
 * whatever came next there.
 */
const shareOfConnections = 0.75;
/** So much of the limits of all: like all that is costly, lists are refused first. */
const shareOfQueue = 0.5;

export interface ListShare extends Reads {
  /** As of the database, with those that wait here before they may wait for a connection. */
  load(): ReturnType<Database['load']>;
}

interface ListShareOptions {
  database: Pick<Database, 'costly' | 'connections' | 'load'>;
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
    places: Math.max(1, Math.floor(database.connections * shareOfConnections)),
    mostWaiting: Math.ceil(queue.mostWaiting * shareOfQueue),
    maxWaitMs: Math.ceil(queue.maxWaitMs * shareOfQueue),
    now,
    onWait,
  });

  // Not when the caller is answered: a list that nobody waits for any longer still has its connection.
  const { sql, forRequest } = database.costly(() => gate.leave(1));

  function inTurn(run: Sql): Sql {
    return async <Row extends object>(...statement: Parameters<Sql>): Promise<Row[]> => {
      await takePlace(gate, onRefused);
      return await run<Row>(...statement);
    };
  }

  return {
    sql: inTurn(sql),
    forRequest: (requestId) => inTurn(forRequest(requestId)),
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
