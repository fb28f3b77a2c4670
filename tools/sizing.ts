/**
 * Sizes a deployment: from the inputs of tools/sizing/model.ts, or yours in their place, to rates, cores, nodes, disk and
 * money, each line with its formula. Prints the tables of docs/sizing.md.
 *
 * node tools/sizing.ts [users=2000000 ...] [dailyActiveShare=0.4 ...]
 */
import { inputs } from './sizing/model.ts';
import { describeInputs, describeResults } from './sizing/tables.ts';

const scales = [1_000_000, 100_000_000, 1_000_000_000];
const users: number[] = [];
const given = new Map<string, number>();
for (const argument of process.argv.slice(2)) {
  const [, name = '', value = ''] = /^(\w+)=(\d+(?:\.\d+)?)$/.exec(argument) ?? [];
  if (name === 'users') users.push(Number(value));
  else if (inputs.some((input) => input.name === name)) given.set(name, Number(value));
  else {
    process.stderr.write(
      `${argument} is no input. Known: users=, ${inputs.map((input) => `${input.name}=`).join(', ')}\n`,
    );
    process.exit(64);
  }
}
process.stdout.write(describeInputs(given));
process.stdout.write(describeResults(users.length > 0 ? users : scales, given));
