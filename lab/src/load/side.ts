/** One side of a comparison: a URL that is there, a command, or a git ref built in a folder of its own. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exitStatus, LabError } from '../exit-status.ts';
import type { RunMeasurement } from '../result/result.ts';
import { type Bench, openBench } from './bench.ts';
import type { GeneratorOptions, Phase } from './generator.ts';

const run = promisify(execFile);

export interface SideOptions {
  /** What people see: the URL, command or ref. */
  label: string;
  generator: GeneratorOptions;
  /** Starts the server; undefined when it is there already. "{port}" in it and in the URL is replaced by a free port. */
  command?: string;
  /** Git ref to check out, and what to run there before the server. */
  ref?: string;
  prepare?: string;
  cwd: string;
  readyTimeoutS: number;
  environment: Readonly<Record<string, string | undefined>>;
  iOwnThisTarget: boolean;
  interrupted: AbortSignal;
  say(line: string): void;
}

export interface Side {
  label: string;
  /** Lets the server run, measures, and stops it again, so that the idle side takes nothing from the other. */
  measure(phase: Phase): Promise<RunMeasurement>;
  close(): Promise<void>;
}

/** @throws LabError when it cannot be checked out, prepared or started */
export async function openSide(options: SideOptions): Promise<Side> {
  const { label, command, environment, interrupted } = options;
  const checkout = options.ref === undefined ? undefined : await checkOut(options.cwd, options.ref);
  const cwd = checkout?.folder ?? options.cwd;
  try {
    if (options.prepare !== undefined && checkout !== undefined) {
      options.say(`Preparing ${label}: ${options.prepare}`);
      await prepare(options.prepare, cwd, label);
    }
    const port = command === undefined ? undefined : String(await findFreePort());
    const fill = (text: string) =>
      port === undefined ? text : text.replaceAll(/\{port\}|%7Bport%7D/gi, port);
    const generator = { ...options.generator, url: fill(options.generator.url) };
    const bench = await openBench({
      generator,
      iOwnThisTarget: options.iOwnThisTarget,
      interrupted,
      ...(command === undefined
        ? {}
        : {
            server: {
              command: fill(command),
              cwd,
              readyTimeoutS: options.readyTimeoutS,
              environment: { ...environment, PORT: port },
            },
          }),
    });
    signal(bench, 'SIGSTOP');
    return {
      label,
      async measure(phase) {
        signal(bench, 'SIGCONT');
        try {
          return await bench.measure(phase);
        } finally {
          signal(bench, 'SIGSTOP');
        }
      },
      async close() {
        signal(bench, 'SIGCONT');
        await bench.close();
        await checkout?.remove();
      },
    };
  } catch (error) {
    await checkout?.remove();
    throw error;
  }
}

function signal(bench: Bench, name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of bench.pids()) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended since the list was made; the next measurement will say so.
    }
  }
}

async function checkOut(cwd: string, ref: string): Promise<{ folder: string; remove(): Promise<void> }> {
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
      await run('git', ['worktree', 'remove', '--force', folder], { cwd });
    },
  };
}

async function prepare(command: string, cwd: string, label: string): Promise<void> {
  try {
    await run('sh', ['-c', command], { cwd, maxBuffer: 64 * 2 ** 20 });
  } catch (error) {
    throw new LabError(exitStatus.tool, `Preparing ${label} failed: ${command}`, { cause: error });
  }
}

/** Free a moment ago; somebody may take it before the server does, which then says so. */
async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string')
    throw new LabError(exitStatus.tool, 'No port is free.');
  return address.port;
}
