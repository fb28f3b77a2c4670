/** Runs whole benchmark files: set up, measure each, tear down, and say in one sentence what failed. */
import { exitStatus, LabError } from '../exit-status.ts';
import type { MicroRow } from '../result/result.ts';
import type { BenchmarkContext } from './benchmark.ts';
import { firstLineOf, type LoadedFile } from './load-benchmarks.ts';
import { type MeasureOptions, measureFunction } from './measure.ts';

interface RunOptions extends MeasureOptions {
  context: BenchmarkContext;
  /** Hears the name of each benchmark as it starts. */
  say?: (line: string) => void;
}

/**
 * One after the other, in the order of the files.
 *
 * @throws LabError naming the benchmark and the phase that threw; what was set up is torn down first
 */
export async function runBenchmarks(files: readonly LoadedFile[], options: RunOptions): Promise<MicroRow[]> {
  const rows: MicroRow[] = [];
  for (const file of files) {
    await around(file, `${file.path}`, options, async () => {
      for (const benchmark of file.benchmarks) {
        options.say?.(benchmark.name);
        const label = `"${benchmark.name}" of ${file.path}`;
        await around(benchmark, label, options, async () => {
          rows.push(
            await phase(label, 'run', options.interrupted, () => measureFunction(benchmark, options)),
          );
        });
      }
    });
  }
  return rows;
}

interface Surrounded {
  setUp?(context: BenchmarkContext): unknown;
  tearDown?(): unknown;
}

async function around(
  { setUp, tearDown }: Surrounded,
  label: string,
  { context, interrupted }: RunOptions,
  work: () => Promise<void>,
): Promise<void> {
  let failed = true;
  try {
    interrupted?.throwIfAborted();
    await phase(label, 'setUp', interrupted, () => setUp?.(context));
    await work();
    failed = false;
  } finally {
    const tornDown = phase(label, 'tearDown', undefined, () => tearDown?.());
    // Of two failures the first is the one to know.
    await (failed ? tornDown.catch(() => undefined) : tornDown);
  }
}

async function phase<Value>(
  label: string,
  name: string,
  interrupted: AbortSignal | undefined,
  work: () => Value | Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    // What fails because its server was stopped with us is no fault of the benchmark.
    interrupted?.throwIfAborted();
    if (error instanceof LabError) throw error;
    const sentence = `The benchmark ${label} failed in ${name}: ${firstLineOf(error)}`;
    throw new LabError(exitStatus.tool, sentence, { cause: error });
  }
}
