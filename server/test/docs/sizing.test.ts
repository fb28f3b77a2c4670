import assert from 'node:assert/strict';
import { test } from 'node:test';
import postgres from 'postgres';
import { createTestDatabase } from '../support/database.ts';
import { plain, readDocument, sectionOf, tableRows } from './document.ts';

const section = sectionOf(readDocument('docs/sizing.md'), 'Beyond one primary');

interface Told {
  columns: string[];
  distributedBy: string;
  becomes: string;
}

/** Rows of the table by the name of the constraint; a row may have several, and then a list of columns for each. */
function readTold(): Map<string, Told> {
  const rows = tableRows(section, 'unique').flatMap(([names = '', over = '', by = '', becomes = '']) =>
    names
      .split(', ')
      .map((name, at): [string, Told] => [
        plain(name),
        { columns: (over.split('; ')[at] ?? '').split(', '), distributedBy: by, becomes },
      ]),
  );
  return new Map(rows);
}

test('every unique constraint of the schema is in docs/sizing.md with its columns, and none that is not', async () => {
  const sql = postgres({ ...(await createTestDatabase()), max: 1 });
  try {
    const rows = await sql<{ name: string; columns: string[] }[]>`
      select c.relname as name, array_agg(a.attname::text order by k.place) as columns
      from pg_index i
      join pg_class c on c.oid = i.indexrelid and not c.relispartition and c.relnamespace = 'public'::regnamespace
      cross join unnest(i.indkey::int[]) with ordinality as k (column_number, place)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.column_number
      -- Columns that are only carried along are beyond.
      where i.indisunique and k.place <= i.indnkeyatts
      group by c.relname`;
    const real = rows.map(({ name, columns }): [string, string[]] => [name, columns]);
    const told = [...readTold()].map(([name, { columns }]): [string, string[]] => [name, columns]);
    assert.deepEqual(told.toSorted(), real.toSorted());
  } finally {
    await sql.end({ timeout: 1 });
  }
});

test('what stays unique on shards contains what the table is distributed by, or is copied whole', () => {
  const whole = ['a copy each', 'the coordinator alone'];
  for (const [name, { columns, distributedBy, becomes }] of readTold()) {
    const canStay = whole.includes(distributedBy) || columns.includes(distributedBy);
    assert.equal(becomes.startsWith('stays'), canStay, name);
  }
});
