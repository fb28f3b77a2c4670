/** A process of node:cluster, as much of it as the supervisor needs. */
import type { ChildProcess } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import type { Endpoint } from './link.ts';

export interface Ending {
  status: number | null;
  signal: string | null;
  /** Why there was never a process, in words. */
  reason?: string;
}

export interface WorkerProcess {
  readonly pid: number;
  readonly endpoint: Endpoint;
  readonly ended: Promise<Ending>;
  kill(signal: NodeJS.Signals): void;
}

export interface Program {
  /** Path of the script. */
  file: string;
  args: readonly string[];
  /** Beside the supervisor's own. */
  environment: Readonly<Record<string, string>>;
}

/**
 * Returns what starts one more process. All of them serve on one port: the supervisor accepts and hands each
 * connection to the next.
 */
export function createForking({ file, args, environment }: Program): () => WorkerProcess {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({ exec: file, args: [...args] });
  return () => {
    let worker: Worker;
    try {
      worker = cluster.fork(environment);
    } catch (error) {
      return neverBegan(error);
    }
    const { process: child } = worker;
    const closeLost = rememberHandedOver(child);
    const { promise: ended, resolve } = Promise.withResolvers<Ending>();
    child.once('exit', (status, signal) => {
      closeLost();
      resolve({ status, signal });
    });
    // What it could not be told because it was ending is no fault: its end is heard of. But where no process, descriptor or
    // memory was left to start it, this is all that is ever heard.
    worker.on('error', (error) => {
      if (child.pid === undefined) resolve({ status: null, signal: null, reason: error.message });
    });
    return {
      pid: child.pid ?? 0,
      endpoint: {
        send: (message) => void (worker.isConnected() && worker.send(message)),
        onMessage: (listener) => void worker.on('message', listener),
      },
      ended,
      kill: (signal) => void child.kill(signal),
    };
  };
}

function neverBegan(error: unknown): WorkerProcess {
  const reason = error instanceof Error ? error.message : String(error);
  return {
    pid: 0,
    endpoint: { send: () => undefined, onMessage: () => undefined },
    ended: Promise.resolve({ status: null, signal: null, reason }),
    kill: () => undefined,
  };
}

/**
 * A connection that was on its way to a worker when it was killed stays open in node:cluster, which waits for the worker
 * to say that it took it: its client would wait for ever. There is one at most, as each is confirmed before the next.
 *
 * @returns what closes it; does nothing to one that was taken
 */
function rememberHandedOver(child: ChildProcess): () => void {
  const { send } = child;
  let last: unknown;
  Reflect.set(child, 'send', (message: unknown, handle: unknown, ...rest: unknown[]) => {
    if (handle !== undefined && handle !== null) last = handle;
    return Reflect.apply(send, child, [message, handle, ...rest]);
  });
  return () => {
    if (typeof last === 'object' && last !== null && 'close' in last && typeof last.close === 'function')
      last.close();
  };
}
