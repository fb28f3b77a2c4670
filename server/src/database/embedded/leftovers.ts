/**
 * What a server that was killed leaves behind: a PostgreSQL that still runs, or a postmaster.pid whose process id
 * now belongs to somebody else. Stopping the former and starting anew (instead of adopting it) costs some 50 ms and
 * gives a child of our own, with this version's settings.
 */
import { readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { exitStatus, StartupError } from '../../startup-error.ts';
import type { Binaries } from './binaries.ts';
import { errorCode } from './failures.ts';
import { isShortSocketFolder } from './listener.ts';
import { runProgram } from './run.ts';
import { signalPostmaster } from './standstill.ts';

interface PostmasterFile {
  pid: number;
  socketFolder: string;
  /** 'starting', 'ready', 'stopping' or 'standby'. */
  status: string;
}

/** The postmaster.pid of a cluster; undefined when no PostgreSQL has it open, or it is not completely written. */
export function readPostmasterFile(clusterDir: string): PostmasterFile | undefined {
  try {
    const lines = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(lines[0]);
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    return { pid, socketFolder: lines[4] ?? '', status: (lines[7] ?? '').trim() };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Leaves the cluster as after a clean end, or after a crash that PostgreSQL mends by itself. */
export async function clearLeftovers(
  clusterDir: string,
  binaries: Binaries,
  say: (sentence: string) => void,
): Promise<void> {
  const file = readPostmasterFile(clusterDir);
  if (file === undefined) return;
  if (isPostmasterOf(file.pid, clusterDir)) {
    say(`Stopping the PostgreSQL (process ${file.pid}) that an IronTrack which was killed left running.`);
    await stopOrphan(file.pid, clusterDir, binaries);
  }
  // Whatever else has this id now is not PostgreSQL, which would take it for a rival and refuse to start. A cluster
  // that is really open is still found out by its shared memory.
  rmSync(join(clusterDir, 'postmaster.pid'), { force: true });
  rmSync(join(clusterDir, '.s.PGSQL.5432.lock'), { force: true });
  if (isShortSocketFolder(file.socketFolder)) rmSync(file.socketFolder, { recursive: true, force: true });
}

async function stopOrphan(pid: number, clusterDir: string, binaries: Binaries): Promise<void> {
  if (process.platform === 'win32') {
    await runProgram({ user: undefined, setpriv: undefined }, binaries.pgCtl, [
      'stop',
      '-D',
      clusterDir,
      '-m',
      'fast',
    ]);
    return;
  }
  // Fast first; then immediate, after which the next start recovers from the write-ahead log. Nothing is lost.
  for (const [signal, patienceMs] of [['SIGINT', 30_000] as const, ['SIGQUIT', 10_000] as const]) {
    signalPostmaster(pid, signal);
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 5) {
      if (!isPostmasterOf(pid, clusterDir)) return;
      await delay(5);
    }
  }
  throw new StartupError(
    exitStatus.unavailable,
    `A PostgreSQL that was left running (process ${pid}) on ${clusterDir} does not stop. Stop it, then start again.`,
  );
}

/** The process is alive and is the PostgreSQL of this cluster, not a stranger that got its number. */
function isPostmasterOf(pid: number, clusterDir: string): boolean {
  if (process.platform === 'linux') {
    // PostgreSQL works inside its cluster folder. The link also follows a folder that was renamed since.
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === clusterDir;
    } catch {
      return false;
    }
  }
  try {
    process.kill(pid, 0);
    return readPostmasterFile(clusterDir)?.pid === pid;
  } catch {
    return false;
  }
}
