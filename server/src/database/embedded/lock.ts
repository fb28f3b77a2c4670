/**
 * One process a data folder.
 *
 * The lock is a kernel lock, taken through SQLite because Node has no flock of its own: it vanishes with the process
 * that holds it, however that process ends, so there is no stale lock to recognise, no recycled process id to
 * mistake for the holder, and no race between two that take over. It also holds between containers that share a
 * volume, where process ids mean nothing. The id of the holder stands in a file beside it, for the message only.
 */
import { chmodSync, closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { exitStatus, StartupError } from '../../startup-error.ts';
import type { DatabaseConnection } from '../embedded.ts';
import { asStartupError, dataFolderFull } from './failures.ts';

interface DataFolderLock {
  /** Tells later commands where the database of this process listens. */
  publish(connection: DatabaseConnection): void;
  release(): void;
}

interface Holder {
  pid: number;
  connection?: DatabaseConnection;
}

const sqliteBusy = 5;
const sqliteFull = 13;

/** Makes the data folder when it is missing and returns its real path. */
export async function openDataFolder(path: string): Promise<string> {
  const dataDir = resolve(path);
  try {
    // As root, PostgreSQL runs as somebody else, who must be able to pass through (not to look around).
    await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    return await realpath(dataDir);
  } catch (error) {
    throw asStartupError(error, dataDir);
  }
}

/**
 * Takes the data folder for this process.
 *
 * @returns the lock; or, when another process holds the folder and `whenInUse` is 'join', its connection.
 * @throws {StartupError} 69 naming the process that holds the folder.
 */
export function lockDataFolder(
  dataDir: string,
  whenInUse: 'refuse' | 'join',
): DataFolderLock | { connection: DatabaseConnection } {
  const holderFile = join(dataDir, 'irontrack.pid');
  try {
    // The holder's file first: it is the one that reports a missing permission or a full disk in plain terms.
    writeFileSync(holderFile, '', { flag: 'a', mode: 0o600 });
    const lock = tryLock(join(dataDir, 'irontrack.lock'));
    if (lock === undefined) {
      const holder = readHolder(holderFile);
      if (whenInUse === 'join' && holder?.connection !== undefined) return { connection: holder.connection };
      throw inUse(dataDir, holder);
    }
    const write = (holder: Holder) =>
      writeFileSync(holderFile, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
    try {
      write({ pid: process.pid });
    } catch (error) {
      lock.close();
      throw error;
    }
    return {
      publish: (connection) => write({ pid: process.pid, connection }),
      release: () => {
        if (!lock.isOpen) return;
        rmSync(holderFile, { force: true });
        lock.close();
      },
    };
  } catch (error) {
    throw asStartupError(error, dataDir);
  }
}

/**
 * SQLite would make the file for everybody to read, and who can read it can lock it: that would keep us out. An existing
 * one is not opened here: closing it again would drop the lock that this process may have on it (POSIX).
 */
function makePrivate(path: string): void {
  if (existsSync(path)) chmodSync(path, 0o600);
  else closeSync(openSync(path, 'a', 0o600));
}

/** The open database that holds the lock; undefined when another process (or this one, twice) has it. */
function tryLock(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    makePrivate(path);
    database = new DatabaseSync(path, { timeout: 0 });
    // Nothing is ever written, not even a journal: the open transaction is the lock.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database?.close();
    const reason = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
    if (reason === sqliteBusy) return undefined;
    if (reason === sqliteFull) throw dataFolderFull(dirname(path), error);
    throw new StartupError(
      exitStatus.badConfiguration,
      `The lock file ${path} cannot be used (${error instanceof Error ? error.message : String(error)}). Give the ` +
        'data folder to the user that runs IronTrack (chown -R), or name another one in DATA_DIR.',
      { cause: error },
    );
  }
}

function inUse(dataDir: string, holder: Holder | undefined): StartupError {
  const who = holder === undefined ? 'another IronTrack' : `another IronTrack (process ${holder.pid})`;
  return new StartupError(
    exitStatus.unavailable,
    `The data folder ${dataDir} is in use by ${who}. Stop that one first, or give this one a folder of its own ` +
      'in DATA_DIR.',
  );
}

/** Parses the holder's file; undefined while the holder is about to write it. */
function readHolder(path: string): Holder | undefined {
  try {
    const holder: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isHolder(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}

function isHolder(value: unknown): value is Holder {
  return typeof value === 'object' && value !== null && 'pid' in value && typeof value.pid === 'number';
}
