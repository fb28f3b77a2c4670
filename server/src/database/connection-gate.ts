/** Who may use the connections: as many as have a place, the others in order of arrival, and never a wait without end. */
import { Problem } from '../problem.ts';

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

/** What somebody is told for whom no place was free in time. */
export function overloaded(cause: NoConnectionFree): Problem {
  return new Problem('overloaded', undefined, { headers: { 'retry-after': '2' }, cause });
}

/**
 * Takes one place.
 *
 * @param onRefused hears of each that is turned away
 * @throws Problem `overloaded`
 */
export async function takePlace(gate: ConnectionGate, onRefused: () => void): Promise<void> {
  try {
    const turn = gate.enter(1);
    if (turn !== undefined) await turn;
  } catch (error) {
    if (!(error instanceof NoConnectionFree)) throw error;
    onRefused();
    throw overloaded(error);
  }
}

export interface ConnectionGate {
  /**
   * Takes places; as many have to be given back by `leave`. Undefined when they were free, so that the usual case costs
   * no promise.
   *
   * @param places not more than there are
   * @throws {NoConnectionFree} at once when too many wait, or after the longest wait
   */
  enter(places: number): Promise<void> | undefined;
  leave(places: number): void;
  /** Refuses everybody who waits. */
  refuseAll(reason: Error): void;
  /** Callers that have gone in and not left. */
  readonly running: number;
  readonly waiting: number;
  /** How long the first in the queue has waited, milliseconds; 0 when nobody waits. */
  readonly oldestWaitMs: number;
}

interface ConnectionGateOptions {
  /** How many there are; a connection may have several. */
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
  places: number;
  since: number;
  start: () => void;
  refuse: (reason: Error) => void;
}

export function createConnectionGate(options: ConnectionGateOptions): ConnectionGate {
  const { mostWaiting, maxWaitMs, now, onWait } = options;
  // A Set keeps the order of arrival and loses any of its members without moving the others.
  const waiters = new Set<Waiter>();
  let free = options.places;
  let running = 0;
  // One timer for all, set for the first: a timer for each would cost every caller that waits two more microseconds.
  let timer: NodeJS.Timeout | undefined;

  function wait(places: number): Promise<void> {
    if (timer === undefined) timer = setTimeout(refuseLate, maxWaitMs).unref();
    return new Promise<void>((resolve, reject) => {
      waiters.add({ places, since: now(), start: resolve, refuse: reject });
    });
  }

  function refuseLate(): void {
    timer = undefined;
    for (const waiter of waiters) {
      const waitedMs = now() - waiter.since;
      if (waitedMs < maxWaitMs) {
        timer = setTimeout(refuseLate, maxWaitMs - waitedMs).unref();
        break;
      }
      waiters.delete(waiter);
      waiter.refuse(new NoConnectionFree(waitedMs));
    }
    // Whoever stood behind one that needed many may fit.
    letIn();
  }

  /** In order of arrival: who needs many places is not passed by those who need few. */
  function letIn(): void {
    for (const next of waiters) {
      if (next.places > free) return;
      waiters.delete(next);
      free -= next.places;
      running += 1;
      onWait?.(now() - next.since);
      next.start();
    }
  }

  return {
    enter(places) {
      if (waiters.size === 0 && places <= free) {
        free -= places;
        running += 1;
        return undefined;
      }
      if (waiters.size >= mostWaiting) throw new NoConnectionFree(0);
      return wait(places);
    },
    leave(places) {
      free += places;
      running -= 1;
      letIn();
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
