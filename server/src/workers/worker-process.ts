/** A process of node:cluster, as much of it as the supervisor needs. */
import cluster from 'node:cluster';
import { once } from 'node:events';
import type { Endpoint } from './link.ts';

export interface Ending {
  status: number | null;
  signal: string | null;
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
    const worker = cluster.fork(environment);
    const { process: child } = worker;
    // What it could not be told because it was ending is no fault: its end is heard of.
    worker.on('error', () => undefined);
    return {
      pid: child.pid ?? 0,
      endpoint: {
        send: (message) => void (worker.isConnected() && worker.send(message)),
        onMessage: (listener) => void worker.on('message', listener),
      },
      ended: once(child, 'exit').then(([status, signal]): Ending => ({ status, signal })),
      kill: (signal) => void child.kill(signal),
    };
  };
}
