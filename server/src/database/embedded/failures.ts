/** Turns what PostgreSQL and the file system say into one sentence that a person can act on. */
import { closeSync, fstatSync, openSync, readSync, statfsSync } from 'node:fs';
import { exitStatus, StartupError } from '../../startup-error.ts';

/** A start needs room for at least one more write-ahead log segment (16 MiB). */
const leastFreeBytes = 16 * 1024 * 1024;

/** A write that stops half-way on a full disk has no error of its own. */
const noSpace =
  /No space left on device|Disk quota exceeded|wrote only \d+ of \d+ bytes|Check free disk space/;

/** The error code of a failed system call, such as 'EACCES'; undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Says which folder is full and what to do. */
export function dataFolderFull(dataDir: string, cause?: unknown): StartupError {
  return new StartupError(
    exitStatus.unavailable,
    `The disk that holds the data folder ${dataDir} is full. Free some space (a new database takes about 60 MB), ` +
      'then start again.',
    { cause },
  );
}

/** A file-system error on the data folder as a StartupError; every other error as it is. */
export function asStartupError(error: unknown, dataDir: string): unknown {
  if (error instanceof StartupError) return error;
  switch (errorCode(error)) {
    case 'EACCES':
    case 'EPERM':
      return new StartupError(
        exitStatus.badConfiguration,
        `The data folder ${dataDir} may not be written by this user. Give the folder to the user that runs ` +
          'IronTrack (chown -R), or name another one in DATA_DIR.',
        { cause: error },
      );
    case 'EROFS':
      return new StartupError(
        exitStatus.badConfiguration,
        `The data folder ${dataDir} is on a read-only file system. Name a writable folder in DATA_DIR.`,
        { cause: error },
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return new StartupError(
        exitStatus.badConfiguration,
        `The data folder ${dataDir} is not a folder. Name a folder in DATA_DIR.`,
        { cause: error },
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return dataFolderFull(dataDir, error);
    default:
      return error;
  }
}

/**
 * Explains why a PostgreSQL program gave up, from what it printed.
 *
 * A full disk also swallows the log line that would say so, hence the look at the free space.
 */
export function explainFailure(program: string, output: string, dataDir: string): StartupError {
  if (noSpace.test(output) || freeBytes(dataDir) < leastFreeBytes) return dataFolderFull(dataDir);
  return new StartupError(
    exitStatus.unavailable,
    `The embedded PostgreSQL did not start (${program}): ${explainingLine(output)}. ` +
      `The whole log is in ${dataDir}; or set DATABASE_URL to a PostgreSQL of your own.`,
  );
}

/** The last line that carries a verdict, without its time stamp; the last line of all when none does. */
function explainingLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const verdict = lines.findLast((line) => /\b(PANIC|FATAL|ERROR|error):/.test(line)) ?? lines.at(-1);
  if (verdict === undefined) return 'it ended without a word';
  return verdict
    .replace(/^.*?\b(?:PANIC|FATAL|ERROR|error):\s*/, '')
    .trim()
    .replace(/\.$/, '');
}

/** What was written to a file from a byte offset on, at most the last 64 KiB of it. */
export function readFileTail(path: string, from: number): string {
  const file = openSync(path, 'r');
  try {
    const size = fstatSync(file).size;
    const start = Math.max(Math.min(from, size), size - 65536);
    const bytes = Buffer.alloc(size - start);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, start));
  } finally {
    closeSync(file);
  }
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
