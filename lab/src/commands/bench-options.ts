/** What `micro`, `save` and `check` share: options, and the measuring of benchmark files into a result. */
import { loadBenchmarks } from '../micro/load-benchmarks.ts';
import { runBenchmarks } from '../micro/run-benchmarks.ts';
import { renderBenchmarkTable } from '../micro/table.ts';
import type { BenchResult, MicroRow } from '../result/result.ts';
import { describeResult } from '../result/result-head.ts';
import type { LabContext, LabOption, OptionValues } from './lab-command.ts';
import { readNumber, readText } from './option-values.ts';

export const benchOptions: Readonly<Record<string, LabOption>> = {
  filter: { type: 'string', help: 'Only benchmarks with this text in their name.' },
  seconds: { type: 'string', help: 'How long each benchmark is measured, at least 5 rounds. Default 1.' },
};

export const folderOption: LabOption = {
  type: 'string',
  help: 'Folder of the baselines, one folder a platform in it. Default .benchmarks.',
};

/** Measures, and prints the table to stdout; progress goes to stderr. */
export async function measureFiles(
  files: readonly string[],
  values: OptionValues,
  context: LabContext,
  name: string,
): Promise<BenchResult> {
  const rows = await measureRows(files, values, context);
  context.stdout.write(renderBenchmarkTable(rows, { colour: wantsColour(context) }));
  const config = { files, filter: readText(values, 'filter') ?? '', seconds: readDuration(values) };
  return { ...(await describeResult(context, name, config)), kind: 'bench', doctor: null, rows };
}

/** @param only the names of the benchmarks to measure; those of `--filter` unless told */
export async function measureRows(
  files: readonly string[],
  values: OptionValues,
  { cwd, environment, interrupted, stderr }: LabContext,
  only?: ReadonlySet<string>,
): Promise<MicroRow[]> {
  const seconds = readDuration(values);
  const filter = readText(values, 'filter') ?? '';
  const loaded = await loadBenchmarks(files, { cwd, filter, ...(only === undefined ? {} : { only }) });
  const rows = await runBenchmarks(loaded, {
    context: { cwd, environment, interrupted },
    seconds,
    interrupted,
    // Without a terminal nobody waits and the names are in the table anyway.
    ...(stderr.isTTY === true ? { say: (line) => stderr.write(`\r\x1b[K${line}`) } : {}),
  });
  if (stderr.isTTY === true) stderr.write('\r\x1b[K');
  return rows;
}

function readDuration(values: OptionValues): number {
  return readNumber(values, 'seconds', { least: 0.01, most: 600, unit: 'seconds' }) ?? 1;
}

/** https://no-color.org: any value but an empty one. */
function wantsColour({ stdout, environment }: LabContext): boolean {
  return stdout.isTTY === true && (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb';
}
