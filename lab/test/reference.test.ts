import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { commands } from '../src/commands/command-table.ts';
import { renderReference } from '../src/commands/reference.ts';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

suite('the documents of the lab', () => {
  test('list every command and option as the code has them', () => {
    assert.equal(
      read('lab-reference.md'),
      renderReference(commands),
      'Write it anew: npx irontrack-lab reference > docs/lab-reference.md',
    );
  });

  test('name no option in a command line that the command does not know', () => {
    // Continued lines belong to the command they continue.
    const text = read('lab.md').replaceAll(/\\\n\s*/g, '');
    const lines = [...text.matchAll(/irontrack-lab ([a-z]+)([^`\n]*)/g)];
    assert.ok(lines.length > 10);
    for (const [line, name = '', rest = ''] of lines) {
      const command = commands.get(name);
      assert.ok(command !== undefined || name === 'reference', `${line}: there is no command ${name}`);
      for (const [, option = ''] of rest.matchAll(/ --([a-z-]+)/g)) {
        assert.ok(command?.options[option] !== undefined, `${line}: ${name} has no --${option}`);
      }
    }
  });

  test('say what each exit status means', () => {
    for (const status of [0, 1, 2, 3, 4, 5])
      assert.match(read('lab.md'), new RegExp(`^\\| ${status} \\|`, 'm'));
  });
});
