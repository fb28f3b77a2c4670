/** Programs of the system that stand around the service: whether they are here, and running one for a test file. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';

/**
 * @returns the path of a program, also of those that only root has on its PATH; the one that PGBOUNCER_BIN names, say,
 *   comes before all others
 */
export function findProgram(name: string): string | undefined {
  const given = process.env[`${name.toUpperCase().replaceAll('-', '_')}_BIN`];
  if (given !== undefined && given !== '') return given;
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * For the `skip` of a suite.
 *
 * @param packages Debian packages by the program that each brings
 * @returns a line that names the packages to install; false when all is here, or when REQUIRE_ALL=1 wants a failure
 */
export function missingPrograms(packages: Readonly<Record<string, string>>): string | false {
  const missing = Object.entries(packages).filter(([program]) => findProgram(program) === undefined);
  if (missing.length === 0 || process.env.REQUIRE_ALL === '1') return false;
  return `not here: install ${missing.map(([, name]) => name).join(' and ')}`;
}

export interface RunningProgram {
  pid: number;
  /** What it has written to both outputs, as far as its log was not cut. */
  output(): string;
  isRunning(): boolean;
  signal(name: NodeJS.Signals): void;
  /** Ends it and waits. */
  stop(name?: NodeJS.Signals): Promise<void>;
}

/** A node with two workers takes a second and a half by itself, and a minute among many others. */
const startWithinMs = 180_000;
const stopWithinMs = 45_000;

/** A test file that fails before its first test runs no `after`, and must leave nothing behind all the same. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) if (hasNotEnded(child)) child.kill('SIGKILL');
});

/**
 * Starts a program and waits until it is ready.
 *
 * @param isReady asked every 20 ms, given what was written so far
 * @param log a file that takes both outputs, for a program that writes more than belongs into memory. It may be cut
 *   short while the program runs: all that is written is appended.
 */
export async function startProgram(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  isReady: (output: string) => boolean | Promise<boolean>,
  log?: string,
): Promise<RunningProgram> {
  const outlet = log === undefined ? 'pipe' : openSync(log, 'a');
  const child = spawn(command, args, { env: environment, stdio: ['ignore', outlet, outlet] });
  if (typeof outlet === 'number') closeSync(outlet);
  running.add(child);
  const exited = once(child, 'exit');
  exited.catch(() => undefined);
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      written += text;
    });
  }
  const output = () => (log === undefined ? written : readFileSync(log, 'utf8'));
  const program: RunningProgram = {
    pid: child.pid ?? 0,
    output,
    isRunning: () => hasNotEnded(child),
    signal: (name) => void child.kill(name),
    async stop(name = 'SIGTERM') {
      if (!hasNotEnded(child)) return;
      child.kill(name);
      const impatience = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
      await exited;
      clearTimeout(impatience);
    },
  };
  const deadline = performance.now() + startWithinMs;
  while (!(await isReady(output()))) {
    assert.ok(hasNotEnded(child), `${command} ended instead of starting: ${output()}`);
    if (performance.now() > deadline) {
      await program.stop('SIGKILL');
      assert.fail(`${command} does not start: ${output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return program;
}

function hasNotEnded(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
