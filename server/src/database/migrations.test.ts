import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { createTestDatabase } from '../../test/support/database.ts';
import { StartupError } from '../startup-error.ts';
import type { DatabaseAddress } from './client.ts';
import { migrate } from './migrations.ts';

const files = readdirSync(new URL('../../migrations/', import.meta.url))
  .filter((name) => name.endsWith('.sql'))
  .map((name) => name.slice(0, -'.sql'.length))
  .sort();

type Parts = Exclude<DatabaseAddress, string>;

async function withSql<Result>(
  address: Parts,
  work: (sql: postgres.Sql) => Promise<Result>,
): Promise<Result> {
  const sql = postgres({ ...address, max: 1, onnotice: () => undefined });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const migrated = await createTestDatabase();

/** A database with nothing in it, on the server of the test run. */
async function createEmptyDatabase(): Promise<Parts> {
  const database = `empty_${randomBytes(6).toString('hex')}`;
  await withSql(migrated, (sql) => sql`create database ${sql(database)} template template0`);
  return { ...migrated, database };
}

const readApplied = (address: Parts) =>
  withSql(address, async (sql) => {
    const rows = await sql<{ version: string }[]>`select version from schema_migrations order by version`;
    return rows.map(({ version }) => version);
  });

async function refusalOf(address: Parts): Promise<StartupError> {
  const outcome = await migrate(address).catch((error: unknown) => error);
  assert.ok(outcome instanceof StartupError, String(outcome));
  return outcome;
}

test('an empty database gets every migration in order, and a second run has nothing to do', async () => {
  const address = await createEmptyDatabase();
  assert.ok(files.length > 0);
  assert.deepEqual(await migrate(address), files);
  assert.deepEqual(await readApplied(address), files);
  assert.deepEqual(await migrate(address), []);
});

test('a migration leaves what is stored alone', async () => {
  const address = await createTestDatabase();
  await withSql(address, async (sql) => {
    await sql`
      insert into users (id, email, password_hash, created_at, updated_at)
      values (gen_random_uuid(), 'kept@example.org', 'x', now(), now())`;
    assert.deepEqual(await migrate(address), []);
    assert.equal((await sql`select 1 from users`).length, 1);
  });
});

test('attempts that were logged twice are on record once after the migration that keeps them apart', async () => {
  const address = await createTestDatabase();
  const version = '0011-attempts-once';
  await withSql(address, async (sql) => {
    // As the migrations before it left the table.
    await sql`drop index delivery_attempts_once`;
    await sql`create index delivery_attempts_by_event on delivery_attempts (event_id, at)`;
    await sql`delete from schema_migrations where version = ${version}`;
    const day = '2026-01-31';
    await sql`select make_partition('delivery_attempts', 'at', 'delivery_attempts_20260131', ${day}, '2026-02-01')`;
    const [first, second] = ['0199a000-0000-7000-8000-000000000001', '0199a000-0000-7000-8000-000000000002'];
    // In a partition and in the default one: three times the same, and what is another attempt in one thing each.
    for (const at of [`${day}T10:00:00Z`, '2020-01-31T10:00:00Z']) {
      for (const [event, number, time] of [
        [first, 1, at],
        [first, 1, at],
        [first, 1, at],
        [first, 2, at],
        [first, 1, at.replace('10:00:00', '10:00:00.001')],
        [second, 1, at],
      ] as const) {
        await sql`
          insert into delivery_attempts (event_id, organization_id, number, at, duration_ms)
          values (${event}, ${first}, ${number}, ${time}, 1)`;
      }
    }
  });
  assert.deepEqual(await migrate(address), [version]);
  await withSql(address, async (sql) => {
    const rows = await sql`
      select extract(year from at)::int as year, count(*)::int as count,
        count(distinct (event_id, at, number))::int as attempts
      from delivery_attempts group by year order by year`;
    assert.deepEqual(
      rows.map(({ year, count, attempts }) => [year, count, attempts]),
      [
        [2020, 4, 4],
        [2026, 4, 4],
      ],
    );
  });
});

test('of several processes that migrate at once, each file is applied by one and all of them succeed', async () => {
  const address = await createEmptyDatabase();
  const script = `
    import { migrate } from ${JSON.stringify(new URL('migrations.ts', import.meta.url).href)};
    process.stdout.write(JSON.stringify(await migrate(${JSON.stringify(address)})));`;
  const run = promisify(execFile);
  const outputs = await Promise.all(
    Array.from({ length: 3 }, () =>
      run(process.execPath, ['--input-type=module-typescript', '--eval', script], {
        cwd: fileURLToPath(new URL('../../', import.meta.url)),
      }),
    ),
  );
  const applied = outputs.flatMap(({ stdout }) => {
    const versions: unknown = JSON.parse(stdout);
    assert.ok(Array.isArray(versions));
    return versions;
  });
  assert.deepEqual(applied.sort(), files);
  assert.deepEqual(await readApplied(address), files);
});

test('a migration that fails half way leaves nothing of itself and is tried again', async () => {
  const address = await createEmptyDatabase();
  // In the way of the first file, after it has made other tables.
  await withSql(address, (sql) => sql`create table sessions (nothing text)`);
  await assert.rejects(migrate(address));
  assert.deepEqual(await readApplied(address), []);
  await withSql(address, async (sql) => {
    const [row] = await sql`select to_regclass('users') as users`;
    assert.equal(row?.users, null);
    await sql`drop table sessions`;
  });
  assert.deepEqual(await migrate(address), files);
});

test('a file that was edited after it had been applied is refused, and nothing is applied', async () => {
  const address = await createTestDatabase();
  const last = files.at(-1) ?? '';
  await withSql(address, async (sql) => {
    await sql`update schema_migrations set checksum = 'of another text' where version = ${files[0] ?? ''}`;
    await sql`delete from schema_migrations where version = ${last}`;
  });
  const refusal = await refusalOf(address);
  assert.equal(refusal.status, 69);
  assert.match(refusal.message, new RegExp(`${files[0]} was edited`));
  assert.ok(!(await readApplied(address)).includes(last));
});

test('a schema that is newer than the program is refused', async () => {
  const address = await createTestDatabase();
  await withSql(
    address,
    (sql) => sql`insert into schema_migrations (version, checksum) values ('9999-from-the-future', 'x')`,
  );
  const refusal = await refusalOf(address);
  assert.equal(refusal.status, 69);
  assert.match(refusal.message, /9999-from-the-future/);
  assert.match(refusal.message, /newer/);
});

test('a read-only database is refused', async () => {
  const address = await createTestDatabase();
  await withSql(
    address,
    (sql) => sql`alter database ${sql(address.database)} set default_transaction_read_only = on`,
  );
  assert.match((await refusalOf(address)).message, /read-only/);
});

test('a database that is not there, or that lets nobody in, is refused in one sentence without a stack', async () => {
  const address = await createTestDatabase();
  for (const wrong of [
    { ...address, database: 'nowhere' },
    { ...address, user: 'nobody_at_all' },
    { host: '127.0.0.1', port: 1, user: 'x', database: 'x' },
  ]) {
    const refusal = await refusalOf(wrong);
    assert.equal(refusal.status, 69);
    assert.ok(!refusal.message.includes('\n'));
    assert.match(refusal.message, /DATABASE_URL/);
  }
});
