import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createTestDatabase } from '../../test/support/database.ts';
import { connectPool } from './client.ts';
import { type CopyValue, copyRows } from './copy.ts';
import { inTransaction } from './database.ts';

const client = connectPool(await createTestDatabase(), 1);
after(() => client.end({ timeout: 1 }));
await client`create table things (id integer primary key, at timestamptz, label text)`;
await client`create table parts (thing_id integer references things (id))`;

const copyThings = (rows: Iterable<readonly CopyValue[]>) =>
  inTransaction(client, (tx) => copyRows(tx, 'copy things (id, at, label) from stdin', rows));

async function countThings(): Promise<number> {
  const [row] = await client<{ count: number }[]>`select count(*)::int as count from things`;
  return row?.count ?? -1;
}

test('every value comes back as it was', async () => {
  const at = new Date('2026-01-31T09:30:00.123Z');
  const labels = ['plain', 'a\tb\nc\rd\\e', '\\N', '\\.', '', '\u00e9\u{1f3cb}', null];
  await copyThings(labels.map((label, id) => [id, at, label]));
  const rows = await client<{ label: string | null; at: Date }[]>`select label, at from things order by id`;
  assert.deepEqual(
    rows.map(({ label }) => label),
    labels,
  );
  for (const row of rows) assert.deepEqual(row.at, at);
  await client`delete from things`;
});

test('more rows than fit into one piece all arrive', async () => {
  await copyThings(Array.from({ length: 20_000 }, (_, id) => [id, null, 'x'.repeat(id % 50)]));
  assert.equal(await countThings(), 20_000);
  await client`delete from things`;
});

test('a row that is refused under way rejects, and nothing of the transaction stays', async () => {
  const rows = Array.from({ length: 20_000 }, (_, id) => [id === 9_999 ? 1 : id, null, 'x'] as const);
  await assert.rejects(copyThings(rows), /duplicate key/);
  assert.equal(await countThings(), 0);
});

test('a row that is refused after the last one was sent rejects too, and the connection is good again', async () => {
  const copied = inTransaction(client, (tx) => copyRows(tx, 'copy parts (thing_id) from stdin', [[1]]));
  await assert.rejects(copied, /foreign key/);
  assert.equal(await countThings(), 0);
});

test('a statement that is wrong rejects', async () => {
  const copied = inTransaction(client, (tx) => copyRows(tx, 'copy nothing (id) from stdin', [[1]]));
  await assert.rejects(copied, /nothing/);
  assert.equal(await countThings(), 0);
});

test('a source that throws rolls back', async () => {
  function* rows(): Generator<CopyValue[]> {
    yield [1, null, 'first'];
    throw new Error('The source ran dry.');
  }
  await assert.rejects(copyThings(rows()), /ran dry/);
  assert.equal(await countThings(), 0);
});
