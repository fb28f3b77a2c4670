/** The process of the generator: takes orders by IPC, one at a time, and ends with the process that started it. */
import { exitStatus, LabError } from '../exit-status.ts';
import type { FromGenerator, ToGenerator } from './generator-messages.ts';
import { type LoadEngine, openLoadEngine } from './load-engine.ts';

/** A tear-down that hangs must not keep a process alive that nobody waits for. */
const longestFarewellMs = 10_000;

function serve(): void {
  const stop = new AbortController();
  let engine: LoadEngine | undefined;
  let orders: Promise<void> = Promise.resolve();
  let isEnding = false;

  const tell = (message: FromGenerator): Promise<void> =>
    new Promise((resolve) => {
      if (process.send === undefined || !process.connected) resolve();
      else process.send(message, undefined, undefined, () => resolve());
    });

  const follow = async (order: ToGenerator): Promise<void> => {
    switch (order.kind) {
      case 'open':
        engine = await openLoadEngine(order.options);
        await tell({ kind: 'opened' });
        break;
      case 'run': {
        if (engine === undefined) throw new Error('Nothing was opened.');
        const onProgress = (progress: Parameters<Parameters<LoadEngine['run']>[1]>[0]) => {
          void tell({ kind: 'progress', progress });
        };
        const run = await engine.run(order.phase, onProgress, stop.signal);
        await tell({ kind: 'measured', run });
        break;
      }
      case 'close':
        await engine?.close();
        await tell({ kind: 'closed' });
        process.exit(0);
    }
  };

  const accept = (order: ToGenerator): void => {
    if (order.kind === 'close') {
      if (isEnding) return;
      isEnding = true;
      stop.abort();
    }
    orders = orders
      .then(() => follow(order))
      .catch(async (error: unknown) => {
        const sentence = error instanceof Error ? error.message : String(error);
        const status = error instanceof LabError ? error.status : exitStatus.tool;
        await tell({ kind: 'failed', status, sentence });
        if (isEnding) process.exit(1);
      });
  };

  process.on('message', (order) => {
    accept(order as ToGenerator); // parser: only open-generator.ts writes to this channel
  });
  // The one who started us decides what an interrupt means, and says so.
  process.on('SIGINT', () => undefined);
  const leave = () => {
    accept({ kind: 'close' });
    setTimeout(() => process.exit(1), longestFarewellMs).unref();
  };
  process.on('SIGTERM', leave);
  process.on('disconnect', leave);
}

if (import.meta.main) serve();
