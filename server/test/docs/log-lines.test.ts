import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { plain, readDocument, sectionOf, tableRows } from './document.ts';

const source = fileURLToPath(new URL('../../src', import.meta.url));

/** What the log says in words, by its sentence with `...` for what varies; `say` is told to the log as a warning. */
function linesOf(text: string): [sentence: string, level: string][] {
  const calls = text.matchAll(/\b(?:log\.(info|warn|error)|say)\([^;'`]*?(['`])([A-Z$].*?)\2/gs);
  return [...calls].map(([, level = 'warn', , sentence = '']) => [
    sentence.replaceAll(/\$\{[^}]*\}/g, '...'),
    level,
  ]);
}

test('every sentence of the log is in docs/operations.md with its level, and every one there exists', () => {
  const files = globSync('**/*.ts', { cwd: source, exclude: ['**/*.test.ts'] });
  const said = new Map(files.flatMap((file) => linesOf(readFileSync(join(source, file), 'utf8'))));
  assert.ok(said.size > 25, `${said.size} sentences`);
  const rows = tableRows(sectionOf(readDocument('docs/operations.md'), 'What it says'), 'line');
  const told = rows.map(([line, level]): [string, string] => [plain(line), level ?? '']);
  assert.deepEqual(told.toSorted(), [...said].toSorted());
});
