/**
 * `irontrack-lab check`: measures benchmarks and compares them with the newest baseline of this platform.
 *
 * Without a baseline it makes one, warns and ends with 0, so that the first run of a new project or a new runner is no
 * failure; `--require-baseline` ends with 5 before anything is measured, for a CI that means to have one. A baseline
 * that is there but cannot be used (another version, damaged) always ends with 5: replacing it is not ours to decide.
 */
import { availableParallelism, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { describeGate, judgeAgainstBaseline } from '../baseline/gate.ts';
import { defaultFolder, findNewestBaseline, readBaseline, saveBaseline } from '../baseline/store.ts';
import { exitStatus, LabError } from '../exit-status.ts';
import { readMachine } from '../result/machine.ts';
import type { BenchResult, MicroRow } from '../result/result.ts';
import { writeResult } from '../result/result-file.ts';
import { benchOptions, folderOption, measureFiles, measureRows } from './bench-options.ts';
import type { LabCommand, OptionValues } from './lab-command.ts';
import { readFlag, readText } from './option-values.ts';

export const check: LabCommand = {
  summary: 'Measure benchmarks and fail when the mean of one is more than three times its baseline.',
  usage: '<file.ts ...> [options]',
  options: {
    ...benchOptions,
    dir: folderOption,
    baseline: { type: 'string', help: 'Compare with this file instead of the newest one of --dir.' },
    fail: { type: 'string', help: 'How far above its baseline a mean fails. Default 200% (three times).' },
    'require-baseline': {
      type: 'boolean',
      help: 'End with status 5 when there is no baseline, instead of making one.',
    },
    out: { type: 'string', short: 'o', help: 'Write the result file of this measurement, too.' },
  },
  async run(positionals, values, context) {
    const mostAbove = readGate(values);
    const folder = resolve(context.cwd, readText(values, 'dir') ?? defaultFolder);
    const { platform } = readMachine();
    const given = readText(values, 'baseline');
    const path = given === undefined ? findNewestBaseline(folder, platform) : resolve(context.cwd, given);
    if (path === undefined && readFlag(values, 'require-baseline')) {
      const sentence = `There is no baseline for ${platform} in ${folder}; make one with irontrack-lab save.`;
      throw new LabError(exitStatus.noBaseline, sentence);
    }
    // Before the measuring, which may take minutes.
    const baseline = path === undefined ? undefined : readBaseline(path);
    const measured = await measureFiles(positionals, values, context, 'baseline');
    const measureAgain = (only: ReadonlySet<string>) => measureRows(positionals, values, context, only);
    const result =
      baseline === undefined ? measured : await confirmFailures(baseline, measured, mostAbove, measureAgain);
    const out = readText(values, 'out');
    if (out !== undefined) writeResult(resolve(context.cwd, out), result);
    const isFiltered = readText(values, 'filter') !== undefined;
    if (baseline === undefined) {
      // A baseline of a part would leave the rest without one for good.
      const what = isFiltered
        ? 'and none was made, as --filter left benchmarks out'
        : `and this run is it now: ${saveBaseline(folder, result)}`;
      context.stderr.write(`Warning: there was no baseline for ${platform}, ${what}.\n`);
      return exitStatus.ok;
    }
    const verdict = judgeAgainstBaseline(baseline, result, { mostAbove });
    // Who filtered knows that the others were not measured.
    const missing = isFiltered ? [] : verdict.missing;
    const revision = baseline.source === null ? '' : `, ${baseline.source.sha.slice(0, 10)}`;
    context.stdout.write(`\nBaseline: ${path} (${baseline.createdAt}${revision})\n`);
    context.stdout.write(describeGate({ ...verdict, missing }, { mostAbove }));
    if (verdict.failed) context.stdout.write(describeLoad());
    return verdict.failed ? exitStatus.regression : exitStatus.ok;
  },
};

const mostAttempts = 3;

/**
 * Measures again what is above the gate, and keeps the best of up to three: code that got three times slower is so
 * each time, a neighbour on the machine is not. On a 2-core machine with six busy processes two checks of 15 unchanged
 * benchmarks had 5 and 3 rows above the gate at the first attempt.
 */
async function confirmFailures(
  baseline: BenchResult,
  measured: BenchResult,
  mostAbove: number,
  measureAgain: (only: ReadonlySet<string>) => Promise<MicroRow[]>,
): Promise<BenchResult> {
  let result = measured;
  for (let attempt = 2; attempt <= mostAttempts; attempt += 1) {
    const { rows } = judgeAgainstBaseline(baseline, result, { mostAbove });
    const failed = rows.flatMap(({ name, state }) => (state === 'failed' ? [name] : []));
    if (failed.length === 0) break;
    const again = new Map((await measureAgain(new Set(failed))).map((row) => [row.name, row]));
    const keepBest = (row: MicroRow) => {
      const other = again.get(row.name);
      return other !== undefined && other.meanUs < row.meanUs ? other : row;
    };
    result = { ...result, rows: result.rows.map(keepBest) };
  }
  return result;
}

/** Whoever reads of a regression wants to know whether the machine was free. */
function describeLoad(): string {
  const attempts = `Measured ${mostAttempts} times, the best counted.`;
  const cores = availableParallelism();
  const [load = 0] = loadavg();
  const busy = load > cores ? ` Others were busy here: a load of ${load.toFixed(1)} on ${cores} cores.` : '';
  return `${attempts}${busy}\n`;
}

/** "200%" or "200"; as a share. */
function readGate(values: OptionValues): number {
  const text = readText(values, 'fail') ?? '200%';
  const percent = Number(/^(\d+(?:\.\d+)?) ?%?$/.exec(text.trim())?.[1] ?? Number.NaN);
  if (percent > 0 && percent <= 1_000_000) return percent / 100;
  const sentence = `--fail takes a percentage above 0, such as 200%, not ${JSON.stringify(text)}.`;
  throw new LabError(exitStatus.tool, sentence);
}
