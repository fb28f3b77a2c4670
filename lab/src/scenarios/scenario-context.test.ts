import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LabError } from '../exit-status.ts';
import { createScenarioContext, readDataFile } from './scenario-context.ts';

function writeData(t: TestContext, name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'lab-rows-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const table: readonly [string, string, string, readonly Record<string, string>[]][] = [
  [
    'a JSON array',
    'a.json',
    '[{"id":1,"name":"x"},{"id":2,"tags":["y"]}]',
    [
      { id: '1', name: 'x' },
      { id: '2', tags: '["y"]' },
    ],
  ],
  ['JSON lines', 'a.jsonl', '{"id":"a"}\n\n{"id":"b"}\n', [{ id: 'a' }, { id: 'b' }]],
  [
    'CSV',
    'a.csv',
    'id,name\r\n1,x\r\n2,\r\n',
    [
      { id: '1', name: 'x' },
      { id: '2', name: '' },
    ],
  ],
  [
    'CSV with quotes, commas and line ends in a field',
    'a.csv',
    'id,say\n1,"a, ""b""\nc"',
    [{ id: '1', say: 'a, "b"\nc' }],
  ],
  ['CSV that ends in a comma', 'a.csv', 'id,name\n1,', [{ id: '1', name: '' }]],
  ['CSV with a byte order mark', 'a.csv', '\ufeffid\n1\n', [{ id: '1' }]],
];

for (const [name, file, text, rows] of table) {
  test(`reads rows of ${name}`, (t) => {
    assert.deepEqual(readDataFile(writeData(t, file, text)), rows);
  });
}

for (const [name, file, text] of [
  ['a row with too few fields', 'a.csv', 'id,name\n1\n'],
  ['a stray quote', 'a.csv', 'id\na"b\n'],
  ['no rows', 'a.csv', 'id\n'],
  ['JSON that is no array', 'a.json', '{"id":1}'],
  ['broken JSON', 'a.jsonl', '{"id":'],
] as const) {
  test(`refuses ${name} in one sentence that names the file`, (t) => {
    const path = writeData(t, file, text);
    assert.throws(
      () => readDataFile(path),
      (error) => error instanceof LabError && error.message.includes(path),
    );
  });
}

test('rows are read once and relative to the scenario; random numbers repeat with the seed', (t) => {
  const file = writeData(t, 'users.csv', 'id\n1\n');
  const create = (seed: number) =>
    createScenarioContext({
      url: new URL('http://localhost/'),
      scenarioPath: join(file, '..', 'scenario.ts'),
      seed,
      newClient: () => {
        throw new Error('not asked for');
      },
    });
  const context = create(5);
  assert.equal(context.readRows('users.csv'), context.readRows('./users.csv'));
  const numbers = Array.from({ length: 1000 }, context.random);
  assert.deepEqual(numbers, Array.from({ length: 1000 }, create(5).random));
  assert.notDeepEqual(numbers, Array.from({ length: 1000 }, create(6).random));
  assert.ok(numbers.every((number) => number >= 0 && number < 1));
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  assert.ok(Math.abs(mean - 0.5) < 0.04, `mean ${mean}`);
});
