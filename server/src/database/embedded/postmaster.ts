/** Runs PostgreSQL as a child, tells when it is ready, and starts it again when it dies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, copyFileSync, openSync, rmSync, statSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Binaries } from './binaries.ts';
import { explainFailure, readFileTail } from './failures.ts';
import { commandFor, type Identity } from './identity.ts';
import { clearLeftovers, readPostmasterFile } from './leftovers.ts';
import { cannotRun, neutralFolder, postgresEnvironment, runProgram } from './run.ts';
import { postgresArguments, type Settings } from './settings.ts';
import { signalPostmaster } from './standstill.ts';

interface PostmasterPlan {
  clusterDir: string;
  logFile: string;
  binaries: Binaries;
  identity: Identity;
  settings: Settings;
  say: (sentence: string) => void;
}

interface Postmaster {
  child: ChildProcess;
  /** Resolves once it has ended, with how: 'exit code 1', 'signal SIGKILL'. */
  ended: Promise<string>;
}

const readyPollMs = 4;
/** The processes of a killed PostgreSQL notice within moments and let go of its shared memory. */
const sharedMemoryPatienceMs = 15_000;
/** One that lived this long and then died has earned a quick restart. */
const steadyAfterMs = 60_000;
const longestBackoffMs = 5_000;

/**
 * How PostgreSQL is ended, and how long each signal is waited for. Fast, with a checkpoint; at once, after which the next
 * start recovers from the write-ahead log (it kills by itself what of it has not ended 5 s later); and by the kernel, for
 * one that a debugger or a frozen container keeps from acting on any other. By none of them a commit is lost.
 */
const endings = [
  { signal: 'SIGINT', patienceMs: 30_000 },
  { signal: 'SIGQUIT', patienceMs: 10_000 },
  { signal: 'SIGKILL', patienceMs: 5_000 },
] as const;

const largestLogBytes = 8 * 1024 * 1024;
const logCheckMs = 10 * 60_000;

/**
 * Starts PostgreSQL and keeps it running until `stop` is called.
 *
 * @throws {StartupError} when the first start fails; later failures are said and tried again.
 */
export async function supervisePostmaster(plan: PostmasterPlan): Promise<{ stop(): Promise<void> }> {
  const { logFile, say, binaries, clusterDir, identity } = plan;
  const ending = new AbortController();
  let current: Postmaster | undefined;

  let cannotTrim = false;
  const trimLogs = () => {
    try {
      trimLog(logFile, say);
      cannotTrim = false;
    } catch (error) {
      // A log that grows is better than no server.
      if (!cannotTrim) say(`The log of PostgreSQL cannot be cut short: ${describe(error)}`);
      cannotTrim = true;
    }
  };

  const start = async (): Promise<Postmaster> => {
    const deadline = Date.now() + sharedMemoryPatienceMs;
    for (;;) {
      // Asked to stop since, this one would never be stopped.
      ending.signal.throwIfAborted();
      trimLogs();
      const logStart = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
      current = spawnPostmaster(plan);
      const ended = await waitUntilReady(current, clusterDir);
      if (ended === undefined) return current;
      const output = readFileTail(logFile, logStart);
      const mayPass = /pre-existing shared memory block/.test(output) && Date.now() < deadline;
      if (!mayPass) throw explainFailure(ended, output, dirname(logFile));
      await delay(50);
    }
  };

  /** Tries until it runs or stop() is called; complains about the first failure only. */
  const restart = async (failuresBefore: number) => {
    let complained = false;
    for (let failures = failuresBefore; ; failures += 1) {
      await pause(failures === 0 ? 0 : Math.min(50 * 2 ** failures, longestBackoffMs), ending.signal);
      if (ending.signal.aborted) return undefined;
      try {
        await clearLeftovers(clusterDir, binaries, say);
        return { postmaster: await start(), failures };
      } catch (error) {
        if (!complained && !ending.signal.aborted) say(describe(error));
        complained = true;
      }
    }
  };

  const keepRunning = async (first: Postmaster): Promise<void> => {
    let running = { postmaster: first, failures: 0 };
    for (;;) {
      const since = Date.now();
      const how = await running.postmaster.ended;
      if (ending.signal.aborted) return;
      say(`PostgreSQL ended unexpectedly (${how}). Starting it again.`);
      const steady = Date.now() - since > steadyAfterMs;
      const restarted = await restart(steady ? 0 : running.failures);
      if (restarted === undefined) return;
      say('PostgreSQL is back.');
      running = { postmaster: restarted.postmaster, failures: restarted.failures + 1 };
    }
  };

  // Last resort for a process.exit() without stop(): better a shutdown nobody waits for than an orphan.
  const onExit = () => {
    const pid = pidOf(current);
    if (pid !== undefined) signalPostmaster(pid, 'SIGINT');
  };
  process.on('exit', onExit);
  const first = await start().catch((error) => {
    process.off('exit', onExit);
    throw error;
  });
  const running = keepRunning(first);
  const logTimer = setInterval(trimLogs, logCheckMs).unref();

  return {
    async stop() {
      ending.abort();
      if (process.platform === 'win32' && pidOf(current) !== undefined) {
        await runProgram(identity, binaries.pgCtl, ['stop', '-D', clusterDir, '-m', 'fast']);
      }
      if (await stopPostmaster(current, say)) await running;
      clearInterval(logTimer);
      process.off('exit', onExit);
    },
  };
}

/** A delay that an abort cuts short. */
async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await delay(durationMs, undefined, { signal }).catch(() => {});
}

function spawnPostmaster({ clusterDir, logFile, binaries, identity, settings }: PostmasterPlan): Postmaster {
  const { file, args, options } = commandFor(
    identity,
    binaries.postgres,
    postgresArguments(clusterDir, settings),
  );
  // Into a file we open, never a pipe: PostgreSQL must be able to write after this process has died.
  const log = openSync(logFile, 'a', 0o600);
  try {
    const child = spawn(file, args, {
      ...options,
      // Its own process group, so that Ctrl-C reaches the server only, which drains before it stops the database.
      detached: true,
      cwd: neutralFolder(binaries.postgres),
      env: postgresEnvironment(),
      stdio: ['ignore', log, log],
      windowsHide: true,
    });
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(cannotRun(binaries.postgres, error).message));
      child.once('exit', (code, signal) =>
        resolve(signal === null ? `exit code ${code}` : `signal ${signal}`),
      );
    });
    return { child, ended };
  } finally {
    closeSync(log);
  }
}

/** Undefined once it accepts connections; how it ended when it ends before. Recovery after a crash may take long. */
async function waitUntilReady({ child, ended }: Postmaster, clusterDir: string): Promise<string | undefined> {
  let outcome: string | undefined;
  const noted = ended.then((how) => {
    outcome = how;
  });
  for (;;) {
    await Promise.race([noted, delay(readyPollMs)]);
    if (outcome !== undefined) return outcome;
    const file = readPostmasterFile(clusterDir);
    if (file?.status === 'ready' && file.pid === child.pid) return undefined;
  }
}

/** The process id of one that has not ended. */
function pidOf(postmaster: Postmaster | undefined): number | undefined {
  const child = postmaster?.child;
  return child?.exitCode === null && child.signalCode === null ? child.pid : undefined;
}

/** @returns false when it could not be ended and is left behind */
async function stopPostmaster(
  postmaster: Postmaster | undefined,
  say: (sentence: string) => void,
): Promise<boolean> {
  const pid = pidOf(postmaster);
  if (postmaster === undefined || pid === undefined) return true;
  let waitedMs = 0;
  for (const { signal, patienceMs } of endings) {
    if (waitedMs > 0) {
      say(
        `PostgreSQL has not ended within ${waitedMs / 1_000} s: it gets ${signal}. Its next start recovers from its log.`,
      );
    }
    if (signalPostmaster(pid, signal)) {
      say('PostgreSQL stood still, stopped by a signal: it is continued, so that it can end.');
    }
    const late = delay(patienceMs, false, { ref: false });
    if (await Promise.race([postmaster.ended.then(() => true), late])) return true;
    waitedMs += patienceMs;
  }
  say(`PostgreSQL (process ${pid}) does not even end when it is killed, and is left behind.`);
  postmaster.child.unref();
  return false;
}

/** PostgreSQL keeps the file open, so the log is copied away and emptied in place. One old log is kept. */
function trimLog(logFile: string, say: (sentence: string) => void): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= largestLogBytes) return;
  try {
    copyFileSync(logFile, `${logFile}.1`);
  } catch (error) {
    // Without room for a copy, emptying is what makes room.
    rmSync(`${logFile}.1`, { force: true, recursive: true });
    say(`The old log of PostgreSQL is not kept (${describe(error)}).`);
  }
  truncateSync(logFile);
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
