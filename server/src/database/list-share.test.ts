import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createTestDatabase } from '../../test/support/database.ts';
import { Problem } from '../problem.ts';
import { openDatabase } from './database.ts';
import { createListShare } from './list-share.ts';

const address = await createTestDatabase();

/** One connection that takes four statements at once, of which three may be those of lists. */
function open(mostWaiting: number) {
  let refusals = 0;
  const queue = { mostWaiting, maxWaitMs: 30_000 };
  const database = openDatabase({ address, poolSize: 1, timeoutMs: 30_000, queue, prepares: true });
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

test('whatever is no list passes the lists that stand in line', async () => {
  const { database, lists } = open(100);
  const order: string[] = [];
  const asked = Array.from({ length: 12 }, async (_, at) => {
    await (at % 2 === 0 ? lists.sql : lists.forRequest('a-test'))`select pg_sleep(0.2)`;
    order.push('list');
  });
  assert.equal(lists.load().waiting, 9);
  assert.equal(database.load().waiting, 0);
  await database.sql`select 1 as one`;
  order.push('other');
  await Promise.all(asked);
  assert.ok(order.indexOf('other') <= 4, order.join(' '));
  assert.equal(lists.load().waiting, 0);
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
