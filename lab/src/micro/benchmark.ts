/**
 * What a benchmark file exports. It is plain data, so the file needs no import from the lab:
 *
 *   export const benchmarks = [{ name: 'parse a date', run: () => Date.parse('2026-01-31T09:30:00Z') }];
 *
 * Whoever wants the types imports them from 'irontrack-lab/benchmark.ts'. An endpoint is an asynchronous benchmark
 * whose `run` sends a request to a server that the file's `setUp` started.
 */

/** What set-ups get from the process, as nothing else should be read from it. */
export interface BenchmarkContext {
  environment: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Aborted by Ctrl-C: stop what is being started. */
  interrupted: AbortSignal;
}

export interface Benchmark {
  /** Unique over all files of a run; baselines are compared by it. */
  name: string;
  /** Once, before the first call, not timed. */
  setUp?(context: BenchmarkContext): unknown;
  /**
   * The work. When its first call returns a promise every call is awaited, which adds some 0.1 us; otherwise none is.
   * Return what was computed, so that no optimiser may leave it out, and throw when it is wrong.
   */
  run(): unknown;
  /** Once, after the last call, also when that failed. */
  tearDown?(): unknown;
}

/** A benchmark file seen as a module: the list, and what is done once around all of it. */
export interface BenchmarkFile {
  benchmarks: readonly Benchmark[];
  setUp?(context: BenchmarkContext): unknown;
  /** Also when setUp failed. */
  tearDown?(): unknown;
}
