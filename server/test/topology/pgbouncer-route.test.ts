import assert from 'node:assert/strict';
import { test } from 'node:test';
import postgres from 'postgres';
import { type DatabaseRoute, findDatabaseRoute } from '../../src/database/route.ts';
import { createTestDatabase } from '../support/database.ts';
import { type PgbouncerOptions, sharesPrepared, startPgbouncer } from '../support/pgbouncer.ts';
import { missingPrograms } from './programs.ts';

const skip = missingPrograms({ pgbouncer: 'pgbouncer' });
const straight = await createTestDatabase();

test('a connection straight to PostgreSQL keeps everything', async () => {
  const { keeps, keepsPrepared } = await findDatabaseRoute(straight);
  assert.deepEqual({ keeps, keepsPrepared }, { keeps: 'always', keepsPrepared: true });
});

const rows: readonly (readonly [PgbouncerOptions, Pick<DatabaseRoute, 'keeps' | 'keepsPrepared'>])[] = [
  [
    { mode: 'transaction', poolSize: 1 },
    { keeps: 'transaction', keepsPrepared: sharesPrepared },
  ],
  [
    { mode: 'transaction', poolSize: 5 },
    { keeps: 'transaction', keepsPrepared: sharesPrepared },
  ],
  [
    { mode: 'session', poolSize: 5 },
    { keeps: 'session', keepsPrepared: true },
  ],
  // From 1.21 on it is a setting.
  ...(sharesPrepared
    ? [
        [
          { mode: 'transaction', poolSize: 3, settings: { max_prepared_statements: '0' } },
          { keeps: 'transaction', keepsPrepared: false },
        ] as const,
      ]
    : []),
  // The second connection waits for the first.
  [
    { mode: 'session', poolSize: 1 },
    { keeps: 'session', keepsPrepared: true },
  ],
];

for (const [options, expected] of rows) {
  const given = Object.entries(options.settings ?? {}).map(([name, value]) => ` and ${name} = ${value}`);
  test(`a PgBouncer in ${options.mode} mode with ${options.poolSize} connections${given.join('')} is known for what it is`, {
    skip,
  }, async (t) => {
    const pgbouncer = await startPgbouncer(straight, options);
    t.after(pgbouncer.close);
    const { databaseId, ...route } = await findDatabaseRoute(pgbouncer.address);
    assert.deepEqual(route, expected);
    assert.equal(databaseId, (await findDatabaseRoute(straight)).databaseId);
  });
}

test('a PgBouncer in transaction mode is known while others use it', { skip }, async (t) => {
  const pgbouncer = await startPgbouncer(straight, { poolSize: 3 });
  t.after(pgbouncer.close);
  const routes = await Promise.all(Array.from({ length: 12 }, () => findDatabaseRoute(pgbouncer.address)));
  for (const { keeps, keepsPrepared } of routes)
    assert.deepEqual({ keeps, keepsPrepared }, { keeps: 'transaction', keepsPrepared: sharesPrepared });
});

test('finding out leaves nothing prepared on the connections of the pooler', { skip }, async (t) => {
  const pgbouncer = await startPgbouncer(straight, { poolSize: 1 });
  t.after(pgbouncer.close);
  await findDatabaseRoute(pgbouncer.address);
  const through = postgres({ ...pgbouncer.address, max: 1, fetch_types: false });
  t.after(() => through.end({ timeout: 1 }));
  const left = await through.unsafe('select name from pg_prepared_statements');
  // What the pooler has prepared under names of its own is its own to forget.
  assert.deepEqual(
    left.map(({ name }) => String(name)).filter((name) => !name.startsWith('PGBOUNCER_')),
    [],
  );
});

test('two databases are told apart', async () => {
  const other = await createTestDatabase();
  assert.notEqual(
    (await findDatabaseRoute(straight)).databaseId,
    (await findDatabaseRoute(other)).databaseId,
  );
});
