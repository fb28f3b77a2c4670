/** Password work in the thread pool: a few at a time, first come first served, and never a wait without end. */

/** Thrown instead of making somebody wait too long; the HTTP layer turns it into 503 with Retry-After. */
export class HashQueueFull extends Error {
  override readonly name = 'HashQueueFull';
  /** Whole seconds, at least 1, after which the present queue should have been worked off. */
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super('Too many passwords are waiting to be checked.');
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface HashQueue {
  /**
   * Runs the job when a slot is free and settles as the job does.
   *
   * @throws {HashQueueFull} at once when the expected wait is over `maxWaitMs`, or at its turn when the wait turned
   *   out more than twice that
   */
  run<T>(job: () => Promise<T>): Promise<T>;
  /** What `run` would throw right now; undefined when it would take the job. */
  refusal(): HashQueueFull | undefined;
  /** Jobs in a slot now. */
  readonly running: number;
  /** Jobs waiting for a slot now. */
  readonly waiting: number;
  /** Exponentially weighted mean of the time a job holds its slot, in milliseconds. */
  readonly meanJobMs: number;
}

interface HashQueueOptions {
  /** Jobs at once, at least 1. */
  concurrency: number;
  /** The longest wait anybody is let in for; 0 means that nobody waits. */
  maxWaitMs: number;
  /** A monotonic clock in milliseconds. */
  now: () => number;
  /** What a job is assumed to cost before any has been measured: Argon2id at 64 MiB, 3 passes takes 46 to 55 ms. */
  initialJobMs?: number;
  /** Hears how long each started job has waited, in milliseconds; for the histogram. */
  onWait?: (waitMs: number) => void;
}

// A tenth per job: after a change of parameters the mean is within 10 % of the truth after 22 jobs, about a second,
// and one slow imported hash does not close the door on everybody.
const newestShare = 0.1;

// The estimate decides at the door. Past it, a job is only given up when it was off by more than this factor (a run
// of costly imported hashes, a machine that stalled): by then its client has most likely gone, and hashing for those
// who left while others arrive is how an overload feeds itself. Below it, throwing away a wait that is nearly over
// would help nobody.
const latenessFactor = 2;

interface WaitingJob {
  enqueuedAt: number;
  start: () => void;
  refuse: (reason: unknown) => void;
}

export function createHashQueue(options: HashQueueOptions): HashQueue {
  const { concurrency, maxWaitMs, now, onWait } = options;
  // A Set keeps the order of arrival and loses its first without moving the others.
  const waitingJobs = new Set<WaitingJob>();
  let running = 0;
  let meanJobMs = options.initialJobMs ?? 50;

  // All slots are busy, so the job starts at the (waiting + 1)th completion, and those come every mean / concurrency.
  function estimateWaitMs(): number {
    return ((waitingJobs.size + 1) / concurrency) * meanJobMs;
  }

  function startNext(): void {
    for (const next of waitingJobs) {
      if (running >= concurrency) return;
      waitingJobs.delete(next);
      if (now() - next.enqueuedAt > maxWaitMs * latenessFactor) next.refuse(refusal(estimateWaitMs()));
      else next.start();
    }
  }

  async function hold<T>(job: () => Promise<T>, waitMs: number): Promise<T> {
    running += 1;
    const startedAt = now();
    try {
      onWait?.(waitMs);
      const result = await job();
      // Failures are left out: one that ends at once would make the queue look faster than it is.
      meanJobMs += newestShare * (now() - startedAt - meanJobMs);
      return result;
    } finally {
      running -= 1;
      startNext();
    }
  }

  function wait<T>(job: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const enqueuedAt = now();
      waitingJobs.add({
        enqueuedAt,
        start: () => resolve(hold(job, now() - enqueuedAt)),
        refuse: reject,
      });
    });
  }

  function refuseNow(): HashQueueFull | undefined {
    if (running < concurrency) return undefined;
    const waitMs = estimateWaitMs();
    return waitMs > maxWaitMs ? refusal(waitMs) : undefined;
  }

  return {
    run: async (job) => {
      if (running < concurrency) return hold(job, 0);
      const refused = refuseNow();
      if (refused !== undefined) throw refused;
      return wait(job);
    },
    refusal: refuseNow,
    get running() {
      return running;
    },
    get waiting() {
      return waitingJobs.size;
    },
    get meanJobMs() {
      return meanJobMs;
    },
  };
}

function refusal(waitMs: number): HashQueueFull {
  return new HashQueueFull(Math.max(1, Math.ceil(waitMs / 1000)));
}
