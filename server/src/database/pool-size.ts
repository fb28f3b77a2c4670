import { exitStatus, StartupError } from '../startup-error.ts';
import { connectPool, type DatabaseAddress } from './client.ts';

/** Connections of a worker beside its pool: one listens, one is free for commands. */
export const extraConnections = 2;

/**
 * Refuses a pool that the server could not serve when it is full, before it happens under load.
 *
 * @returns how many connections nobody here will ask for
 * @throws StartupError that says the formula with its numbers
 */
export async function requireConnections(
  address: DatabaseAddress,
  poolSize: number,
  workers = 1,
): Promise<number> {
  const client = connectPool(address, 1);
  try {
    const [row] = await client<{ most: number; reserved: number }[]>`
      select current_setting('max_connections')::int as most,
        current_setting('superuser_reserved_connections')::int
          + coalesce(current_setting('reserved_connections', true), '0')::int as reserved`;
    if (row === undefined) throw new Error('PostgreSQL did not say how many connections it takes.');
    const needed = workers * (poolSize + extraConnections);
    const left = row.most - row.reserved - needed;
    if (left >= 0) return left;
    throw new StartupError(
      exitStatus.badConfiguration,
      `DATABASE_POOL_SIZE is too large for this database: workers x (pool + ${extraConnections}) = ` +
        `${workers} x (${poolSize} + ${extraConnections}) = ${needed}, and max_connections - reserved = ` +
        `${row.most} - ${row.reserved} = ${row.most - row.reserved}. Lower it, or raise max_connections.`,
    );
  } finally {
    await client.end({ timeout: 5 });
  }
}
