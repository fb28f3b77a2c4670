/** What the experiment stands on: a PostgreSQL, a folder, and our own server as a program that is started like any other. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { exitStatus, LabError } from '../exit-status.ts';
import { type ServerUnderTest, startServer } from '../load/server-process.ts';
import { findFreePort } from '../load/side.ts';
import { quoteCommand } from '../report/format-figures.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Ground {
  databaseUrl: string;
  /** Such as "18.4". */
  postgresVersion: string;
  /** For what is thrown away at the end. */
  folder: string;
  close(): Promise<void>;
}

export interface GroundOptions {
  /** An empty database; undefined lets our server bring its own. */
  databaseUrl: string | undefined;
  /** Cores of the PostgreSQL that is started here. */
  cores: string | null;
  environment: Environment;
  cwd: string;
  interrupted: AbortSignal;
}

const launcher = fileURLToPath(new URL('../../../server/bin/irontrack.mjs', import.meta.url));

/**
 * The command of our server, which throws its log away. The log is written all the same: what it costs to write belongs
 * to the figures, what a disk takes does not.
 */
export const ownServerCommand = `exec ${quoteCommand([process.execPath, launcher, 'serve'])} >/dev/null`;

/** @param dataDir where it keeps its key, and without a databaseUrl its PostgreSQL */
export function ownServerEnvironment(
  environment: Environment,
  given: { port: number; dataDir: string; databaseUrl?: string; log: boolean },
): Environment {
  return {
    ...environment,
    HOST: '127.0.0.1',
    PORT: String(given.port),
    DATA_DIR: given.dataDir,
    DATABASE_URL: given.databaseUrl ?? '',
    RATE_LIMIT: 'off',
    WEBHOOK_WORKER: 'off',
    LOG_FORMAT: 'json',
    LOG_LEVEL: given.log ? 'info' : 'warn',
  };
}

/**
 * Without a database of the user's our server is started once more, only for the PostgreSQL that comes with it: the lab
 * needs none of its own, and the last step reads from the same one as the others.
 *
 * @throws LabError when it does not start or cannot be reached
 */
export async function openGround(options: GroundOptions): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-'));
  let keeper: ServerUnderTest | undefined;
  try {
    let { databaseUrl } = options;
    if (databaseUrl === undefined) {
      const dataDir = join(folder, 'data');
      const port = await findFreePort();
      keeper = await startServer({
        command: ownServerCommand,
        cores: options.cores,
        url: new URL(`http://127.0.0.1:${port}/ping`),
        readyTimeoutS: 120,
        environment: ownServerEnvironment(options.environment, { port, dataDir, log: false }),
        cwd: options.cwd,
        interrupted: options.interrupted,
      });
      databaseUrl = `postgres://irontrack@localhost:5432/irontrack?host=${encodeURIComponent(join(dataDir, 'postgresql'))}`;
    }
    const postgresVersion = await readPostgresVersion(databaseUrl);
    return {
      databaseUrl,
      postgresVersion,
      folder,
      async close() {
        try {
          if (keeper === undefined && databaseUrl !== undefined) await dropTables(databaseUrl);
        } finally {
          await keeper?.stop();
          rmSync(folder, { recursive: true, force: true });
        }
      },
    };
  } catch (error) {
    await keeper?.stop();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function readPostgresVersion(databaseUrl: string): Promise<string> {
  return withClient(databaseUrl, async (sql) => {
    const [row] = await sql<{ server_version: string }[]>`show server_version`;
    return row?.server_version.split(' ')[0] ?? 'unknown';
  });
}

/** The experiment's; what our own server made in a database of the user's stays his. */
async function dropTables(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, (sql) => sql`drop schema if exists lab_experiment cascade`);
}

async function withClient<Value>(
  databaseUrl: string,
  work: (sql: postgres.Sql) => Promise<Value>,
): Promise<Value> {
  const url = new URL(databaseUrl);
  const host = url.searchParams.get('host');
  url.searchParams.delete('host');
  const sql = postgres(url.href, {
    max: 1,
    connect_timeout: 10,
    onnotice: () => undefined,
    ...(host === null ? {} : { host }),
  });
  try {
    return await work(sql);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LabError(exitStatus.tool, `PostgreSQL cannot be used: ${reason}`, { cause: error });
  } finally {
    await sql.end({ timeout: 1 });
  }
}
