import { exitStatus, StartupError } from '../startup-error.ts';
import { connectPool, type DatabaseAddress } from './database.ts';

/** Connections of a node beside its pool: one listens, one is free for commands. */
const extraConnections = 2;

/**
 * Refuses a pool that the server could not serve when it is full, before it happens under load.
 *
 * @throws StartupError that says the formula with its numbers
 */
export async function requireConnections(
  address: DatabaseAddress,
  poolSize: number,
  nodes = 1,
): Promise<void> {
  const client = connectPool(address, 1);
  try {
    const [row] = await client<{ most: number; reserved: number }[]>`
      select current_setting('max_connections')::int as most,
        current_setting('superuser_reserved_connections')::int
          + coalesce(current_setting('reserved_connections', true), '0')::int as reserved`;
    if (row === undefined) return;
    const needed = nodes * (poolSize + extraConnections);
    if (needed <= row.most - row.reserved) return;
    throw new StartupError(
      exitStatus.badConfiguration,
      `DATABASE_POOL_SIZE is too large for this database: workers x (pool + ${extraConnections}) = ` +
        `${nodes} x (${poolSize} + ${extraConnections}) = ${needed}, and max_connections - reserved = ` +
        `${row.most} - ${row.reserved} = ${row.most - row.reserved}. Lower it, or raise max_connections.`,
    );
  } finally {
    await client.end({ timeout: 5 });
  }
}
