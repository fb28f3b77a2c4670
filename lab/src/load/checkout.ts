/** A git ref in a folder of its own, made ready to be started. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exitStatus, LabError } from '../exit-status.ts';

const run = promisify(execFile);
const longestComplaint = 2000;

export interface Checkout {
  folder: string;
  /** Never throws: what went wrong before is what people have to know. */
  remove(): Promise<void>;
}

/** @throws LabError when git cannot check it out */
export async function checkOut(cwd: string, ref: string): Promise<Checkout> {
  const folder = await mkdtemp(join(tmpdir(), 'irontrack-lab-'));
  try {
    await run('git', ['worktree', 'add', '--detach', folder, ref], { cwd });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw new LabError(exitStatus.tool, `git has no ${ref} to check out in ${cwd}.`, { cause: error });
  }
  return {
    folder,
    async remove() {
      try {
        await run('git', ['worktree', 'remove', '--force', folder], { cwd });
      } catch {
        // git refuses a checkout with submodules, for one.
        await rm(folder, { recursive: true, force: true }).catch(() => undefined);
        await run('git', ['worktree', 'prune'], { cwd }).catch(() => undefined);
      }
    },
  };
}

/**
 * Runs a command in a checkout, such as "npm ci". It leads a process group: an interruption ends all of it, so that
 * nobody goes on writing into a folder that is being removed.
 *
 * @throws LabError with the end of what it printed when it fails or is interrupted
 */
export async function prepareCheckout(options: {
  command: string;
  cwd: string;
  label: string;
  environment: Readonly<Record<string, string | undefined>>;
  interrupted: AbortSignal;
}): Promise<void> {
  const { command, cwd, label, environment, interrupted } = options;
  interrupted.throwIfAborted();
  const child = spawn('sh', ['-c', command], {
    cwd,
    env: { ...environment },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-longestComplaint);
    });
  }
  const stop = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It has ended.
    }
  };
  interrupted.addEventListener('abort', stop, { once: true });
  try {
    const failure = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) =>
        resolve(code === 0 ? undefined : (signal ?? `exit status ${code}`)),
      );
    });
    interrupted.throwIfAborted();
    if (failure === undefined) return;
    const lines = said.trim().split('\n').slice(-5);
    const last =
      said.trim() === '' ? '.' : `; it printed last:\n${lines.map((line) => `  ${line}`).join('\n')}`;
    throw new LabError(exitStatus.tool, `Preparing ${label} failed (${failure}): ${command}${last}`);
  } finally {
    interrupted.removeEventListener('abort', stop);
  }
}
