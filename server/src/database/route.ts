/** Finds out what stands between this process and PostgreSQL: nothing, or a pooler, and what passes through it. */
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type postgres from 'postgres';
import { connectPool, type DatabaseAddress } from './client.ts';

/** Where the database of a service is, and what its connections keep. */
export interface DatabasePlaces {
  /** For statements, perhaps through a pooler. */
  address: DatabaseAddress;
  /** Past it. */
  directAddress: DatabaseAddress;
  /** May statements stay prepared? */
  prepares: boolean;
  /** Lists and inbox pages may be read there. */
  replica?: ReplicaPlace | undefined;
}

export interface ReplicaPlace {
  address: DatabaseAddress;
  poolSize: number;
  prepares: boolean;
}

export interface DatabaseRoute {
  /**
   * How long a connection to the address keeps one connection of PostgreSQL: `always` without a pooler, for a
   * `session`, or for a `transaction`, after which nothing that belongs to a session can be relied on.
   */
  keeps: 'always' | 'session' | 'transaction';
  /** Is a statement that was prepared once found again at the next use? */
  keepsPrepared: boolean;
  /** Differs between two databases, and between two servers. */
  databaseId: string;
}

/** A pooler that has no connection to give away holds a caller for minutes. */
const secondConnectionMs = 2_000;
/** The first tells nearly always; more for a pooler that others use at the same moment, in turns that look like ours. */
const rounds = 10;

/**
 * Asks the database itself, so that it works for any pooler. One statement where there is none.
 *
 * A pooler that shares connections hands out a cancellation key of its own, whose process id is not the one that
 * PostgreSQL says. One that can share prepared statements has to give them names of its own (PgBouncer from 1.21 with
 * `max_prepared_statements`: PGBOUNCER_1).
 *
 * @throws whatever the connection throws
 */
export async function findDatabaseRoute(address: DatabaseAddress): Promise<DatabaseRoute> {
  const client = connectPool(address, 1);
  try {
    const first = await readBackend(client);
    const { databaseId } = first;
    if (first.pid === first.announcedPid) return { keeps: 'always', keepsPrepared: true, databaseId };
    const keeps = (await isSharedByTransactions(address, client)) ? 'transaction' : 'session';
    return { keeps, keepsPrepared: keeps === 'session' || first.isRenamed, databaseId };
  } finally {
    await client.end({ timeout: 1 });
  }
}

interface Backend {
  pid: number;
  /** What the connection was told when it was opened. */
  announcedPid: number;
  /** The statement has another name at PostgreSQL than it was given here. */
  isRenamed: boolean;
  databaseId: string;
}

async function readBackend(client: postgres.Sql): Promise<Backend> {
  // Tells this statement from those that are prepared on the same connection for others.
  const mark = randomBytes(8).toString('hex');
  // In a transaction, so that what is prepared is still at hand to be taken back. By hand: the library would prepare
  // its COMMIT too.
  await client.unsafe('begin');
  const rows = await client.unsafe<{ pid: number; name: string | null; databaseId: string }[]>(
    `select pg_backend_pid() as pid,
       (select name from pg_prepared_statements where position($1 in statement) > 0 limit 1) as name,
       (select oid from pg_database where datname = current_database()) || ' ' || pg_postmaster_start_time()
         as "databaseId" /* ${mark} */`,
    // Without a parameter the library would not prepare it.
    [mark],
    { prepare: true },
  );
  const [row] = rows;
  if (row === undefined) throw new Error('The database did not say who it is.');
  const { pid, name, databaseId } = row;
  const isRenamed = name !== rows.statement.name;
  // The connection may go back to a pooler with it.
  if (!isRenamed) await client.unsafe(`deallocate "${name}"`);
  await client.unsafe('commit');
  const announcedPid = rows.state.pid;
  return { pid, announcedPid, isRenamed, databaseId };
}

/**
 * Within a session a connection of PostgreSQL belongs to one connection of the pooler, so that two never meet on it
 * and none ever moves.
 */
async function isSharedByTransactions(address: DatabaseAddress, first: postgres.Sql): Promise<boolean> {
  const second = connectPool(address, 1);
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  // In session mode with no connection left the second one waits for the first.
  const timer = setTimeout(resolve, secondConnectionMs, undefined);
  try {
    const ofFirst = new Set<number>();
    for (let round = 0; round < rounds; round += 1) {
      // A pooler that goes round its connections would give two callers who take turns one each, for ever.
      for (let count = 0; count < 2 + (round % 3); count += 1) ofFirst.add(await readPid(first));
      const answer = readPid(second);
      answer.catch(() => undefined);
      const ofSecond = await Promise.race([answer, late]);
      if (ofSecond === undefined) return ofFirst.size > 1;
      if (ofFirst.size > 1 || ofFirst.has(ofSecond)) return true;
      await wait(round);
    }
    return false;
  } finally {
    clearTimeout(timer);
    await second.end({ timeout: 0 });
  }
}

async function readPid(client: postgres.Sql): Promise<number> {
  const [row] = await client.unsafe<{ pid: number }[]>('select pg_backend_pid() as pid');
  if (row === undefined) throw new Error('The database did not say its process.');
  return row.pid;
}
