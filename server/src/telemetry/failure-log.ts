/** Failed requests in the log: each surprise in full, but a database that is away only now and then. */
import { Problem } from '../problem.ts';

interface Log {
  error(members: object, sentence: string): void;
  warn(members: object, sentence: string): void;
}

export type ReportFailure = (error: unknown, requestId: string, route: string | undefined) => void;

/** Load, not failure: the client is told when to come back, and the metrics count it. */
const loadCodes: ReadonlySet<string> = new Set([
  'overloaded',
  'hash-queue-full',
  'ingest-queue-full',
  'not-ready',
]);

/** While the database is away every request fails for the same reason; one line in this time says it for all. */
const repeatMs = 5_000;

/**
 * @param clock monotonic, milliseconds
 * @returns what to call for every answer of 500 and above
 */
export function createFailureLog(log: Log, clock: () => number): ReportFailure {
  let lastSaidAt = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  return (error, requestId, route) => {
    const code = error instanceof Problem ? error.code : undefined;
    if (code !== undefined && loadCodes.has(code)) return;
    if (code !== 'database-unavailable') {
      log.error({ err: error, requestId, route }, 'A request failed.');
      return;
    }
    unsaid += 1;
    if (clock() - lastSaidAt < repeatMs) return;
    log.warn(
      { err: error, requestId, route, requests: unsaid },
      'The database is away: requests were answered 503.',
    );
    lastSaidAt = clock();
    unsaid = 0;
  };
}
