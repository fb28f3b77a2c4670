/** `irontrack-lab reference`: every command and option as Markdown; docs/lab-reference.md is what it prints. */
import type { LabCommand } from './lab-command.ts';

export function renderReference(commands: ReadonlyMap<string, LabCommand>): string {
  const chapters = [...commands].map(([name, { summary, usage, options }]) => {
    const rows = Object.entries(options).map(([option, { type, short, multiple, help }]) => {
      const value = type === 'string' ? ' VALUE' : '';
      const repeated = multiple === true ? ', may be repeated' : '';
      return `| \`--${option}${value}\`${short === undefined ? '' : `, \`-${short}\``}${repeated} | ${escapeCell(help)} |`;
    });
    const table = rows.length === 0 ? '' : `\n| option | meaning |\n| --- | --- |\n${rows.join('\n')}\n`;
    return `## ${name}\n\n\`irontrack-lab ${name} ${usage}\`\n\n${summary}\n${table}`;
  });
  return [
    '# Reference of the performance lab',
    '',
    'Every command and option; written by `irontrack-lab reference > docs/lab-reference.md`, and held against the code',
    'by a test. How to use them is in [the guide](lab.md), why they work as they do in [the method](lab-method.md).',
    '',
    chapters.join('\n'),
  ].join('\n');
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
