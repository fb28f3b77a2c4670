/** Where the database of a command is: the one it was told of, or the embedded one, started if need be. */
import type { Config } from '../config.ts';
import type { DatabaseAddress } from '../database/database.ts';
import { startEmbeddedDatabase } from '../database/embedded.ts';

export interface DatabaseAccess {
  address: DatabaseAddress;
  directAddress: DatabaseAddress;
  /** Stops the embedded database if this process started it. */
  stop(): Promise<void>;
}

/**
 * @param whenInUse what to do when another process holds the data folder: `join` uses its database
 * @param say tells the operator of something that happened, in one sentence
 * @throws StartupError when there is no database to be had
 */
export async function openDatabaseAccess(
  config: Config,
  whenInUse: 'refuse' | 'join',
  say: (sentence: string) => void,
): Promise<DatabaseAccess> {
  const { url, directUrl } = config.database;
  if (url !== undefined)
    return { address: url, directAddress: directUrl ?? url, stop: async () => undefined };
  const embedded = await startEmbeddedDatabase({ dataDir: config.dataDir, whenInUse, say });
  return { address: embedded.connection, directAddress: embedded.connection, stop: () => embedded.stop() };
}
