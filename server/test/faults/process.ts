/** The real `irontrack` command as a process of its own. */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DatabaseAddress } from '../../src/database/client.ts';

export type Environment = Readonly<Record<string, string>>;

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface RunningServer {
  /** Such as http://127.0.0.1:43210, or unix: and the path of a socket. */
  url: string;
  pid: number;
  /** What it has printed and logged so far. */
  output(): string;
  signal(name: NodeJS.Signals): void;
  finished: Promise<Finished>;
}

const command = fileURLToPath(new URL('../../bin/irontrack.mjs', import.meta.url));
const startWithinMs = 60_000;
/** What is still there then was forgotten by its test. */
const longestLifeMs = 180_000;

/** Everything that any command of this test file has written, to be searched for secrets. */
let written = '';
export const everythingWritten = () => written;

const running = new Set<ChildProcessByStdio<Writable, Readable, Readable>>();
after(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    await once(child, 'exit').catch(() => undefined);
  }
});

/** A folder that PostgreSQL's own user may pass through, removed afterwards. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-process-'));
  chmodSync(folder, 0o755);
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function launch(args: readonly string[], environment: Environment) {
  const child = spawn(process.execPath, [command, ...args], {
    // Nothing of the environment of the tests but what a process needs to run at all.
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      PORT: '0',
      ARGON2_MEMORY_KIB: '64',
      ARGON2_PASSES: '1',
      ...environment,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  const seen = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      seen[name] += text;
      written += text;
    });
  }
  const finished = (async (): Promise<Finished> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), longestLifeMs);
    await once(child, 'close');
    clearTimeout(timer);
    running.delete(child);
    return { status: child.exitCode, ...seen };
  })();
  return { child, seen, finished };
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  environment: Environment = {},
  input = '',
): Promise<Finished> {
  const { child, finished } = launch(args, environment);
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return await finished;
}

/** Starts `serve` and does not wait for anything. */
export function beginServer(environment: Environment): Omit<RunningServer, 'url'> {
  const { child, seen, finished } = launch(['serve'], environment);
  return {
    pid: child.pid ?? 0,
    output: () => seen.stdout + seen.stderr,
    signal: (name) => void child.kill(name),
    finished,
  };
}

/** Starts `serve` and waits until it says its address. */
export async function startServer(environment: Environment): Promise<RunningServer> {
  const { child, seen, finished } = launch(['serve'], environment);
  const deadline = performance.now() + startWithinMs;
  for (;;) {
    const url = /IronTrack serves on (\S+)/.exec(seen.stdout)?.[1];
    if (url !== undefined && seen.stdout.includes('Documentation:')) {
      return {
        url,
        pid: child.pid ?? 0,
        output: () => seen.stdout + seen.stderr,
        signal: (name) => void child.kill(name),
        finished,
      };
    }
    assert.equal(child.exitCode, null, `It ended instead of serving: ${seen.stdout}${seen.stderr}`);
    assert.ok(performance.now() < deadline, `It does not serve: ${seen.stdout}${seen.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Starts `worker` and waits until it delivers. */
export async function startWorker(environment: Environment): Promise<Omit<RunningServer, 'url' | 'pid'>> {
  const { child, seen, finished } = launch(['worker'], environment);
  const deadline = performance.now() + startWithinMs;
  while (!seen.stdout.includes('IronTrack delivers webhooks')) {
    assert.equal(child.exitCode, null, `It ended instead of delivering: ${seen.stdout}${seen.stderr}`);
    assert.ok(performance.now() < deadline, `It does not deliver: ${seen.stdout}${seen.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return { output: () => seen.stdout + seen.stderr, signal: (name) => void child.kill(name), finished };
}

/** The address as DATABASE_URL has it; by TCP, as postgres.js knows no spelling for a Unix socket in a URL. */
export function toUrl(address: DatabaseAddress): string {
  if (typeof address === 'string') return address;
  const { host, port, user, password, database } = address;
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`;
  return `postgres://${encodeURIComponent(user)}${secret}@${encodeURIComponent(host)}:${port}/${database}`;
}
