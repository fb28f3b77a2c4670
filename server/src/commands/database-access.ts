/** Where the database of a command is: the one it was told of, or the embedded one, started if need be. */
import { type Config, readConfig } from '../config.ts';
import type { DatabaseAddress } from '../database/database.ts';
import { startEmbeddedDatabase } from '../database/embedded.ts';
import { migrate } from '../database/migrations.ts';
import type { CommandContext } from './command.ts';

interface DatabaseAccess {
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

interface MigratedDatabase {
  config: Config;
  address: DatabaseAddress;
  /** Past the pooler, if there is one. */
  directAddress: DatabaseAddress;
  /** The migrations that were missing, by name. */
  applied: readonly string[];
}

/**
 * Runs a command on the configured database with its schema up to date, beside a running server if there is one.
 *
 * @throws StartupError when the configuration is wrong or there is no database to be had; else what `work` throws
 */
export async function withDatabase<Result>(
  { environment, stdout, stderr }: CommandContext,
  work: (database: MigratedDatabase) => Promise<Result>,
): Promise<Result> {
  const config = readConfig(environment, stdout.isTTY === true);
  const access = await openDatabaseAccess(config, 'join', (sentence) => stderr.write(`${sentence}\n`));
  try {
    const applied = await migrate(access.directAddress);
    const { address, directAddress } = access;
    return await work({ config, address, directAddress, applied });
  } finally {
    await access.stop();
  }
}
