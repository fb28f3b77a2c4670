import { uuidv7 } from 'uuidv7';
import { systemClock } from '../clock.ts';
import type { DatabaseAddress } from '../database/client.ts';
import { type Filled, fillEmptyCatalog } from '../exercises/seed/system-exercises.ts';
import { inOneTransaction } from './one-transaction.ts';

/**
 * Fills the catalog at the first start. Later starts leave it alone: what a superuser deleted does not come back.
 *
 * @returns undefined when there was something in it
 * @throws StartupError when the database goes away
 */
export async function createFirstCatalog(
  address: DatabaseAddress,
  timeoutMs: number,
): Promise<Filled | undefined> {
  return await inOneTransaction(address, timeoutMs, (tx) =>
    fillEmptyCatalog(tx, { now: systemClock(), makeId: uuidv7 }),
  );
}
