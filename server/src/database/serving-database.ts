/**
 * The database as a serving process uses it: one pool, with a line of their own for those that would stand in the way of
 * all others in one, and the replica for lists, if there is one.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { type Database, openDatabase } from './database.ts';
import { createListShare, type ListShare } from './list-share.ts';
import { openReplica } from './open-replica.ts';
import type { Reads, Replica } from './replica.ts';
import type { DatabasePlaces } from './route.ts';

interface Needs {
  places: DatabasePlaces;
  /** The limits of the configuration. */
  limits: { poolSize: number; timeoutMs: number; queue: { mostWaiting: number; maxWaitMs: number } };
  log: Pick<Logger, 'info' | 'warn'>;
  /** Hears how long a caller that had to wait for a connection has waited, in milliseconds. */
  onWait: (waitMs: number) => void;
  /** A caller was turned away because too many waited, or it too long: a list, or any other. */
  onRefused: (cost: 'costly' | 'any') => void;
  /** A statement of a list was answered, where there is a replica. */
  onListRead: (from: 'replica' | 'primary') => void;
}

export interface ServingDatabase {
  database: Database;
  /** The primary, as lists may use it. */
  lists: ListShare;
  replica: Replica | undefined;
  /** For lists and inbox pages: the replica while it can be used, else the primary. */
  reads: Reads;
  /** For a line in front of statements that many callers share, with the limits of the line for connections. */
  line: {
    queue: { mostWaiting: number; maxWaitMs: number };
    now: () => number;
    onWait: (waitMs: number) => void;
    onRefused: () => void;
  };
  close(): Promise<void>;
}

/** Opens pools. They connect at the first statement, so this cannot fail. */
export function openServingDatabase(needs: Needs): ServingDatabase {
  const { places, limits, log, onWait, onRefused, onListRead } = needs;
  const { poolSize, timeoutMs, queue } = limits;
  const line = { queue, now: () => performance.now(), onWait, onRefused: () => onRefused('any') };
  const { address, prepares } = places;
  const database = openDatabase({ ...line, address, prepares, poolSize, timeoutMs });
  const lists = createListShare({ ...line, database, onRefused: () => onRefused('costly') });
  const replica = openReplica(places.replica, { reads: lists, position: database.sql }, log, onListRead);
  return {
    database,
    lists,
    replica,
    reads: replica ?? lists,
    line,
    async close() {
      await replica?.close();
      await database.close();
    },
  };
}
