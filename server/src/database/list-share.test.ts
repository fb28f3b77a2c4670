import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createTestDatabase } from '../../test/support/database.ts';
import { Problem } from '../problem.ts';
import { connectPool } from './client.ts';
import { type Database, openDatabase } from './database.ts';
import { createListShare } from './list-share.ts';
import type { Sql } from './sql.ts';

const address = await createTestDatabase();

/** Four connections that take four statements each at once; three of them may have a list. */
function open(mostWaiting: number, timeoutMs = 30_000) {
  let refusals = 0;
  const queue = { mostWaiting, maxWaitMs: 30_000 };
  const database = openDatabase({ address, poolSize: 4, timeoutMs, queue, prepares: true });
  after(() => database.close());
  const lists = createListShare({
    database,
    queue,
    now: () => performance.now(),
    onWait: () => undefined,
    onRefused: () => {
      refusals += 1;
    },
  });
  return { database, lists, readRefusals: () => refusals };
}

const holder = connectPool(address, 1);
after(() => holder.end({ timeout: 0 }));

/** A list that goes on until the lock is let go. */
const readHeldList = (sql: Sql) => sql`select pg_advisory_xact_lock_shared(1)::text as none`;
async function untilHeld({ sql }: Pick<Database, 'sql'>, lists: number): Promise<void> {
  for (let held = 0; held < lists; ) {
    const [row] = await sql<{ count: number }>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and wait_event = 'advisory'`;
    held = row?.count ?? 0;
    assert.ok(held <= lists, `${held} lists at once`);
  }
}

const hold = () => holder`select pg_advisory_lock(1)`;
const letGo = () => holder`select pg_advisory_unlock(1)`;

test('lists that stand in line leave a connection without any, where all else is answered meanwhile', async () => {
  const { database, lists } = open(100);
  await hold();
  let ended = 0;
  const asked = Array.from({ length: 12 }, async (_, at) => {
    await readHeldList(at % 2 === 0 ? lists.sql : lists.forRequest('a-test'));
    ended += 1;
  });
  assert.equal(lists.load().waiting, 9);
  assert.equal(database.load().waiting, 0);
  await untilHeld(database, 3);
  assert.equal(ended, 0);
  await letGo();
  await Promise.all(asked);
  assert.equal(lists.load().waiting, 0);
});

test('what comes while no connection is idle is put behind no list', async () => {
  const { database, lists } = open(100, 10_000);
  // On an open connection each: what opens one has it to itself.
  await Promise.all(Array.from({ length: 4 }, () => database.sql`select pg_sleep(0.05)::text as none`));
  await hold();
  let ended = 0;
  const asked = Array.from({ length: 3 }, async (_, at) => {
    await readHeldList(at === 0 ? lists.forRequest('a-test') : lists.sql);
    ended += 1;
  });
  await untilHeld(database, 3);
  // The fourth connection.
  const busy = database.sql`select pg_sleep(0.5)::text as none`;
  const others = Array.from({ length: 12 }, (_, at) => database.sql<{ at: number }>`select ${at}::int as at`);
  assert.deepEqual(
    (await Promise.all(others)).flat().map(({ at }) => at),
    Array.from({ length: 12 }, (_, at) => at),
  );
  await busy;
  assert.equal(ended, 0);
  await letGo();
  await Promise.all(asked);
});

test('a list that nobody waits for any longer keeps its place until its statement has ended', async () => {
  const { database, lists } = open(100, 2_000);
  await hold();
  let isOver = false;
  const held = Promise.allSettled(Array.from({ length: 3 }, () => readHeldList(lists.sql))).then(
    (outcomes) => {
      isOver = true;
      return outcomes;
    },
  );
  const next = lists.sql<{ one: number }>`select 1 as one`;
  // Where nobody has an answer the pool is replaced, which ends all of its statements.
  while (!isOver) {
    await database.sql`select 1 as one`;
    await pause(20);
  }
  for (const outcome of await held) {
    assert.ok(outcome.status === 'rejected' && outcome.reason instanceof Problem);
    assert.equal(outcome.reason.code, 'database-unavailable');
  }
  assert.equal(lists.load().waiting, 1);
  await letGo();
  const [row] = await next;
  assert.deepEqual(row, { one: 1 });
});

test('a list too many is refused at once, and a statement that fails leaves its place to the next', async () => {
  const { lists, readRefusals } = open(4);
  const failing = Array.from(
    { length: 3 },
    () => lists.sql`select 1 / (pg_sleep(0.1)::text = 'x')::int as none`,
  );
  const waiting = Array.from({ length: 2 }, () => lists.sql<{ one: number }>`select 1 as one`);
  const outcomes = Promise.allSettled(failing);
  await assert.rejects(lists.sql`select 1 as one`, (error) => {
    assert.ok(error instanceof Problem);
    assert.equal(error.code, 'overloaded');
    assert.equal(error.headers['retry-after'], '2');
    return true;
  });
  assert.equal(readRefusals(), 1);
  assert.deepEqual(
    (await outcomes).map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  );
  assert.deepEqual((await Promise.all(waiting)).flat(), [{ one: 1 }, { one: 1 }]);
});
