/** What every result file opens with: what made it, from which source, on which machine. */
import { labVersion } from '../version.ts';
import { hashConfig } from './config-hash.ts';
import { readMachine } from './machine.ts';
import { type RunResult, resultVersion } from './result.ts';
import { readSource } from './source.ts';

type Head = Omit<
  RunResult,
  'kind' | 'target' | 'load' | 'runs' | 'medianRun' | 'stability' | 'faults' | 'doctor'
>;

/** Options whose values are secrets more often than not; the command line is kept without them. */
const secretOptions = new Set(['-H', '--header', '-d', '--body', '--json']);

/** @param config everything that was asked for; results with the same are comparable */
export async function describeResult(
  context: { cwd: string; args: readonly string[] },
  name: string,
  config: unknown,
): Promise<Head> {
  return {
    format: 'irontrack-lab',
    version: resultVersion,
    labVersion,
    name,
    createdAt: new Date().toISOString(),
    command: ['irontrack-lab', ...withoutSecrets(context.args)],
    source: await readSource(context.cwd),
    configHash: hashConfig(config),
    machine: readMachine(),
  };
}

function withoutSecrets(args: readonly string[]): string[] {
  return args.map((arg, index) => {
    if (secretOptions.has(args[index - 1] ?? '')) return '(left out)';
    const name = arg.split('=')[0] ?? '';
    if (arg.includes('=') && secretOptions.has(name)) return `${name}=(left out)`;
    // -H and -d with their value in the same word.
    if (/^-[Hd]./.test(arg)) return `${arg.slice(0, 2)}(left out)`;
    return arg.replace(/(https?:\/\/)[^/\s]*@/gi, '$1');
  });
}
