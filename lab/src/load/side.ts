/** One side of a comparison: a URL that is there, a command, or a git ref built in a folder of its own. */
import { createServer } from 'node:net';
import { exitStatus, LabError } from '../exit-status.ts';
import type { RunMeasurement } from '../result/result.ts';
import { type Bench, openBench } from './bench.ts';
import { checkOut, prepareCheckout } from './checkout.ts';
import type { GeneratorOptions, Phase } from './generator.ts';

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
      await prepareCheckout({ command: options.prepare, cwd, label, environment, interrupted });
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
    signalServer(bench, 'SIGSTOP');
    return {
      label,
      async measure(phase) {
        signalServer(bench, 'SIGCONT');
        try {
          return await bench.measure(phase);
        } finally {
          signalServer(bench, 'SIGSTOP');
        }
      },
      async close() {
        signalServer(bench, 'SIGCONT');
        try {
          await bench.close();
        } finally {
          await checkout?.remove();
        }
      },
    };
  } catch (error) {
    await checkout?.remove();
    throw error;
  }
}

/** Halts the server of a bench, or lets it go on: who is idle takes nothing from the one that is measured. */
export function signalServer(bench: Bench, name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of bench.pids()) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended since the list was made; the next measurement will say so.
    }
  }
}

/**
 * Free a moment ago; somebody may take it before the server does, which then says so.
 *
 * @throws LabError when there is none
 */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string')
    throw new LabError(exitStatus.tool, 'No port is free.');
  return address.port;
}
