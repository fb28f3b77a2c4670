/** Writes results as soon as it can, as many at once as have come in meanwhile. */
import type { Claim } from './claims.sql.ts';
import type { Answer, Outcome } from './outcome.ts';
import type { AddressNews, Result } from './results.sql.ts';

export interface Attempted {
  claim: Claim;
  at: Date;
  answer: Answer;
  outcome: Outcome;
}

export interface ResultWriter {
  /** Resolves once it is written: true when it counted, false when the claim was lost to somebody else. */
  write(attempted: Attempted): Promise<boolean>;
}

type Write = (results: readonly Result[], news: readonly AddressNews[]) => Promise<ReadonlySet<string>>;

interface Waiting {
  attempted: Attempted;
  done: (counted: boolean) => void;
  fail: (error: unknown) => void;
}

/** One statement holds this many results at most. */
const batchSize = 256;

export function createResultWriter(write: Write): ResultWriter {
  let waiting: Waiting[] = [];
  let isWriting = false;

  async function flush(): Promise<void> {
    if (isWriting) return;
    isWriting = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchSize);
      waiting = waiting.slice(batchSize);
      await writeBatch(batch);
    }
    isWriting = false;
  }

  async function writeBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const all = batch.map(({ attempted }) => attempted);
      const counted = await write(all.map(toResult), collectNews(all));
      for (const { attempted, done } of batch) done(counted.has(attempted.claim.eventId));
    } catch (error) {
      for (const { fail } of batch) fail(error);
    }
  }

  return {
    write(attempted) {
      const { promise, resolve, reject } = Promise.withResolvers<boolean>();
      waiting.push({ attempted, done: resolve, fail: reject });
      void flush();
      return promise;
    },
  };
}

function toResult({ claim, at, answer, outcome }: Attempted): Result {
  const { eventId, organizationId, fence, attempts } = claim;
  const { statusCode, durationMs, error } = answer;
  return {
    eventId,
    organizationId,
    fence,
    number: attempts + 1,
    kind: outcome.kind,
    at,
    dueAt: new Date(at.getTime() + durationMs + outcome.retryInMs),
    statusCode,
    durationMs,
    error,
  };
}

/** What the batch says of each address, in the order the answers came. */
export function collectNews(batch: readonly Attempted[]): AddressNews[] {
  const all = new Map<string, AddressNews>();
  for (const { claim, at, answer, outcome } of batch) {
    const { organizationId, address } = claim;
    const known = all.get(organizationId);
    const { failures, hadSuccess, pausedUntil, isGone } =
      known?.address === address
        ? known
        : { failures: 0, hadSuccess: false, pausedUntil: null, isGone: false };
    const isSuccess = outcome.kind === 'delivered';
    const answeredAt = at.getTime() + answer.durationMs;
    all.set(organizationId, {
      organizationId,
      address,
      failures: isSuccess ? 0 : failures + 1,
      hadSuccess: hadSuccess || isSuccess,
      pausedUntil: outcome.pauseMs > 0 ? new Date(answeredAt + outcome.pauseMs) : pausedUntil,
      isGone: isGone || outcome.kind === 'gone',
    });
  }
  return [...all.values()];
}
