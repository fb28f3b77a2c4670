import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { evaluate } from './sizing/expression.ts';
import { computeAll, describeInputs, describeResults } from './sizing/tables.ts';

const run = promisify(execFile);
const page = readFileSync(new URL('../docs/sizing.md', import.meta.url), 'utf8');
const command = fileURLToPath(new URL('sizing.ts', import.meta.url));

test('the tables of docs/sizing.md are what tools/sizing.ts prints', async () => {
  const { stdout } = await run(process.execPath, [command]);
  const tables = stdout.split('\n\n').map((table) => table.trim());
  assert.equal(tables.length, 12);
  for (const table of tables) assert.ok(page.includes(`\n\n${table}\n`), `not in the page:\n${table}`);
  assert.equal(stdout, describeInputs() + describeResults([1e6, 1e8, 1e9]));
});

test('a reader puts in numbers of his own, and what follows from them changes', async () => {
  const { stdout } = await run(process.execPath, [command, 'users=5000000', 'dailyActiveShare=0.5']);
  assert.match(stdout, /\| `dailyActiveShare` \| 0\.5 \|/);
  assert.match(stdout, /\| active users a day \| `active = users \* dailyActiveShare` \| 2,500,000 \|\n/);
  const usual = computeAll(5e6);
  const busier = computeAll(5e6, new Map([['dailyActiveShare', 0.4]]));
  assert.equal(busier.get('reads'), 2 * (usual.get('reads') ?? 0));
  assert.equal(busier.get('usersGb'), usual.get('usersGb'));
});

test('an input that is not known is refused with those that are', async () => {
  for (const argument of ['dailyActive=0.5', 'users=many', '--help']) {
    await assert.rejects(run(process.execPath, [command, argument]), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && error.code === 64);
      assert.match(error.message, /is no input\. Known: users=, dailyActiveShare=/);
      return true;
    });
  }
});

test('formulas are worked out as they are written', () => {
  const values = new Map([
    ['a', 6],
    ['b', 4],
  ]);
  assert.equal(evaluate('a + b * 2 - 1', values), 13);
  assert.equal(evaluate('(a + b) / 4 / 5', values), 0.5);
  assert.equal(evaluate('max(1, ceil(a / b), 1.5) - 1', values), 1);
  assert.throws(() => evaluate('a + c', values), /c is not known/);
  assert.throws(() => evaluate('(a + b', values), /\) is missing before the end/);
  assert.throws(() => evaluate('a b', values), /b does not belong there/);
  assert.throws(() => evaluate('', values), /the end is not known/);
});
