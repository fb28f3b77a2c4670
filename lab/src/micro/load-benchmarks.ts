/** Imports benchmark files and checks that they are what they should be. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exitStatus, LabError } from '../exit-status.ts';
import { offerOwnModules } from '../scenarios/own-modules.ts';
import type { Benchmark, BenchmarkFile } from './benchmark.ts';

export interface LoadedFile extends BenchmarkFile {
  path: string;
}

/**
 * The files that have a benchmark whose name holds `filter`, and is among `only` when given, each with only those.
 *
 * @throws LabError naming the file that is missing, cannot be imported or exports something else
 */
export async function loadBenchmarks(
  paths: readonly string[],
  { cwd, filter = '', only }: { cwd: string; filter?: string; only?: ReadonlySet<string> },
): Promise<LoadedFile[]> {
  if (paths.length === 0) {
    throw new LabError(exitStatus.tool, 'Name one or more benchmark files, such as benches/parse.ts.');
  }
  const files: LoadedFile[] = [];
  const seen = new Map<string, string>();
  for (const path of paths) {
    const file = await importFile(path, cwd);
    for (const { name } of file.benchmarks) {
      const other = seen.get(name);
      if (other !== undefined) {
        const where = other === path ? `twice in ${path}` : `in ${other} and in ${path}`;
        throw new LabError(
          exitStatus.tool,
          `There is a benchmark "${name}" ${where}; give each its own name.`,
        );
      }
      seen.set(name, path);
    }
    const benchmarks = file.benchmarks.filter(
      ({ name }) => name.includes(filter) && only?.has(name) !== false,
    );
    if (benchmarks.length > 0) files.push({ ...file, benchmarks });
  }
  if (files.length > 0) return files;
  const reason = filter === '' ? 'The files hold no benchmark' : `No benchmark has "${filter}" in its name`;
  const known = [...seen.keys()].map((name) => `"${name}"`).join(', ');
  throw new LabError(exitStatus.tool, `${reason}; ${known === '' ? 'export some' : `there are ${known}`}.`);
}

async function importFile(path: string, cwd: string): Promise<LoadedFile> {
  const location = resolve(cwd, path);
  if (!existsSync(location)) throw fail(`There is no benchmark file ${path}; check its name.`);
  let module: unknown;
  offerOwnModules();
  try {
    module = await import(pathToFileURL(location).href);
  } catch (error) {
    throw fail(`${path} could not be imported: ${firstLineOf(error)}`, error);
  }
  const benchmarks = read(module, 'benchmarks');
  if (!Array.isArray(benchmarks)) {
    throw fail(`${path} exports no array "benchmarks"; write export const benchmarks = [{ name, run }].`);
  }
  const checked: Benchmark[] = [];
  for (const [index, benchmark] of benchmarks.entries()) {
    if (!isBenchmark(benchmark)) {
      throw fail(
        `benchmarks[${index}] of ${path} needs a name and a function run, and knows only setUp and tearDown besides.`,
      );
    }
    checked.push(benchmark);
  }
  const setUp = read(module, 'setUp');
  const tearDown = read(module, 'tearDown');
  return {
    path,
    benchmarks: checked,
    ...(isFunction(setUp) ? { setUp } : {}),
    ...(isFunction(tearDown) ? { tearDown } : {}),
  };
}

const knownMembers = new Set(['name', 'setUp', 'run', 'tearDown']);

function isBenchmark(value: unknown): value is Benchmark {
  if (typeof value !== 'object' || value === null) return false;
  const optional = [read(value, 'setUp'), read(value, 'tearDown')];
  return (
    typeof read(value, 'name') === 'string' &&
    read(value, 'name') !== '' &&
    isFunction(read(value, 'run')) &&
    optional.every((member) => member === undefined || isFunction(member)) &&
    // A misspelt setup would be left out without a word.
    Object.keys(value).every((key) => knownMembers.has(key))
  );
}

function isFunction(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === 'function';
}

function read(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function fail(sentence: string, cause?: unknown): LabError {
  return new LabError(exitStatus.tool, sentence, { cause });
}

/** The sentence of whatever was thrown, without its stack. */
export function firstLineOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? text;
}
