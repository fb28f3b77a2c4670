/** Who may use a connection: as many as there are, the others in order of arrival, and never a wait without end. */

/** Thrown at somebody who would wait, or has waited, too long for a connection. */
export class NoConnectionFree extends Error {
  override readonly name = 'NoConnectionFree';
  /** Milliseconds that it has waited. */
  readonly waitedMs: number;

  constructor(waitedMs: number) {
    super(`No database connection was free in ${Math.round(waitedMs)} ms.`);
    this.waitedMs = waitedMs;
  }
}

export interface ConnectionGate {
  /**
   * Takes a connection; each has to be given back by `leave`. Undefined when one was free, so that the usual case costs
   * no promise.
   *
   * @throws {NoConnectionFree} at once when too many wait, or after the longest wait
   */
  enter(): Promise<void> | undefined;
  leave(): void;
  /** Refuses everybody who waits. */
  refuseAll(reason: Error): void;
  readonly running: number;
  readonly waiting: number;
  /** How long the first in the queue has waited, milliseconds; 0 when nobody waits. */
  readonly oldestWaitMs: number;
}

interface ConnectionGateOptions {
  /** Connections. */
  places: number;
  /** Callers that may wait at most. */
  mostWaiting: number;
  maxWaitMs: number;
  /** A monotonic clock in milliseconds. */
  now: () => number;
  /** Hears how long somebody who had to wait has waited, in milliseconds. */
  onWait?: (waitMs: number) => void;
}

interface Waiter {
  since: number;
  start: () => void;
  refuse: (reason: Error) => void;
}

export function createConnectionGate(options: ConnectionGateOptions): ConnectionGate {
  const { places, mostWaiting, maxWaitMs, now, onWait } = options;
  // A Set keeps the order of arrival and loses any of its members without moving the others.
  const waiters = new Set<Waiter>();
  let running = 0;
  // One timer for all, set for the first: a timer for each would cost every caller that waits two more microseconds.
  let timer: NodeJS.Timeout | undefined;

  function wait(): Promise<void> {
    if (timer === undefined) timer = setTimeout(refuseLate, maxWaitMs).unref();
    return new Promise<void>((resolve, reject) => {
      waiters.add({ since: now(), start: resolve, refuse: reject });
    });
  }

  function refuseLate(): void {
    timer = undefined;
    for (const waiter of waiters) {
      const waitedMs = now() - waiter.since;
      if (waitedMs < maxWaitMs) {
        timer = setTimeout(refuseLate, maxWaitMs - waitedMs).unref();
        return;
      }
      waiters.delete(waiter);
      waiter.refuse(new NoConnectionFree(waitedMs));
    }
  }

  /** The place stays taken: it goes from the one who leaves to the one who waited longest. */
  function passOn(): boolean {
    for (const next of waiters) {
      waiters.delete(next);
      onWait?.(now() - next.since);
      next.start();
      return true;
    }
    return false;
  }

  return {
    enter() {
      if (running < places) {
        running += 1;
        return undefined;
      }
      if (waiters.size >= mostWaiting) throw new NoConnectionFree(0);
      return wait();
    },
    leave() {
      if (!passOn()) running -= 1;
    },
    refuseAll(reason) {
      for (const { refuse } of waiters) refuse(reason);
      waiters.clear();
    },
    get running() {
      return running;
    },
    get waiting() {
      return waiters.size;
    },
    get oldestWaitMs() {
      for (const { since } of waiters) return now() - since;
      return 0;
    },
  };
}
