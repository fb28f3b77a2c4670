/** `irontrack-lab micro`: times functions and prints the table. */
import { resolve } from 'node:path';
import { exitStatus } from '../exit-status.ts';
import { writeResult } from '../result/result-file.ts';
import { benchOptions, measureFiles } from './bench-options.ts';
import type { LabCommand } from './lab-command.ts';
import { readText } from './option-values.ts';

export const micro: LabCommand = {
  summary: 'Time functions, asynchronous ones too: a table of min, max, mean, spread and calls a second.',
  usage: '<file.ts ...> [options]',
  options: {
    ...benchOptions,
    out: { type: 'string', short: 'o', help: 'Write the result file, too.' },
  },
  async run(positionals, values, context) {
    const result = await measureFiles(positionals, values, context, 'benchmarks');
    const out = readText(values, 'out');
    if (out !== undefined) {
      const path = resolve(context.cwd, out);
      writeResult(path, result);
      context.stdout.write(`Result: ${path}\n`);
    }
    return exitStatus.ok;
  },
};
