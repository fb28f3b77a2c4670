/**
 * What stands around the service in a run of tests: TEST_TOPOLOGY names it, and the tests stay the same. `pgbouncer`: the
 * service of the test's own process, whose statements go through a PgBouncer in transaction mode. `nginx`: nodes of their
 * own behind nginx, see server/test/topology/contract-service.ts.
 */
import type { DatabaseAddress } from '../../src/database/client.ts';
import { startPgbouncer } from './pgbouncer.ts';

export function isAround(part: 'pgbouncer' | 'nginx'): boolean {
  return process.env.TEST_TOPOLOGY === part;
}

/** The way from the service to its database. */
export async function reachThroughTopology(
  straight: DatabaseAddress,
): Promise<{ address: DatabaseAddress; close(): Promise<void> }> {
  if (!isAround('pgbouncer') || typeof straight === 'string') {
    return { address: straight, close: async () => undefined };
  }
  return await startPgbouncer(straight);
}
