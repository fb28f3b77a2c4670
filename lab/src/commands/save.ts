/** `irontrack-lab save`: measures benchmarks and keeps them as the baseline of this platform. */
import { resolve } from 'node:path';
import { defaultFolder, saveBaseline } from '../baseline/store.ts';
import { exitStatus } from '../exit-status.ts';
import { benchOptions, folderOption, measureFiles } from './bench-options.ts';
import type { LabCommand } from './lab-command.ts';
import { readText } from './option-values.ts';

export const save: LabCommand = {
  summary: 'Measure benchmarks and keep the figures as the baseline that check compares with.',
  usage: '<file.ts ...> [options]',
  options: {
    ...benchOptions,
    dir: folderOption,
    name: { type: 'string', help: 'Part of the file name, after its number. Default baseline.' },
  },
  async run(positionals, values, context) {
    const name = readText(values, 'name') ?? 'baseline';
    const result = await measureFiles(positionals, values, context, name);
    const folder = resolve(context.cwd, readText(values, 'dir') ?? defaultFolder);
    context.stdout.write(`Baseline: ${saveBaseline(folder, result)}\n`);
    return exitStatus.ok;
  },
};
