/** Makes the database cluster at the first start, and checks at every later one that it is ours to run. */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitStatus, StartupError } from '../../startup-error.ts';
import type { Binaries } from './binaries.ts';
import { errorCode, explainFailure } from './failures.ts';
import { giveTo, type Identity } from './identity.ts';
import { runProgram } from './run.ts';

/** The major version of the binaries we depend on; a cluster of another one cannot be opened by them. */
const majorVersion = '18';
const unfinishedPrefix = 'postgresql.new-';
const passwordFile = 'irontrack.password';

interface ClusterPlan {
  dataDir: string;
  clusterDir: string;
  binaries: Binaries;
  identity: Identity;
  durable: boolean;
}

/** True when the folder holds a finished cluster (of whatever version). */
export async function hasCluster(clusterDir: string): Promise<boolean> {
  return (await readVersion(clusterDir)) !== undefined;
}

/**
 * Makes sure there is a cluster that our PostgreSQL can run. Call it while holding the data folder's lock.
 *
 * @returns the password to connect with, where there is one (Windows).
 * @throws {StartupError} 69 for another version, foreign content, a full disk, or an initdb that failed.
 */
export async function prepareCluster(plan: ClusterPlan): Promise<{ password?: string }> {
  const { dataDir, clusterDir, identity } = plan;
  await removeUnfinished(dataDir);
  const version = await readVersion(clusterDir);
  if (version === undefined) {
    if (!(await isMissingOrEmpty(clusterDir))) throw notACluster(clusterDir);
    await createCluster(plan);
  } else if (version !== majorVersion) {
    throw otherVersion(clusterDir, version);
  } else if (identity.user !== undefined && (await lstat(clusterDir)).uid !== identity.user.uid) {
    // A backup that root put back belongs to root, and PostgreSQL opens only what belongs to its own user.
    await giveTo(identity, clusterDir);
  }
  // A restored or copied folder may have lost its mode, too; PostgreSQL insists on it.
  if (process.platform !== 'win32') await chmod(clusterDir, 0o700);
  const password = await readFile(join(clusterDir, passwordFile), 'utf8').catch(() => undefined);
  return password === undefined ? {} : { password };
}

/** Builds the cluster beside its place and moves it there when it is complete: no start ever sees half of one. */
async function createCluster(plan: ClusterPlan): Promise<void> {
  const { dataDir, clusterDir, binaries, identity } = plan;
  const unfinished = await mkdtemp(join(dataDir, unfinishedPrefix));
  try {
    await giveTo(identity, unfinished);
    const password = process.platform === 'win32' ? randomBytes(32).toString('base64url') : undefined;
    const passwordInput = join(dataDir, `${unfinishedPrefix}password`);
    if (password !== undefined) await writeFile(passwordInput, password, { mode: 0o600 });
    const authentication =
      password === undefined
        ? ['--auth-local=trust', '--auth-host=reject']
        : ['--auth=scram-sha-256', `--pwfile=${passwordInput}`];
    await runOrExplain(plan, binaries.initdb, [
      `--pgdata=${unfinished}`,
      '--username=irontrack',
      '--encoding=UTF8',
      // Text sorts by code point and still knows upper and lower case of every script. PostgreSQL's own tables, so
      // that no update of the system's C library or ICU can silently break an index.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--data-checksums',
      '--no-instructions',
      ...(plan.durable ? [] : ['--no-sync']),
      ...authentication,
    ]);
    // In single-user mode, so that the database exists before anybody can see the cluster.
    const single = ['--single', '-D', unfinished, ...(plan.durable ? [] : ['-F']), 'postgres'];
    await runOrExplain(plan, binaries.postgres, single, 'CREATE DATABASE irontrack;\n');
    if (password !== undefined) {
      await writeFile(join(unfinished, passwordFile), password, { mode: 0o600 });
      await rm(passwordInput, { force: true });
    }
    await rename(unfinished, clusterDir);
    if (plan.durable) await syncFolder(dataDir);
  } catch (error) {
    await removeUnfinished(dataDir);
    throw error;
  }
}

async function runOrExplain(
  plan: ClusterPlan,
  program: string,
  args: string[],
  input?: string,
): Promise<void> {
  const { code, output } = await runProgram(plan.identity, program, args, input);
  // The single-user server ends with 0 whatever became of the statement.
  if (code === 0 && !/\b(ERROR|FATAL|PANIC):/.test(output)) return;
  throw explainFailure(program, output, plan.dataDir);
}

/** What an interrupted first start left behind; the lock says that nobody is working on it any more. */
async function removeUnfinished(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(unfinishedPrefix)) continue;
    // An initdb whose server was killed may still be writing for a moment.
    await rm(join(dataDir, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

/** A rename is on disk once its folder is. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readVersion(clusterDir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(clusterDir, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function isMissingOrEmpty(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length === 0;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return true;
    throw error;
  }
}

function otherVersion(clusterDir: string, version: string): StartupError {
  return new StartupError(
    exitStatus.unavailable,
    `The database in ${clusterDir} was made by PostgreSQL ${version}, and this IronTrack brings ${majorVersion}. ` +
      'Start it with the IronTrack that made it and move the data by pg_dump, or name another folder in DATA_DIR.',
  );
}

function notACluster(clusterDir: string): StartupError {
  return new StartupError(
    exitStatus.unavailable,
    `The folder ${clusterDir} holds files but no PostgreSQL database. Move them away, or name another folder in ` +
      'DATA_DIR.',
  );
}
