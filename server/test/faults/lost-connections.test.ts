/**
 * What becomes of statements, and of those after them, when their connection is lost in every way that a pooler, a server
 * or the network can lose it. PostgreSQL is real; a proxy breaks the connection at the moment that cannot be timed.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import postgres from 'postgres';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { Problem } from '../../src/problem.ts';
import { createTestDatabase } from '../support/database.ts';
import { type Break, createDatabaseProxy } from './database-proxy.ts';

const proxy = createDatabaseProxy();
const straight = await createTestDatabase();
const address = await proxy.reach(straight);
const admin = postgres({ ...straight, max: 1, fetch_types: false, onnotice: () => undefined });
after(() => admin.end({ timeout: 1 }));
await admin`create table marks (mark uuid primary key)`;

/** Nowhere near the 5 s for which the library keeps a spoilt connection silent. */
const soonMs = 4_000;

function open(prepares: boolean, timeoutMs = 20_000, poolSize = 1): Database {
  const database = openDatabase({ address, poolSize, timeoutMs, prepares });
  after(() => database.close());
  return database;
}

const isAway = (error: unknown) => error instanceof Problem && error.code === 'database-unavailable';

async function count(database: Database, upTo: number): Promise<number[]> {
  const rows = await database.sql<{ number: number }>`
    select number from generate_series(1, ${upTo}::int) as number order by number`;
  return Array.from(rows, ({ number }) => number);
}

/** Everything that is asked afterwards is answered as it should be, and soon. */
async function checkWell(database: Database): Promise<void> {
  const startedAt = performance.now();
  for (const upTo of [3, 1, 2]) {
    assert.deepEqual(
      await count(database, upTo),
      Array.from({ length: upTo }, (_, index) => index + 1),
    );
  }
  const [row] = await database.forRequest('a-test')<{ one: number }>`select ${1}::int as one`;
  assert.deepEqual(row, { one: 1 });
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs < soonMs, `${tookMs} ms`);
}

async function isMarked(mark: string): Promise<boolean> {
  return (await admin`select 1 as one from marks where mark = ${mark}`).length === 1;
}

const breaks: readonly (readonly [string, Break])[] = [
  ['before the statement arrives', 'before it arrives'],
  ['after it was carried out', 'after it arrived'],
  ['in the middle of its rows', 'after its first row'],
  ...[
    // PgBouncer 1.18: all its own words have this one code.
    ['08P01', 'server conn crashed?'],
    ['08P01', 'pgbouncer cannot connect to server'],
    ['08P01', 'query_wait_timeout'],
    ['08P01', 'client_login_timeout'],
    ['08006', 'server login has been failing, try again later (server_login_retry)'],
    // PostgreSQL, which a pooler passes on.
    ['57P01', 'terminating connection due to administrator command'],
    ['57P02', 'terminating connection because of crash of another server process'],
    ['57P03', 'the database system is starting up'],
    ['57P05', 'terminating connection due to idle-session timeout'],
    ['57014', 'canceling statement due to user request'],
    ['53100', 'could not extend file: No space left on device'],
    ['53300', 'sorry, too many clients already'],
    ['58000', 'system error'],
    ['58030', 'could not fsync file: Input/output error'],
    ['25P04', 'terminating connection due to transaction timeout'],
    ['28P01', 'password authentication failed'],
  ].map(([sqlState = '', message = '']) => [`${sqlState} ${message}`, { sqlState, message }] as const),
];

for (const prepares of [true, false]) {
  describe(prepares ? 'with prepared statements' : 'without prepared statements', () => {
    const database = open(prepares);

    for (const [what, when] of breaks) {
      test(`a statement whose connection is lost is an outage, and the next is answered: ${what}`, async () => {
        await checkWell(database);
        proxy.breakAt('generate_series', when);
        await assert.rejects(count(database, 3), isAway);
        await checkWell(database);
      });
    }

    test('an error whose connection is lost before its end is not told to whoever asks next', async () => {
      const mark = randomUUID();
      await database.sql`insert into marks values (${mark})`;
      proxy.breakAt('insert into marks', 'after its error');
      await assert.rejects(database.sql`insert into marks values (${mark})`, isAway);
      await checkWell(database);
    });

    test('connections that are reset while statements are on their way are replaced at once', async () => {
      const several = open(prepares, 20_000, 3);
      for (let round = 0; round < 40; round += 1) {
        await Promise.all([1, 2, 3].map(() => count(several, 2)));
        const asked: Promise<unknown>[] = [];
        proxy.reset();
        // In each turn of the loop in which the end may be noticed.
        for (let turn = 0; turn < 4; turn += 1) {
          for (const question of [count(several, 2), several.sql`select 1 as one`]) {
            question.catch(() => undefined);
            asked.push(question);
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        for (const outcome of await Promise.allSettled(asked))
          assert.ok(outcome.status === 'fulfilled' || isAway(outcome.reason));
        await checkWell(several);
      }
    });

    test('a transaction whose connection is lost while it does something else leaves nothing behind', async () => {
      const [early, late] = [randomUUID(), randomUUID()];
      let wentOn = false;
      const lost = database.transaction('a-test', async (tx) => {
        await tx`insert into marks values (${early})`;
        proxy.refuse();
        proxy.restore();
        await wait(100);
        // Somebody else has the connection opened anew meanwhile.
        await checkWell(database);
        wentOn = true;
        await tx`insert into marks values (${late})`;
      });
      await assert.rejects(lost, isAway);
      await checkWell(database);
      while (!wentOn) await wait(10);
      await wait(100);
      await checkWell(database);
      assert.deepEqual([await isMarked(early), await isMarked(late)], [false, false]);
    });

    test('a transaction that was answered with an outage is rolled back when its work ends at last', async () => {
      const impatient = open(prepares, 300);
      const [first, second] = [randomUUID(), randomUUID()];
      for (const goesOn of [true, false]) {
        const { promise: done, resolve } = Promise.withResolvers<void>();
        const slow = impatient.transaction('a-test', async (tx) => {
          await tx`insert into marks values (${goesOn ? first : second})`;
          await wait(800);
          resolve();
          if (goesOn) await tx`select 1 as one`;
        });
        await assert.rejects(slow, isAway);
        await done;
        await wait(200);
        assert.deepEqual([await isMarked(first), await isMarked(second)], [false, false]);
        assert.equal((await impatient.sql`select 1 as one`).length, 1);
      }
    });
  });
}

test('what fails by itself is no outage, and costs nobody a connection', async () => {
  const database = open(true);
  const pid = async () => (await database.sql<{ pid: number }>`select pg_backend_pid() as pid`)[0]?.pid;
  const before = await pid();
  await assert.rejects(database.sql`select 1 / ${0}::int as none`, (error) => !isAway(error));
  await assert.rejects(database.sql`select ${'x'}::uuid as none`, (error) => !isAway(error));
  await assert.rejects(
    database.transaction('a-test', async () => {
      throw new Error('of the work');
    }),
    /of the work/,
  );
  assert.equal(await pid(), before);
});

test('of a pool that lost one connection the others are closed when they are done, and none is cut off', async () => {
  const size = 4;
  const database = open(true, 20_000, size);
  const all = () => Promise.all(Array.from({ length: size }, () => database.sql`select pg_sleep(0.2)`));
  const countOpen = async () => {
    const [row] = await admin<{ count: number }[]>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and query like '%pg_sleep%' and pid <> pg_backend_pid()`;
    return row?.count ?? 0;
  };
  await all();
  assert.equal(await countOpen(), size);
  const long = database.transaction('a-test', async (tx) => {
    await tx`select pg_sleep(0.5)`;
    await tx`select pg_sleep(0.5)`;
    return 'done';
  });
  await wait(100);
  proxy.breakAt('select pg_sleep(0.1)', 'before it arrives');
  await assert.rejects(database.forRequest('a-test')`select pg_sleep(0.1)`, isAway);
  await wait(200);
  assert.equal(await countOpen(), 1, 'the one whose transaction is under way');
  assert.equal(await long, 'done');
  await all();
  assert.equal(await countOpen(), size);
});

test('of a statement that failed nothing is kept', async () => {
  const database = open(true);
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const fail = async (times: number) => {
    for (let count = 0; count < times; count += 1) {
      const long = randomBytes(30_000).toString('hex');
      await assert.rejects(database.forRequest(long)`select 1 / ${0}::int as none`, /division by zero/);
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await fail(50);
  const grewBy = (await fail(500)) - before;
  // Kept, their texts alone are 30 MB.
  assert.ok(grewBy < 10_000_000, `${grewBy} bytes`);
});
