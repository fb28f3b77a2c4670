/** Where the database of a command is: the one it was told of, or the embedded one, started if need be. */
import { type Config, readConfig } from '../config.ts';
import type { DatabaseAddress } from '../database/client.ts';
import { startEmbeddedDatabase } from '../database/embedded.ts';
import { migrate } from '../database/migrations.ts';
import { extraConnections } from '../database/pool-size.ts';
import { findDatabaseRoute, type ReplicaPlace } from '../database/route.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
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
  const embedded = await startEmbeddedDatabase({
    dataDir: config.dataDir,
    whenInUse,
    say,
    maxConnections: connectionsFor(config),
  });
  return { address: embedded.connection, directAddress: embedded.connection, stop: () => embedded.stop() };
}

export interface StatementRoute {
  /** Connections of the pool are the pooler's to count. */
  isPooled: boolean;
  /** May statements stay prepared? */
  prepares: boolean;
}

/**
 * What the statements of a running service go through. The schema must be up to date, which shows that the database
 * itself can be reached.
 *
 * @throws StartupError when DATABASE_URL does not answer, or leads to another database than DATABASE_DIRECT_URL
 */
export async function findStatementRoute(
  { preparedStatements }: Pick<Config['database'], 'preparedStatements'>,
  { address, directAddress }: Pick<DatabaseAccess, 'address' | 'directAddress'>,
): Promise<StatementRoute> {
  try {
    const route = await findDatabaseRoute(address);
    if (address !== directAddress) {
      const direct = await findDatabaseRoute(directAddress);
      if (direct.databaseId !== route.databaseId) throw differentDatabases();
    }
    return {
      isPooled: route.keeps !== 'always',
      prepares: preparedStatements === 'auto' ? route.keepsPrepared : preparedStatements === 'on',
    };
  } catch (error) {
    if (error instanceof StartupError || !(error instanceof Error && 'code' in error)) throw error;
    throw new StartupError(
      exitStatus.unavailable,
      `DATABASE_URL does not lead to the database (${error.message}). Start the pooler there, or check its address.`,
      { cause: error },
    );
  }
}

/**
 * The replica, which may be away at the start and come later; then its statements are not prepared.
 *
 * @returns undefined when none is configured
 */
export async function findReplica({
  preparedStatements,
  replicaUrl: address,
  poolSize,
}: Config['database']): Promise<ReplicaPlace | undefined> {
  if (address === undefined) return undefined;
  if (preparedStatements !== 'auto') return { address, poolSize, prepares: preparedStatements === 'on' };
  const prepares = await findDatabaseRoute(address).then(
    (route) => route.keepsPrepared,
    () => false,
  );
  return { address, poolSize, prepares };
}

function differentDatabases(): StartupError {
  return new StartupError(
    exitStatus.badConfiguration,
    'DATABASE_URL and DATABASE_DIRECT_URL lead to different databases. Both must be the same one: through the ' +
      'pooler, and past it.',
  );
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

/** PostgreSQL's own number unless the workers and one more, which takes over in a rolling restart, need a larger one. */
function connectionsFor({ workers, database }: Config): number {
  const usual = 100;
  // 3 are PostgreSQL's reserve; more than 500 processes is a mistake in the settings, and is refused.
  const needed = (workers + 1) * (database.poolSize + extraConnections) + 3;
  return Math.min(Math.max(usual, needed), 500);
}
