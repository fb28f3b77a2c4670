/** Starts the generator as a process of its own, bound to its cores, and speaks to it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { exitStatus, LabError } from '../exit-status.ts';
import type { RunMeasurement } from '../result/result.ts';
import type { Generator, GeneratorOptions, Progress } from './generator.ts';
import type { FromGenerator, ToGenerator } from './generator-messages.ts';

export interface GeneratorSpawnOptions {
  /** As `taskset -c` takes them; null leaves the process where the kernel puts it. */
  cores: string | null;
  /** Ends the load; what is running then rejects. The scenario is still torn down. */
  interrupted: AbortSignal;
}

/**
 * A young generation of 32 MB: a pause of about 0.1 ms twelve times a second while spinning, where V8 by itself stays at
 * 1 MB and pauses a hundred times. The CPU of a request is the same (5.2-5.4 us) at any size.
 */
const nodeFlags = ['--min-semi-space-size=32', '--max-semi-space-size=32'];
const processPath = fileURLToPath(new URL('generator-process.ts', import.meta.url));
/** For the scenario's tear-down, before the process is ended by force. */
const farewellMs = 15_000;
const longestComplaint = 400;

interface Reply {
  /** Others are late answers to what was given up. */
  kind: FromGenerator['kind'];
  resolve(message: FromGenerator): void;
  reject(error: unknown): void;
}

/**
 * Opens the target's workload: resolves the host, sets the scenario up and signs its connections in.
 *
 * @throws LabError when that fails, with the scenario's phase named; no process is left behind
 */
export async function openGenerator(
  options: GeneratorOptions,
  spawnOptions: GeneratorSpawnOptions,
): Promise<Generator> {
  const { cores, interrupted } = spawnOptions;
  if (interrupted.aborted) throw wasInterrupted();
  const command = [process.execPath, ...nodeFlags, processPath];
  const [program = process.execPath, ...args] =
    cores === null ? command : ['taskset', '-c', cores, ...command];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const ended = watchEnd(child);
  let reply: Reply | undefined;
  let onProgress: ((progress: Progress) => void) | undefined;
  let closing: Promise<void> | undefined;

  child.on('message', (raw) => {
    const message = raw as FromGenerator; // parser: only generator-process.ts writes to this channel
    if (message.kind === 'progress') onProgress?.(message.progress);
    else if (message.kind === 'failed') reply?.reject(new LabError(message.status, message.sentence));
    else if (message.kind === reply?.kind) reply.resolve(message);
  });

  const ask = async (order: ToGenerator, kind: FromGenerator['kind']): Promise<FromGenerator> => {
    const answered = new Promise<FromGenerator>((resolve, reject) => {
      reply = { kind, resolve, reject };
      // When this fails the process is ending, which says why.
      if (child.connected) child.send(order, () => undefined);
    });
    return await Promise.race([answered, ended.then(({ error }) => Promise.reject(error))]);
  };

  const close = (): Promise<void> => {
    closing ??= farewell();
    return closing;
  };

  async function farewell(): Promise<void> {
    interrupted.removeEventListener('abort', onInterrupt);
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const force = setTimeout(() => child.kill('SIGKILL'), farewellMs);
    try {
      await ask({ kind: 'close' }, 'closed');
    } finally {
      await ended;
      clearTimeout(force);
    }
  }

  function onInterrupt(): void {
    const running = reply;
    running?.reject(wasInterrupted());
    // Whoever started this also closes it, but may be waiting for something else first.
    void close().catch(() => undefined);
  }
  interrupted.addEventListener('abort', onInterrupt, { once: true });

  try {
    await ask({ kind: 'open', options }, 'opened');
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }

  return {
    pid: child.pid ?? 0,
    async run(phase, progress): Promise<RunMeasurement> {
      if (interrupted.aborted) throw wasInterrupted();
      onProgress = progress;
      const message = await ask({ kind: 'run', phase }, 'measured');
      if (message.kind !== 'measured') throw new LabError(exitStatus.tool, 'The load generator is confused.');
      return message.run;
    },
    close,
  };
}

/** Settles when the process is gone, with what to say to somebody who still waits for it. */
function watchEnd(child: ChildProcess): Promise<{ error: LabError }> {
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-longestComplaint);
  });
  return new Promise((resolve) => {
    const say = (how: string) => {
      const said = complaint.trim() === '' ? '' : ` It said: ${complaint.trim().split('\n').join(' / ')}`;
      resolve({ error: new LabError(exitStatus.tool, `The load generator ${how}.${said}`) });
    };
    child.on('error', (error) => say(`could not be started: ${error.message}`));
    child.on('close', (code, signal) => {
      say(signal === null ? `ended with status ${code}` : `was ended by ${signal}`);
    });
  });
}

function wasInterrupted(): LabError {
  return new LabError(exitStatus.tool, 'Interrupted; the load was stopped.');
}
