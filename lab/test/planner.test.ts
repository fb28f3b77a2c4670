import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import postgres from 'postgres';
import { type CommandLine, openCommandLine } from './support/command-line.ts';

/** The test run's PostgreSQL, as a URL that a user would type. */
function readDatabaseUrl(): string {
  const given: unknown = JSON.parse(process.env.IRONTRACK_TEST_DATABASE ?? '{}');
  const read = (name: string) =>
    typeof given === 'object' && given !== null ? String(Reflect.get(given, name) ?? '') : '';
  const url = new URL(`postgres://localhost:${read('port')}/${read('database')}`);
  url.username = read('user');
  url.password = read('password');
  if (read('host').startsWith('/')) url.searchParams.set('host', read('host'));
  else url.hostname = read('host');
  return url.href;
}

suite('the planner study', () => {
  const database = readDatabaseUrl();
  let shell: CommandLine;
  before(() => {
    shell = openCommandLine();
  });
  after(() => shell.remove());

  const study = (queries: string, ...more: string[]) => {
    writeFileSync(join(shell.folder, 'queries.sql'), queries);
    return shell.lab('planner', 'queries.sql', '--database', database, '--rounds', '2', ...more);
  };

  test('shows plan, time and pages of each query under each value', async () => {
    const ended = await study(
      '-- name: roles of the system\nselect * from pg_roles;\n',
      '--set',
      'random_page_cost=1.1,4.0',
    );
    assert.equal(ended.status, 0, ended.stderr);
    assert.match(ended.stdout, /### roles of the system/);
    assert.match(ended.stdout, /\| 1\.1 \| [A-Z][a-z ]+Scan pg_authid/);
    assert.match(ended.stdout, /\| 4\.0 \|/);
  });

  test('obeys the setting: without sequential scans a key is found by its index', async () => {
    const ended = await study(
      "-- name: one class\nselect oid from pg_class where oid = 'pg_class'::regclass;\n",
      '--set',
      'enable_seqscan=off',
    );
    assert.match(ended.stdout, /Index (?:Only )?Scan pg_class_oid_index/);
  });

  test('leaves nothing behind, whatever the query calls', async () => {
    const host = new URL(database).searchParams.get('host') ?? 'localhost';
    const sql = postgres(database.replace(/\?.*/, ''), { max: 1, host });
    try {
      await sql`create sequence planner_study`;
      const ended = await study("-- name: a write in disguise\nselect nextval('planner_study');\n");
      assert.equal(ended.status, 1);
      assert.match(ended.stderr, /read-only/);
    } finally {
      await sql`drop sequence planner_study`;
      await sql.end();
    }
  });

  const refused = [
    { what: 'a statement that is no SELECT', text: '-- name: x\ndelete from users', says: /no SELECT/ },
    { what: 'a file without a name', text: 'select 1', says: /-- name:/ },
    {
      what: 'a query with a mistake',
      text: '-- name: x\nselect from nowhere_at_all',
      says: /nowhere_at_all/,
    },
  ];
  for (const { what, text, says } of refused) {
    test(`says in a sentence what is wrong with ${what}`, async () => {
      const ended = await study(text);
      assert.equal(ended.status, 1);
      assert.match(ended.stderr, says);
      assert.doesNotMatch(ended.stderr, /\n {4}at /);
    });
  }
});
