/** The way to PostgreSQL: one pool, transactions, and one error that says the database is away. */
import postgres from 'postgres';
import { Problem } from '../problem.ts';
import { backoffMs, connectPool, type DatabaseAddress } from './client.ts';
import {
  type ConnectionGate,
  createConnectionGate,
  NoConnectionFree,
  overloaded,
} from './connection-gate.ts';
import { createSocketOpener, type SocketOpener } from './socket.ts';
import { compileStatement, type Sql } from './sql.ts';
import {
  isConnectionLost,
  isCutOff,
  isRefused,
  isUnavailable,
  NoAnswer,
  withDeadline,
} from './unavailable.ts';

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
   * The same two for statements that may take long: what comes later is sent on other connections, so that it waits behind
   * none of them, and whoever bounds their number hears of their end.
   *
   * @param onEnded called once for each statement: when it has really ended, which may be long after its caller was told
   *   that there was no answer, or when it was never begun
   */
  costly(onEnded: () => void): Pick<Database, 'sql' | 'forRequest'>;
  /**
   * Runs `work` between BEGIN and COMMIT and resolves after PostgreSQL has confirmed the COMMIT.
   *
   * @throws Problem `database-unavailable` when the connection was lost at any point; the caller must not claim
   *   success then, whether or not the COMMIT took effect. Whatever `work` throws rolls back and is thrown on.
   */
  transaction<Result>(requestId: string, work: (tx: Sql) => Promise<Result>): Promise<Result>;
  /** A round trip that never waits for a connection: busy is not away. Throws what the database or its absence says. */
  probe(): Promise<void>;
  /** At most. Each may have several statements under way. */
  readonly connections: number;
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
  let pool = openPool(openGate());
  let lastAnswerAt = performance.now();
  let lastCutAt = Number.NEGATIVE_INFINITY;
  /** Connections that were cut off since the last answer. */
  let cuts = 0;
  let probing: Promise<void> | undefined;

  function openPool(gate: ConnectionGate, delayMs = 0): Pool {
    const opener = createSocketOpener(delayMs);
    return { client: connectPool(address, poolSize, { prepare, opener }), opener, gate, running: 0 };
  }

  /** The library's own queue has no end, and a statement that nobody waits for any longer stays in it. */
  function openGate(): ConnectionGate {
    return createConnectionGate({
      places: poolSize * perConnection,
      mostWaiting,
      maxWaitMs,
      now: () => performance.now(),
      ...(onWait === undefined ? {} : { onWait }),
    });
  }

  /** @param onEnded see `costly` */
  async function guard<Result>(
    run: (client: postgres.Sql) => Promise<Result>,
    places = 1,
    onEnded?: () => void,
  ): Promise<Result> {
    const found = pool;
    const { gate } = found;
    try {
      const turn = gate.enter(places);
      if (turn !== undefined) await turn;
    } catch (error) {
      onEnded?.();
      throw error instanceof NoConnectionFree ? refusal(error) : asProblem(error);
    }
    // Retired while this one waited, if the gate is the same.
    const used = pool.gate === gate ? pool : found;
    used.running += 1;
    const work = run(used.client);
    // Until the statement has really ended: its connection is taken also when nobody waits for it any longer.
    const leave = () => {
      used.running -= 1;
      gate.leave(places);
      onEnded?.();
      if (used.running === 0 && used !== pool) endNow(used);
    };
    work.then(leave, leave);
    try {
      const result = await withDeadline(work, timeoutMs);
      lastAnswerAt = performance.now();
      return result;
    } catch (error) {
      if (error instanceof NoAnswer) replaceSilent(used, error);
      else if (isCutOff(error)) retire(used);
      throw asProblem(error);
    }
  }

  /**
   * No new statement goes to this client; those that are under way on its other connections end in peace. The library uses
   * a connection that was cut off again with what it had in mind: an error that had not been complete fails the next
   * statement, rows that had come are put before the next one's, bytes that were not sent keep the connection silent for
   * 5 s (postgres.js 3.4.9, issues 1208 and 1216, pull requests 1176 and 1215).
   */
  function retire(used: Pool): void {
    if (pool !== used) return;
    cuts = lastAnswerAt > lastCutAt ? 0 : cuts + 1;
    lastCutAt = performance.now();
    // A pooler without a database takes each connection and cuts it off: as many as there are requests, if not for this.
    pool = openPool(used.gate, cuts === 0 ? 0 : backoffMs(cuts));
    if (used.running === 0) {
      endNow(used);
      return;
    }
    // Its idle connections are closed at once: PostgreSQL may have none to spare. Not where statements may be in the
    // library's own queue, which it does not serve any more then.
    if (used.running < poolSize) used.client.end({ timeout: timeoutMs / 1_000 }).catch(() => undefined);
    // By then nobody waits for what has not ended.
    setTimeout(() => endNow(used), timeoutMs).unref();
  }

  /** Nobody had an answer all the while: then it is not load. */
  function refusal(error: NoConnectionFree): Problem {
    if (error.waitedMs > 0 && performance.now() - lastAnswerAt >= error.waitedMs) return unavailable(error);
    onRefused?.();
    return overloaded(error);
  }

  /** Connections whose other end vanished without a word stay open for minutes; new ones find out how it is now. */
  function replaceSilent(used: Pool, reason: Error): void {
    if (pool !== used || performance.now() - lastAnswerAt < timeoutMs) return;
    pool = openPool(openGate());
    used.gate.refuseAll(reason);
    // What its statements say then has been answered with 503.
    endNow(used);
  }

  /** On a connection for this alone, since all others are taken. */
  async function probeAside(): Promise<void> {
    const opener = createSocketOpener();
    const client = connectPool(address, 1, { prepare, opener });
    try {
      await withDeadline(client`select 1 as one`, timeoutMs);
    } finally {
      endNow({ client, opener });
    }
  }

  function statements(onEnded?: () => void): Pick<Database, 'sql' | 'forRequest'> {
    const options = onEnded === undefined ? {} : alone;
    return {
      sql: (strings, ...values) =>
        guard((client) => runPrepared(client, strings, values, options), 1, onEnded),
      forRequest:
        (requestId) =>
        (strings, ...values) =>
          guard((client) => runCommented(client, requestId, strings, values, options), 1, onEnded),
    };
  }

  return {
    connections: poolSize,
    ...statements(),
    costly: statements,
    async transaction(requestId, work) {
      let isGivenUp = false;
      try {
        // A transaction has its connection to itself.
        return await guard(
          (client) =>
            inTransaction(client, async (tx) => {
              const result = await work((strings, ...values) =>
                isGivenUp ? Promise.reject(new GivenUp()) : runCommented(tx, requestId, strings, values),
              );
              if (isGivenUp) throw new GivenUp();
              return result;
            }),
          perConnection,
        );
      } finally {
        isGivenUp = true;
      }
    },
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
  readonly client: postgres.Sql;
  readonly opener: SocketOpener;
  readonly gate: ConnectionGate;
  /** Statements and transactions under way on this client. */
  running: number;
}

/** Its caller was told that it failed: nothing more of it is done, and what was is rolled back. */
class GivenUp extends Error {
  constructor() {
    super('The transaction was given up before its work was done.');
  }
}

/** Nobody waits for what is under way on it. */
function endNow({ client, opener }: Pick<Pool, 'client' | 'opener'>): void {
  opener.close();
  client.end({ timeout: 0 }).catch(() => undefined);
}

/**
 * BEGIN, work, COMMIT; ROLLBACK when the work throws. On a connection that is gone neither: the library would write to it
 * all the same, which ends the process, or run it outside of any transaction once another statement has opened the
 * connection anew (postgres.js 3.4.9, nextWrite of connection.js, scope of index.js).
 */
export async function inTransaction<Result>(
  client: postgres.Sql,
  work: (tx: postgres.TransactionSql) => Promise<Result>,
): Promise<Result> {
  const outcome: { value?: Result } = {};
  const { promise: lost, reject } = Promise.withResolvers<never>();
  let isOver = false;
  const whole = client.begin(async (tx) => {
    try {
      outcome.value = await work(tx);
      if (!isOver) return;
    } catch (error) {
      if (!isOver && !isConnectionLost(error)) throw error;
      reject(error);
    }
    // Never settled: the library gives the transaction up when it hears that the connection is closed.
    await new Promise(() => undefined);
  });
  whole.catch(() => {
    isOver = true;
  });
  await Promise.race([whole, lost]);
  if (!('value' in outcome)) throw new Error('The transaction was committed without its work.');
  return outcome.value;
}

type Client = Pick<postgres.Sql, 'unsafe'>;

/**
 * The library asks a statement that it has sent whether others may follow it on its connection before it has ended
 * (postgres.js 3.4.9, `execute` of connection.js; its types do not list it). Without this a refresh was put behind a list,
 * for as long as that took, whenever no connection was idle.
 */
const alone = { onexecute: () => false };

// `unsafe` is the library's name for "text and parameters". The text comes out of our templates alone, and unlike its
// own template tag it keeps no entry for every array of strings it ever saw.
async function runPrepared<Row extends object>(
  client: Client,
  ...[strings, values, options]: [...Parameters<typeof compileStatement>, options?: object]
): Promise<Row[]> {
  const { text, parameters } = compileStatement(strings, values);
  return allOf(await client.unsafe<Row[]>(text, asParameters(parameters), { ...options, prepare: true }));
}

async function runCommented<Row extends object>(
  client: Client,
  requestId: string,
  ...[strings, values, options = {}]: [...Parameters<typeof compileStatement>, options?: object]
): Promise<Row[]> {
  const { text, parameters } = compileStatement(strings, values);
  // Not prepared: each request id makes another text, and a connection would keep them all.
  const commented = `${text} /* request_id='${requestId}' */`;
  return allOf(await client.unsafe<Row[]>(commented, asParameters(parameters), options));
}

/**
 * Rows that had come when a connection was cut off are left out at the front of the next rows there: a statement that was
 * in the library's own queue may get them before the client is retired.
 */
function allOf<Row>(rows: Row[]): Row[] {
  if (rows.length === 0 || rows[0] !== undefined) return rows;
  throw Object.assign(new Error('Rows are missing from the answer.'), { code: 'CONNECTION_CLOSED' });
}

function asParameters(values: readonly unknown[]): postgres.ParameterOrJSON<never>[] {
  // parser: postgres.js serialises whatever PostgreSQL says the parameter's type is.
  return values as postgres.ParameterOrJSON<never>[];
}

function unavailable(cause: unknown): Problem {
  return new Problem('database-unavailable', undefined, { headers: { 'retry-after': '1' }, cause });
}

function asProblem(error: unknown): unknown {
  return isUnavailable(error) || isRefused(error) ? unavailable(error) : error;
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
