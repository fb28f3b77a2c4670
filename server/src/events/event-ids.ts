/** Ids of events: UUIDv7 of the service's clock, so that a range of time is a range of ids. */
import { V7Generator } from 'uuidv7';
import type { Clock } from '../clock.ts';

export interface EventIdentity {
  id: string;
  /** ISO 8601 with milliseconds, the same instant as in the id. */
  createdAt: string;
}

/** Ids of one process rise even within a millisecond; a clock that is set back this far does not make them fall. */
const rollbackMs = 10_000;

/** Asking the system for a few random bytes at a time took a fortieth of all that an event takes. */
const randomBytesAtOnce = 16 * 1024;

export function createEventIds(clock: Clock, randomBytes: (size: number) => Buffer): () => EventIdentity {
  const generator = new V7Generator({ nextUint32: createRandomBits(randomBytes) });
  let lastMs = Number.NaN;
  let lastInstant = '';
  return () => {
    const now = clock();
    const nowMs = now.getTime();
    // Thousands of events share a millisecond; spelling it out takes longer than finding the id.
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      lastInstant = now.toISOString();
    }
    return { id: generator.generateOrResetCore(nowMs, rollbackMs).toString(), createdAt: lastInstant };
  };
}

function createRandomBits(randomBytes: (size: number) => Buffer): () => number {
  let pool: Buffer = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at + 4 > pool.length) {
      pool = randomBytes(randomBytesAtOnce);
      at = 0;
    }
    at += 4;
    return pool.readUInt32LE(at - 4);
  };
}

/** The lowest id an event of this time or later can have. */
export function lowestIdAt(time: Date): string {
  const hex = Math.max(0, time.getTime()).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
