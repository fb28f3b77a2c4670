/** Failed requests in the log: each surprise in full, but a database that is away once, and once when it is over. */
import { Problem } from '../problem.ts';

interface Log {
  error(members: object, sentence: string): void;
  warn(members: object, sentence: string): void;
  info(members: object, sentence: string): void;
}

export type ReportFailure = (error: unknown, requestId: string, route: string | undefined) => void;

/** Load, not failure: the client is told when to come back, and the metrics count it. */
const loadCodes: ReadonlySet<string> = new Set([
  'overloaded',
  'hash-queue-full',
  'ingest-queue-full',
  'not-ready',
]);

/** An outage is over when no request has failed for it for so long. */
const quietMs = 5_000;

/** While the database is away every request fails for the same reason. */
interface Outage {
  beganAt: number;
  lastAt: number;
  requests: number;
}

/**
 * @param clock monotonic, milliseconds
 * @returns what to call for every answer of 500 and above
 */
export function createFailureLog(log: Log, clock: () => number, overAfterMs = quietMs): ReportFailure {
  let outage: Outage | undefined;

  function look(): void {
    if (outage === undefined) return;
    const leftMs = outage.lastAt + overAfterMs - clock();
    if (leftMs > 0) {
      setTimeout(look, leftMs).unref();
      return;
    }
    const { beganAt, lastAt, requests } = outage;
    outage = undefined;
    log.info(
      { requests, lastedMs: Math.round(lastAt - beganAt) },
      'The outage is over: no request fails for want of the database any more.',
    );
  }

  return (error, requestId, route) => {
    const code = error instanceof Problem ? error.code : undefined;
    if (code !== undefined && loadCodes.has(code)) return;
    if (code !== 'database-unavailable') {
      log.error({ err: error, requestId, route }, 'A request failed.');
      return;
    }
    const now = clock();
    if (outage !== undefined) {
      outage.lastAt = now;
      outage.requests += 1;
      return;
    }
    outage = { beganAt: now, lastAt: now, requests: 1 };
    setTimeout(look, overAfterMs).unref();
    log.warn({ err: error, requestId, route }, 'The database is away: requests are answered 503.');
  };
}
