/** Brings the schema up to date: numbered plain SQL files, forward only, safe to run from several machines at once. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import postgres from 'postgres';
import { exitStatus, StartupError } from '../startup-error.ts';
import { connectPool, type DatabaseAddress } from './client.ts';
import { inTransaction } from './database.ts';
import { findDatabaseRoute } from './route.ts';
import { isUnavailable } from './unavailable.ts';

const folder = new URL('../../migrations/', import.meta.url);

/** Any number will do as long as nobody else uses it: the advisory lock that lets one migration run at a time. */
const lockKey = 4_873_102_965;

const oldestSupportedVersion = 15;

interface Migration {
  version: string;
  sql: string;
  checksum: string;
}

/**
 * Applies what is missing, each file in a transaction of its own.
 *
 * @param address past any pooler
 * @returns the versions that were applied now, such as `['0001-accounts']`
 * @throws StartupError when the database is away, behind a pooler, too old, read-only, newer than this program, or a
 *   file that was applied has been edited since
 */
export async function migrate(address: DatabaseAddress): Promise<string[]> {
  const client = connectPool(address, 1);
  try {
    await requireUsable(client);
    await requireLastingConnection(address);
    // The lock is the session's, so it must live and die with this one connection.
    await client`select pg_advisory_lock(${lockKey}::bigint)`;
    await client`
      create table if not exists schema_migrations (
        version text primary key,
        checksum text not null,
        applied_at timestamptz not null default now()
      )`;
    const applied = await client<{ version: string; checksum: string }[]>`
      select version, checksum from schema_migrations order by version`;
    const migrations = await readMigrations();
    requireKnown(applied, migrations);
    const done = new Set(applied.map((row) => row.version));
    const missing = migrations.filter((migration) => !done.has(migration.version));
    for (const migration of missing) {
      await inTransaction(client, async (tx) => {
        await tx.unsafe(migration.sql).simple();
        await tx`
          insert into schema_migrations (version, checksum)
          values (${migration.version}, ${migration.checksum})`;
      });
    }
    return missing.map((migration) => migration.version);
  } catch (error) {
    throw explain(error);
  } finally {
    await client.end({ timeout: 5 });
  }
}

/**
 * Refuses a database that lacks a migration of ours: whoever was started by an older program, which migrated, would ask for
 * tables that are not there. A database that is newer is none of its business; a start looks at that.
 *
 * @param address past any pooler
 * @throws StartupError also when the database is away
 */
export async function requireMigrated(address: DatabaseAddress): Promise<void> {
  const client = connectPool(address, 1);
  try {
    const applied = await client<{ version: string }[]>`select version from schema_migrations`;
    const known = new Set(applied.map(({ version }) => version));
    const missing = (await readMigrations()).map(({ version }) => version).filter((each) => !known.has(each));
    if (missing.length === 0) return;
    throw new StartupError(
      exitStatus.unavailable,
      `The database lacks ${missing.join(', ')}, which these files need. Run irontrack migrate, or restart the ` +
        'whole service: a rolling restart leaves the schema as it is.',
    );
  } catch (error) {
    throw explain(error);
  } finally {
    await client.end({ timeout: 5 });
  }
}

/** Through a pooler in transaction mode the lock would stay behind, and LISTEN, which succeeds there, hears nothing. */
async function requireLastingConnection(address: DatabaseAddress): Promise<void> {
  const { keeps } = await findDatabaseRoute(address);
  if (keeps !== 'transaction') return;
  throw new StartupError(
    exitStatus.badConfiguration,
    'DATABASE_DIRECT_URL (DATABASE_URL where it is not set) leads through a pooler in transaction mode, such as ' +
      'PgBouncer. Migrations and news of changes need a connection that lasts: set DATABASE_DIRECT_URL to the ' +
      'database itself, beside DATABASE_URL for everything else.',
  );
}

async function requireUsable(client: postgres.Sql): Promise<void> {
  const [server] = await client<{ version: number; readOnly: boolean }[]>`
    select current_setting('server_version_num')::int / 10000 as version,
      (pg_is_in_recovery() or current_setting('transaction_read_only')::bool) as "readOnly"`;
  if (server === undefined) throw new Error('The database did not say its version.');
  if (server.version < oldestSupportedVersion) {
    throw new StartupError(
      exitStatus.unavailable,
      `The database is PostgreSQL ${server.version}, and IronTrack needs ${oldestSupportedVersion} or later. ` +
        'Upgrade it, or unset DATABASE_URL to use the embedded one.',
    );
  }
  if (server.readOnly) {
    throw new StartupError(
      exitStatus.unavailable,
      'The database is read-only. Point DATABASE_URL at the primary, not at a replica, or end the read-only mode.',
    );
  }
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return await Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8');
      return {
        version: name.slice(0, -'.sql'.length),
        sql,
        checksum: createHash('sha256').update(sql).digest('hex'),
      };
    }),
  );
}

function requireKnown(
  applied: readonly { version: string; checksum: string }[],
  migrations: readonly Migration[],
): void {
  for (const row of applied) {
    const migration = migrations.find((candidate) => candidate.version === row.version);
    if (migration === undefined) {
      throw new StartupError(
        exitStatus.unavailable,
        `The database has migration ${row.version}, which this version does not know. Run the newer IronTrack.`,
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new StartupError(
        exitStatus.unavailable,
        `Migration ${row.version} was edited after it had been applied. Restore the file; add a new one instead.`,
      );
    }
  }
}

function explain(error: unknown): unknown {
  if (error instanceof StartupError) return error;
  if (isUnavailable(error)) {
    return new StartupError(
      exitStatus.unavailable,
      `The database cannot be reached (${messageOf(error)}). Start it, or check DATABASE_URL.`,
      { cause: error },
    );
  }
  if (error instanceof postgres.PostgresError) {
    // 28: the role may not log in; 3D: no such database; 42501: it may not create tables.
    return new StartupError(
      exitStatus.unavailable,
      `The database refused (${error.message}). Check the name, the password and the rights in DATABASE_URL.`,
      { cause: error },
    );
  }
  return error;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
