import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createTestDatabase } from '../../test/support/database.ts';
import { Problem } from '../problem.ts';
import { connectPool } from './client.ts';
import { openDatabase } from './database.ts';
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
  let held = 0;
  while (held < 3) {
    const [row] = await database.sql<{ count: number }>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and wait_event = 'advisory'`;
    held = row?.count ?? 0;
    assert.ok(held <= 3, `${held} lists at once`);
  }
  assert.equal(ended, 0);
  await letGo();
  await Promise.all(asked);
  assert.equal(lists.load().waiting, 0);
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
