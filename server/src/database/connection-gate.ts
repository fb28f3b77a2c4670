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
  timer: NodeJS.Timeout;
  start: () => void;
  refuse: (reason: Error) => void;
}

export function createConnectionGate(options: ConnectionGateOptions): ConnectionGate {
  const { places, mostWaiting, maxWaitMs, now, onWait } = options;
  // A Set keeps the order of arrival and loses any of its members without moving the others.
  const waiters = new Set<Waiter>();
  let running = 0;

  function wait(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const since = now();
      const waiter: Waiter = {
        since,
        timer: setTimeout(() => {
          waiters.delete(waiter);
          reject(new NoConnectionFree(now() - since));
        }, maxWaitMs),
        start: resolve,
        refuse: reject,
      };
      waiters.add(waiter);
    });
  }

  /** The place stays taken: it goes from the one who leaves to the one who waited longest. */
  function passOn(): boolean {
    for (const next of waiters) {
      waiters.delete(next);
      clearTimeout(next.timer);
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
      for (const { timer, refuse } of waiters) {
        clearTimeout(timer);
        refuse(reason);
      }
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
