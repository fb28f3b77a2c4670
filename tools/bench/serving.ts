/** Starts the real service for a measurement: its own data folder, a free port, everything on but the limits. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { descendants } from '../../server/test/topology/processes.ts';

const here = fileURLToPath(new URL('../../', import.meta.url));

export interface Serving {
  url: string;
  pid: number;
  dataDir: string;
  /** Milliseconds from the start of the process to its first answer. */
  startedInMs: number;
  stop(): Promise<void>;
}

export interface ServingOptions {
  /** Listens on this Unix domain socket rather than on a port, for a proxy in front. */
  socketPath?: string;
  /** The core to pin the service to; its database runs on the other. Unset: all cores. */
  core?: number;
  environment?: Readonly<Record<string, string>>;
  /** The checkout whose service is started; unset: this one. */
  checkout?: string;
  /** A data folder from before; unset: a new one, removed at the end. */
  dataDir?: string;
}

export async function startServing(options: ServingOptions = {}): Promise<Serving> {
  const folder = options.dataDir ?? mkdtempSync(join(tmpdir(), 'irontrack-figures-'));
  // A real file, as most logs end in one.
  const log = openSync(join(folder, 'stdout.log'), 'a');
  // Below the ports that Linux gives to clients: those of the last run may still be taken.
  const port = 12_000 + Math.floor(Math.random() * 20_000);
  const pinned = options.core === undefined ? [] : ['taskset', '-c', String(options.core)];
  const main = resolve(options.checkout ?? here, 'server/src/main.ts');
  const [program = '', ...args] = [...pinned, process.execPath, main, 'serve'];
  const startedAt = performance.now();
  const child = spawn(program, args, {
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url)),
      UV_THREADPOOL_SIZE: '6',
      DATA_DIR: join(folder, 'data'),
      PORT: String(port),
      RATE_LIMIT: 'off',
      LOG_FORMAT: 'json',
      ...(options.socketPath === undefined
        ? {}
        : { SOCKET_PATH: options.socketPath, TRUSTED_PROXIES: 'unix' }),
      ...options.environment,
    },
    stdio: ['ignore', log, 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  const { socketPath } = options;
  await firstAnswer(child, socketPath === undefined ? { port } : { socketPath });
  const startedInMs = performance.now() - startedAt;
  const pid = child.pid ?? 0;
  if (options.core !== undefined) pinDatabase(pid, options.core === 0 ? 1 : 0);
  return {
    url,
    pid,
    dataDir: folder,
    startedInMs,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      if (options.dataDir === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the service, works with it, and stops it whatever came of the work. */
export async function withServing<Result>(
  options: ServingOptions,
  work: (serving: Serving) => Promise<Result>,
): Promise<Result> {
  const serving = await startServing(options);
  try {
    return await work(serving);
  } finally {
    await serving.stop();
  }
}

async function firstAnswer(
  child: ChildProcess,
  address: { port: number } | { socketPath: string },
): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The service ended with ${child.exitCode}.`);
    try {
      const asked = request({ ...address, host: '127.0.0.1', path: '/ping', agent: false }).end();
      const [response] = await once(asked, 'response');
      response.resume();
      await once(response, 'end');
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** The service's children are its PostgreSQL; theirs are the backends, which inherit nothing once they run. */
function pinDatabase(pid: number, core: number): void {
  for (const process of descendants(pid)) {
    try {
      execFileSync('taskset', ['-acp', String(core), String(process)], { stdio: 'ignore' });
    } catch (error) {
      // A backend that has ended since it was found needs no core.
      if (existsSync(`/proc/${process}`)) throw error;
    }
  }
}

/** Resident memory of one process, MB. */
export function residentMb(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) / 1024;
}

/** A signed-up user with a session. */
export async function enter(url: string, email = 'figures@example.org') {
  const json = { 'content-type': 'application/json' };
  const password = 'Correct-Horse-7';
  const body = JSON.stringify({ email, password });
  await fetch(`${url}/api/v1/auth/register`, { method: 'POST', headers: json, body });
  const answer = await fetch(`${url}/api/v1/auth/login`, { method: 'POST', headers: json, body });
  const tokens: unknown = await answer.json();
  return {
    email,
    password,
    accessToken: read(tokens, 'access_token'),
    refreshToken: read(tokens, 'refresh_token'),
  };
}

function read(value: unknown, name: string): string {
  if (typeof value !== 'object' || value === null) throw new Error('The sign-in answered no object.');
  return String(Reflect.get(value, name));
}
