/** Starts the server under test, waits for its first answer, and never leaves a process of it behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitStatus, LabError } from '../exit-status.ts';
import { ProcessFamily } from './process-family.ts';
import { firstStatus, isTaken } from './server-readiness.ts';
import { describeTarget } from './target.ts';

export interface ServerOptions {
  /** Run by `sh -c`. */
  command: string;
  /** As `taskset -c` takes them; null is not pinned. */
  cores: string | null;
  url: URL;
  socketPath?: string | undefined;
  readyTimeoutS: number;
  environment: Readonly<Record<string, string | undefined>>;
  cwd: string;
  onOutput?: ((text: string, stream: 'stdout' | 'stderr') => void) | undefined;
  /** When aborted, at any time, everything that was started is stopped. */
  interrupted?: AbortSignal | undefined;
  /** How long it may take to end by itself before it is killed; 10 seconds unless told. */
  stopTimeoutS?: number;
}

/** How the command ended though nobody asked it to. */
export interface ServerExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** "exit status 1" or "SIGKILL". */
  how: string;
}

export interface ServerUnderTest {
  /** Of the shell, which is often the server itself; leads the process group. */
  pid: number;
  /** All that live of it: the shell, the server, its workers, its database. */
  pids(): number[];
  /** The last 64 KiB it wrote to standard output. */
  stdoutTail(): string;
  /** The last 64 KiB it wrote to either stream. */
  outputTail(): string;
  /** Of Node's `--inspect`, once it said so. */
  inspectorUrl(): string | undefined;
  /** Settles when it ends before `stop` was called; otherwise never. */
  died: Promise<ServerExit>;
  /** SIGTERM to the whole group, then SIGKILL to what is left. May be called again. */
  stop(): Promise<void>;
}

const pollMs = 20;

/** A server that answers 503 from the start to its end is still a server, and may be meant. */
const unavailableForS = 5;
const outputTailLength = 64 * 1024;

/**
 * Ready is when the URL answers with any HTTP status; 503 ("temporarily", says RFC 9110) is given five more seconds to
 * become another.
 *
 * @throws LabError when something answers there already, the command ends or the time is over before the first
 *   answer, or it was interrupted; nothing is left running then
 */
export async function startServer(options: ServerOptions): Promise<ServerUnderTest> {
  const { url, socketPath, interrupted } = options;
  const place = socketPath ?? describeTarget(url);
  failIfInterrupted(interrupted);
  if (await isTaken(url, socketPath)) {
    throw fault(`Something else already answers at ${place}; stop it or choose another port.`);
  }
  failIfInterrupted(interrupted);
  const started = spawnServer(options);
  try {
    await firstAnswer(options, started, place);
  } catch (error) {
    await started.server.stop();
    throw error;
  }
  return started.server;
}

interface Started {
  server: ServerUnderTest;
  /** How the command ended, whoever asked. */
  ended(): ServerExit | undefined;
}

function spawnServer(options: ServerOptions): Started {
  const { command, cores, interrupted, stopTimeoutS = 10 } = options;
  const shell = ['sh', '-c', command];
  const [program = '', ...args] = cores === null ? shell : ['taskset', '-c', cores, ...shell];
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...options.environment },
    // A group of its own, so that one signal reaches all of it and none of a Ctrl+C meant for the lab.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = child.pid ?? 0;
  const output = collectOutput(child, options.onOutput);
  const family = new ProcessFamily(pid);
  let exit: ServerExit | undefined;
  let stopping: Promise<void> | undefined;

  const died = new Promise<ServerExit>((resolve) => {
    const settle = (code: number | null, signal: NodeJS.Signals | null, how: string) => {
      exit ??= { code, signal, how };
      if (stopping === undefined) resolve(exit);
    };
    child.once('error', (error) => settle(null, null, `it could not be started: ${error.message}`));
    child.once('exit', (code, signal) => settle(code, signal, signal ?? `exit status ${code}`));
  });

  const stop = () => {
    stopping ??= pid === 0 ? Promise.resolve() : endFamily(pid, family, stopTimeoutS);
    return stopping.finally(() => {
      process.removeListener('exit', killNow);
      interrupted?.removeEventListener('abort', stopOnAbort);
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
  };
  // Nothing can be waited for in an exit handler.
  const killNow = () => kill(pid, family.allPids(), 'SIGKILL');
  const stopOnAbort = () => void stop();
  if (pid !== 0) process.once('exit', killNow);
  interrupted?.addEventListener('abort', stopOnAbort, { once: true });

  const server: ServerUnderTest = {
    pid,
    pids: () => family.pids(),
    stdoutTail: () => output.stdout(),
    outputTail: () => output.both(),
    inspectorUrl: () => output.inspectorUrl(),
    died,
    stop,
  };
  return { server, ended: () => exit };
}

async function firstAnswer(options: ServerOptions, started: Started, place: string): Promise<void> {
  const { url, socketPath, interrupted, readyTimeoutS } = options;
  const deadline = performance.now() + readyTimeoutS * 1000;
  let unavailableSince: number | undefined;
  for (;;) {
    failIfInterrupted(interrupted);
    const exit = started.ended();
    if (exit !== undefined) {
      // What it said last may still be in the pipe.
      await sleep(50);
      throw fault(
        `The server ended (${exit.how}) before it answered at ${place}${lastWords(started.server)}`,
      );
    }
    const status = await firstStatus(url, socketPath, Math.max(1, deadline - performance.now()));
    const now = performance.now();
    if (status === 503) unavailableSince ??= now;
    else if (status !== undefined) return;
    if (unavailableSince !== undefined && now - unavailableSince >= unavailableForS * 1000) return;
    if (now >= deadline) {
      if (unavailableSince !== undefined) return;
      throw fault(
        `The server did not answer at ${place} within ${readyTimeoutS} seconds; correct the URL or its command, or wait longer${lastWords(started.server)}`,
      );
    }
    await sleep(pollMs);
  }
}

function lastWords(server: ServerUnderTest): string {
  const all = server.outputTail().trimEnd().split('\n');
  if (all.join('') === '') return '; it printed nothing.';
  // Node's error comes first, then a stack that is longer than what is quoted.
  const cause = all.slice(-40, -5).findLast((line) => /^\w*Error\b.*:/.test(line.trimStart()));
  const lines = [...(cause === undefined ? [] : [cause, '...']), ...all.slice(-5)];
  return `; it printed last:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

/** Asks everybody to end, waits, and kills who did not. */
async function endFamily(leader: number, family: ProcessFamily, timeoutS: number): Promise<void> {
  // Who has a session of his own gets no signal of the group: a database that its server stops in good order.
  family.allPids();
  kill(leader, [], 'SIGTERM');
  // Who was halted, as the idle side of a comparison is, would not notice.
  kill(leader, family.allPids(), 'SIGCONT');
  const deadline = performance.now() + timeoutS * 1000;
  const asked = new Set<number>();
  for (;;) {
    const left = family.allPids();
    if (left.length === 0 && !groupLives(leader)) return;
    // Once the leader is gone nobody stops them any more.
    if (!left.includes(leader)) {
      for (const pid of left.filter((candidate) => !asked.has(candidate))) {
        asked.add(pid);
        kill(undefined, [pid], 'SIGTERM');
      }
    }
    if (performance.now() >= deadline) break;
    await sleep(pollMs);
  }
  for (let attempt = 0; attempt < 100; attempt += 1) {
    kill(leader, family.allPids(), 'SIGKILL');
    await sleep(pollMs);
    if (family.allPids().length === 0 && !groupLives(leader)) return;
  }
}

/** On Linux /proc has the truth, also about zombies, which a signal still reaches. */
function groupLives(leader: number): boolean {
  if (process.platform === 'linux') return false;
  try {
    return process.kill(-leader, 0);
  } catch {
    return false;
  }
}

function kill(group: number | undefined, pids: readonly number[], signal: NodeJS.Signals): void {
  for (const target of [...(group === undefined ? [] : [-group]), ...pids]) {
    try {
      process.kill(target, signal);
    } catch {
      // It has ended.
    }
  }
}

function collectOutput(child: ChildProcess, onOutput: ServerOptions['onOutput']) {
  const tails = { stdout: '', both: '' };
  let beginning = '';
  const take = (stream: 'stdout' | 'stderr') => (text: string) => {
    if (stream === 'stdout') tails.stdout = (tails.stdout + text).slice(-outputTailLength);
    else if (beginning.length < outputTailLength) beginning += text;
    tails.both = (tails.both + text).slice(-outputTailLength);
    onOutput?.(text, stream);
  };
  child.stdout?.setEncoding('utf8').on('data', take('stdout'));
  child.stderr?.setEncoding('utf8').on('data', take('stderr'));
  return {
    stdout: () => tails.stdout,
    both: () => tails.both,
    inspectorUrl: () => /^Debugger listening on (ws:\/\/\S+)$/m.exec(`${beginning}\n${tails.both}`)?.[1],
  };
}

function failIfInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw fault('Interrupted before the server was ready.');
}

function fault(sentence: string): LabError {
  return new LabError(exitStatus.tool, sentence);
}
