/** A real Valkey or Redis on a Unix socket and a free port, and what can be done to it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { findProgram, freePort, missingPrograms } from '../topology/programs.ts';

export interface TestValkey {
  /** `unix://...` */
  url: string;
  /** `redis://127.0.0.1:...`, for what has to go through a proxy. */
  tcpUrl: string;
  port: number;
  /** Of the running process; 0 when there is none. */
  pid(): number;
  /** Runs redis-cli and returns what it prints. */
  cli(...args: string[]): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
  /** Again, empty, at the same place. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  close(): Promise<void>;
}

const server = findProgram('valkey-server') ?? findProgram('redis-server');

const client = findProgram('valkey-cli') ?? findProgram('redis-cli') ?? 'redis-cli';

/** For the `skip` of a test. */
export const valkeyIsMissing: string | false =
  server === undefined ? missingPrograms({ 'redis-server': 'redis-server' }) : false;

/** @param settings further lines of its configuration, such as `{ requirepass: 'x' }` */
export async function startValkey(settings: Readonly<Record<string, string>> = {}): Promise<TestValkey> {
  const valkey = await openValkey(settings);
  after(() => valkey.close());
  return valkey;
}

/** The same outside of a test; the caller closes it. */
export async function openValkey(settings: Readonly<Record<string, string>>): Promise<TestValkey> {
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-valkey-'));
  const socket = join(folder, 'valkey.sock');
  const port = await freePort();
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const options = { bind: '127.0.0.1', port, unixsocket: socket, save: '', appendonly: 'no', dir: folder };
    const args = Object.entries({ ...options, ...settings }).flatMap(([name, value]) => [
      `--${name}`,
      String(value),
    ]);
    const started = spawn(server ?? 'redis-server', args, { stdio: 'ignore' });
    child = started;
    await once(started, 'spawn');
    const deadline = performance.now() + 20_000;
    while ((await cli('ping')) !== 'PONG') {
      if (performance.now() > deadline) throw new Error(`${server ?? 'redis-server'} does not answer.`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function kill(): Promise<void> {
    const ended = child;
    child = undefined;
    if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
    ended.kill('SIGKILL');
    await once(ended, 'exit');
  }

  async function cli(...args: string[]): Promise<string> {
    const secret =
      settings.requirepass === undefined ? [] : ['--no-auth-warning', '-a', settings.requirepass];
    const { promise, resolve } = Promise.withResolvers<string>();
    execFile(client, ['-s', socket, ...secret, ...args], (_error, stdout) => resolve(stdout.trim()));
    return await promise;
  }

  const endWithProcess = () => child?.kill('SIGKILL');
  process.once('exit', endWithProcess);

  async function close(): Promise<void> {
    process.off('exit', endWithProcess);
    await kill();
    rmSync(folder, { recursive: true, force: true });
  }

  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: `unix://${socket}`,
    tcpUrl: `redis://127.0.0.1:${port}`,
    port,
    pid: () => child?.pid ?? 0,
    cli,
    signal: (name) => void child?.kill(name),
    kill,
    start,
    close,
  };
}
