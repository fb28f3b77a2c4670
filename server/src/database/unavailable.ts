/** Which errors say that the database is away rather than that a statement is wrong. */
import postgres from 'postgres';

/** Thrown at whoever waited too long for an answer. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** @throws {NoAnswer} when it is not settled within the time */
export async function withDeadline<Result>(promise: Promise<Result>, timeoutMs: number): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new NoAnswer(`No answer in ${timeoutMs} ms.`)), timeoutMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Codes of the library for an open connection that is of no use any more. */
const cutOffCodes: ReadonlySet<string> = new Set([
  'CONNECTION_CLOSED',
  'CONNECT_TIMEOUT',
  // A BEGIN that the library lost track of: what follows on that connection would never be committed.
  'UNSAFE_TRANSACTION',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
]);

/** Further codes of the library, and those of the operating system that come without a `syscall`. */
const lostCodes: ReadonlySet<string> = new Set([
  ...cutOffCodes,
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** Writing to a socket that has ended meanwhile; node:net has a code for each way that can go. */
const socketCode = /^ERR_(STREAM|SOCKET)_/;

// Class 08 connection exceptions (all of PgBouncer's own refusals are 08P01), 53 insufficient resources (disk full, too
// many connections), 57 operator intervention (shutdown, crash recovery, cancelled by the operator), 58000 and 58030 the
// machine fails, 25006 read-only transaction, 25P03 and 25P04 a transaction took too long, 40003 nobody knows.
const unavailableSqlState = /^(08...|53...|57...|58000|58030|25006|25P03|25P04|40003)$/;

// A connection of the pool is refused: 28 the role may not log in (any more), 3D000 no such database, 55000 it takes no
// connections. At the start these are the operator's to correct; later they are an outage like any other.
const refusedSqlState = /^(28...|3D000|55000)$/;

/** The same for what stands in front of the first statement: TLS and the password. */
const refusedCode = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|SASL_)/;

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return error.code;
}

/** With any code: a route or an interface that went away is EHOSTUNREACH, ENETUNREACH or ENETDOWN. */
function isOfOpenSocket(error: unknown): boolean {
  return (
    error instanceof Error && 'syscall' in error && (error.syscall === 'read' || error.syscall === 'write')
  );
}

/** Was there a connection, and is it gone or good for nothing? The library keeps what was under way on it in mind. */
export function isCutOff(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return false;
  const code = codeOf(error);
  if (code === undefined) return false;
  return isOfOpenSocket(error) || cutOffCodes.has(code) || socketCode.test(code);
}

/** Did the connection fail, rather than PostgreSQL answer? */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return false;
  const code = codeOf(error);
  if (code === undefined) return false;
  return lostCodes.has(code) || socketCode.test(code) || (error instanceof Error && 'syscall' in error);
}

/** Is this what a database that is away, full, starting or read-only answers? */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof NoAnswer || isConnectionLost(error)) return true;
  return error instanceof postgres.PostgresError && unavailableSqlState.test(error.code);
}

/** Is this what an operator has to correct, if it is at the start? */
export function isRefused(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return error instanceof postgres.PostgresError ? refusedSqlState.test(code) : refusedCode.test(code);
}
