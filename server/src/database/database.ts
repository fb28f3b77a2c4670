/** The way to PostgreSQL: one pool, transactions, and one error that says the database is away. */
import postgres from 'postgres';
import { withHost } from '../config-fields.ts';
import { Problem } from '../problem.ts';
import { createConnectionGate, NoConnectionFree } from './connection-gate.ts';
import type { DatabaseConnection } from './embedded.ts';
import { compileStatement, type Sql } from './sql.ts';

/** A URL, or where the embedded database is. */
export type DatabaseAddress = string | DatabaseConnection;

interface DatabaseSettings {
  address: DatabaseAddress;
  /** Connections at most. */
  poolSize: number;
  /** Milliseconds without an answer after which the database counts as away. */
  timeoutMs: number;
  /** How many callers may wait for a connection and how long, milliseconds. Without it none is turned away by number. */
  queue?: { mostWaiting: number; maxWaitMs: number };
  /** Hears how long a caller that had to wait for a connection has waited, in milliseconds. */
  onWait?: (waitMs: number) => void;
  /** A caller was turned away because too many waited, or it too long. */
  onRefused?: () => void;
  /**
   * Are statements of the hot path planned once a connection? Only where the connection stays the same one: see
   * route.ts. No when absent, as a command that runs once gains nothing by it.
   */
  prepares?: boolean;
}

export interface Database {
  /** Statements that are parsed and planned once a connection, if it may be. For the hot path: they carry no request id. */
  readonly sql: Sql;
  /** Statements that end in the request id as a comment, for whoever reads pg_stat_activity or the slow log. */
  forRequest(requestId: string): Sql;
  /**
   * Runs `work` between BEGIN and COMMIT and resolves after PostgreSQL has confirmed the COMMIT.
   *
   * @throws Problem `database-unavailable` when the connection was lost at any point; the caller must not claim
   *   success then, whether or not the COMMIT took effect. Whatever `work` throws rolls back and is thrown on.
   */
  transaction<Result>(requestId: string, work: (tx: Sql) => Promise<Result>): Promise<Result>;
  /** A round trip that never waits for a connection: busy is not away. Throws what the database or its absence says. */
  probe(): Promise<void>;
  /** Connections with work under way, callers that wait, and how long the first of them has, milliseconds. */
  load(): { busy: number; waiting: number; oldestWaitMs: number };
  close(): Promise<void>;
}

/**
 * Statements under way on one connection. PostgreSQL answers those of a connection in order, and several at once save both
 * sides system calls: with one at a time a core rotates 2,900 refresh tokens a second, with four 3,800, with eight no more.
 */
const pipelined = 4;

/** Opens a pool. It connects at the first statement, so this cannot fail. */
export function openDatabase(settings: DatabaseSettings): Database {
  const { address, poolSize, timeoutMs, onWait, onRefused, prepares: prepare = false } = settings;
  const { mostWaiting, maxWaitMs } = settings.queue ?? {
    mostWaiting: Number.POSITIVE_INFINITY,
    maxWaitMs: timeoutMs,
  };
  // One that is not prepared is described before it is run: nothing can follow it meanwhile.
  const perConnection = prepare ? pipelined : 1;
  let pool = openPool();
  let lastAnswerAt = performance.now();
  let probing: Promise<void> | undefined;

  function openPool(): Pool {
    // The library's own queue has no end, and a statement that nobody waits for any longer stays in it.
    const gate = createConnectionGate({
      places: poolSize * perConnection,
      mostWaiting,
      maxWaitMs,
      now: () => performance.now(),
      ...(onWait === undefined ? {} : { onWait }),
    });
    return { client: connectPool(address, poolSize, { prepare }), gate };
  }

  async function guard<Result>(run: (client: postgres.Sql) => Promise<Result>, places = 1): Promise<Result> {
    const used = pool;
    try {
      const turn = used.gate.enter(places);
      if (turn !== undefined) await turn;
    } catch (error) {
      throw error instanceof NoConnectionFree ? refusal(error) : asProblem(error);
    }
    const work = run(used.client);
    // Until the statement has really ended: its connection is taken also when nobody waits for it any longer.
    const leave = () => used.gate.leave(places);
    work.then(leave, leave);
    try {
      const result = await withDeadline(work, timeoutMs);
      lastAnswerAt = performance.now();
      return result;
    } catch (error) {
      if (error instanceof NoAnswer) replaceSilent(used, error);
      throw asProblem(error);
    }
  }

  /** Nobody had an answer all the while: then it is not load. */
  function refusal(error: NoConnectionFree): Problem {
    if (error.waitedMs > 0 && performance.now() - lastAnswerAt >= error.waitedMs) return unavailable(error);
    onRefused?.();
    return new Problem('overloaded', undefined, { headers: { 'retry-after': '2' }, cause: error });
  }

  /** Connections whose other end vanished without a word stay open for minutes; new ones find out how it is now. */
  function replaceSilent(used: Pool, reason: Error): void {
    if (pool !== used || performance.now() - lastAnswerAt < timeoutMs) return;
    pool = openPool();
    used.gate.refuseAll(reason);
    // Nobody waits for it, and what its statements say then has been answered with 503.
    used.client.end({ timeout: 0 }).catch(() => undefined);
  }

  /** On a connection for this alone, since all others are taken. */
  async function probeAside(): Promise<void> {
    const client = connectPool(address, 1, { prepare });
    try {
      await withDeadline(client`select 1 as one`, timeoutMs);
    } finally {
      client.end({ timeout: 0 }).catch(() => undefined);
    }
  }

  return {
    sql: (strings, ...values) => guard((client) => runPrepared(client, strings, values)),
    forRequest:
      (requestId) =>
      (strings, ...values) =>
        guard((client) => runCommented(client, requestId, strings, values)),
    transaction: (requestId, work) =>
      // A transaction has its connection to itself.
      guard(
        (client) =>
          inTransaction(client, (tx) =>
            work((strings, ...values) => runCommented(tx, requestId, strings, values)),
          ),
        perConnection,
      ),
    async probe() {
      if (pool.gate.running < poolSize) {
        await guard(async (client) => await client`select 1 as one`);
        return;
      }
      probing ??= probeAside().finally(() => {
        probing = undefined;
      });
      await probing;
    },
    load() {
      const { running, waiting, oldestWaitMs } = pool.gate;
      return { busy: Math.min(running, poolSize), waiting, oldestWaitMs };
    },
    close: () => pool.client.end({ timeout: 5 }),
  };
}

interface Pool {
  client: postgres.Sql;
  gate: ReturnType<typeof createConnectionGate>;
}

/** `onnotify` is the library's own, though its types do not list it; announcements.test.ts shows that it works. */
interface ConnectionEvents {
  onclose?: (connectionId: number) => void;
  onnotify?: (channel: string, payload: string) => void;
}

/**
 * A bare postgres.js client: for the pool here, for migrations and for the listening connection.
 *
 * @param options.prepare false keeps the library from preparing anything, its own COMMIT included
 */
export function connectPool(
  address: DatabaseAddress,
  max: number,
  { prepare = true, ...events }: ConnectionEvents & { prepare?: boolean } = {},
): postgres.Sql {
  const options: postgres.Options<Record<string, never>> = {
    ...events,
    max,
    prepare,
    connect_timeout: 5,
    // A database that is back is used within a second; the library's own back-off reaches 20 s.
    backoff: (attempts) => Math.min(0.05 * 2 ** attempts, 1),
    max_lifetime: null,
    onnotice: () => undefined,
    fetch_types: false,
    connection: { application_name: 'irontrack' },
  };
  if (typeof address !== 'string') return postgres({ ...options, ...address });
  const { url, socketFolder } = takeSocketFolder(address);
  return postgres(url, socketFolder === undefined ? options : { ...options, host: socketFolder });
}

/**
 * A URL can name the folder of a Unix socket as libpq has it (`?host=/run/postgresql`, or percent-encoded in place of
 * the host); the library takes that as an option alone.
 */
function takeSocketFolder(address: string): { url: string; socketFolder?: string } {
  const url = new URL(withHost(address));
  const given = url.searchParams.get('host') ?? decodeURIComponent(url.hostname);
  if (!given.startsWith('/')) return { url: address };
  url.searchParams.delete('host');
  url.hostname = 'localhost';
  return { url: url.href, socketFolder: given };
}

/**
 * BEGIN, work, COMMIT; ROLLBACK when the work throws, but not on a connection that is gone: the library would write to
 * it all the same, after the end of the socket, which ends the process (postgres.js 3.4, nextWrite of connection.js).
 */
export async function inTransaction<Result>(
  client: postgres.Sql,
  work: (tx: postgres.TransactionSql) => Promise<Result>,
): Promise<Result> {
  const outcome: { value?: Result } = {};
  const { promise: lost, reject } = Promise.withResolvers<never>();
  const whole = client.begin(async (tx) => {
    try {
      outcome.value = await work(tx);
    } catch (error) {
      if (!isConnectionLost(error)) throw error;
      reject(error);
      // Never settled: the library gives the transaction up when it hears that the connection is closed.
      await new Promise(() => undefined);
    }
  });
  await Promise.race([whole, lost]);
  if (!('value' in outcome)) throw new Error('The transaction was committed without its work.');
  return outcome.value;
}

type Client = Pick<postgres.Sql, 'unsafe'>;

// `unsafe` is the library's name for "text and parameters". The text comes out of our templates alone, and unlike its
// own template tag it keeps no entry for every array of strings it ever saw.
async function runPrepared<Row extends object>(
  client: Client,
  ...[strings, values]: Parameters<typeof compileStatement>
): Promise<Row[]> {
  const { text, parameters } = compileStatement(strings, values);
  return await client.unsafe<Row[]>(text, asParameters(parameters), { prepare: true });
}

async function runCommented<Row extends object>(
  client: Client,
  requestId: string,
  ...[strings, values]: Parameters<typeof compileStatement>
): Promise<Row[]> {
  const { text, parameters } = compileStatement(strings, values);
  // Not prepared: each request id makes another text, and a connection would keep them all.
  return await client.unsafe<Row[]>(`${text} /* request_id='${requestId}' */`, asParameters(parameters));
}

function asParameters(values: readonly unknown[]): postgres.ParameterOrJSON<never>[] {
  // parser: postgres.js serialises whatever PostgreSQL says the parameter's type is.
  return values as postgres.ParameterOrJSON<never>[];
}

class NoAnswer extends Error {}

async function withDeadline<Result>(promise: Promise<Result>, timeoutMs: number): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new NoAnswer(`No answer in ${timeoutMs} ms.`)), timeoutMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const connectionErrorCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EACCES',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
]);

function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return typeof error.code === 'string' && connectionErrorCodes.has(error.code);
}

// Class 08 connection exceptions, 53 insufficient resources (disk full, too many connections), 57P operator
// intervention (shutdown, crash recovery), 25006 read-only transaction.
const unavailableSqlState = /^(08...|53...|57P..|25006)$/;

// A connection of the pool is refused: 28 the role may not log in (any more), 3D000 no such database, 55000 it takes no
// connections. At the start these are the operator's to correct; later they are an outage like any other.
const refusedSqlState = /^(28...|3D000|55000)$/;

/** Is this what a database that is away, full, starting or read-only answers? */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false;
  return connectionErrorCodes.has(error.code) || unavailableSqlState.test(error.code);
}

function unavailable(cause: unknown): Problem {
  return new Problem('database-unavailable', undefined, { headers: { 'retry-after': '1' }, cause });
}

function asProblem(error: unknown): unknown {
  const isRefused = error instanceof postgres.PostgresError && refusedSqlState.test(error.code);
  return isRefused || error instanceof NoAnswer || isUnavailable(error) ? unavailable(error) : error;
}

/** Is this a violation of the named unique constraint or index? */
export function isUniqueViolation(error: unknown, constraint: string): boolean {
  return (
    error instanceof postgres.PostgresError && error.code === '23505' && error.constraint_name === constraint
  );
}

/** Does the statement name a row of another table that is not there? @param constraint any when absent */
export function isForeignKeyViolation(error: unknown, constraint?: string): boolean {
  if (!(error instanceof postgres.PostgresError) || error.code !== '23503') return false;
  return constraint === undefined || error.constraint_name === constraint;
}

/** Was the transaction rolled back to end a deadlock? Tried again, it can succeed. */
export function isDeadlock(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.code === '40P01';
}
