/** The inputs and the results of the sizing as Markdown. */
import { evaluate } from './expression.ts';
import { type Input, inputs, type Line, sections } from './model.ts';

/** @param given what the reader puts in place of the inputs of that name */
export function describeInputs(given: ReadonlyMap<string, number> = new Map()): string {
  const kinds = [...new Set(inputs.map(({ kind }) => kind))];
  return kinds
    .map((kind) => {
      const rows = inputs
        .filter((input) => input.kind === kind)
        .map((input) => `| \`${input.name}\` | ${given.get(input.name) ?? input.value} | ${input.meaning} |`);
      return `\n| ${kind} | value | meaning |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
    })
    .join('');
}

/** @param users one column each */
export function describeResults(
  users: readonly number[],
  given: ReadonlyMap<string, number> = new Map(),
): string {
  const columns = users.map((count) => computeAll(count, given));
  return sections
    .map(({ title, lines }) => {
      const head = `| ${title} | formula | ${users.map(describeUsers).join(' | ')} |`;
      const rule = `| --- | --- | ${users.map(() => '---').join(' | ')} |`;
      const rows = lines.map((line) => {
        const cells = columns.map((values) => describeNumber(values.get(line.name) ?? Number.NaN));
        return `| ${line.meaning} | \`${line.name} = ${line.formula}\` | ${cells.join(' | ')} |`;
      });
      return `\n${[head, rule, ...rows].join('\n')}\n`;
    })
    .join('');
}

/** Every input and every line by name. */
export function computeAll(
  users: number,
  given: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const values = new Map<string, number>([['users', users]]);
  for (const { name, value } of inputs satisfies readonly Input[]) values.set(name, given.get(name) ?? value);
  const lines: readonly Line[] = sections.flatMap((section) => section.lines);
  for (const { name, formula } of lines) values.set(name, evaluate(formula, values));
  return values;
}

function describeUsers(count: number): string {
  if (count >= 1e9) return `${describeNumber(count / 1e9)} billion`;
  return count >= 1e6 ? `${describeNumber(count / 1e6)} million` : describeNumber(count);
}

/** Three figures that count, with commas: 1,160; 11.6; 0.012. */
function describeNumber(value: number): string {
  const rounded = Number(value.toPrecision(3));
  if (Math.abs(rounded) >= 1000) return rounded.toLocaleString('en-US');
  return String(rounded);
}
