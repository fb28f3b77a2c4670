/** The connections that may send, in the order in which they became free. */
import type { Connection } from './connection.ts';

/**
 * A ring rather than a stack: connections take turns, so that none is idle for so long that the server closes it. One
 * that is lost while it waits stays in its place and is passed over, or is free again when it has been opened anew.
 */
export class FreeConnections {
  /** Since when one has been free without a break; infinite while none is. Microseconds since the phase began. */
  sinceUs = Number.POSITIVE_INFINITY;

  readonly #ring: (Connection | undefined)[];
  #first = 0;
  #queued = 0;
  #free = 0;

  constructor(size: number) {
    this.#ring = Array.from({ length: size }, () => undefined);
  }

  putBack(connection: Connection, nowUs: number): void {
    if (connection.isFree) return;
    connection.isFree = true;
    if (this.#free++ === 0) this.sinceUs = nowUs;
    if (connection.isQueuedFree) return;
    connection.isQueuedFree = true;
    let at = this.#first + this.#queued++;
    if (at >= this.#ring.length) at -= this.#ring.length;
    this.#ring[at] = connection;
  }

  /** The one that has waited longest, no longer free; undefined when there is none. */
  take(): Connection | undefined {
    while (this.#queued > 0) {
      const connection = this.#ring[this.#first];
      this.#first = this.#first + 1 === this.#ring.length ? 0 : this.#first + 1;
      this.#queued--;
      if (connection === undefined) continue;
      connection.isQueuedFree = false;
      if (!connection.isFree) continue;
      this.remove(connection);
      return connection;
    }
    return undefined;
  }

  remove(connection: Connection): void {
    if (!connection.isFree) return;
    connection.isFree = false;
    if (--this.#free === 0) this.sinceUs = Number.POSITIVE_INFINITY;
  }
}
