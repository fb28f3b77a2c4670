/** The coalescer on a pool whose connections somebody else holds. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { uuidv7 } from 'uuidv7';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { createIngest, type IngestOutcome } from '../../src/events/ingest.ts';
import { createTestDatabase } from '../support/database.ts';
import { createDatabaseProxy } from './database-proxy.ts';

const address = await createTestDatabase();
const limits = { flushers: 1, batchRows: 16, batchBytes: 1 << 20, queueRows: 1_000, queueBytes: 1 << 20 };

/** An ingest queue on a pool of one connection. */
async function open(queue: { mostWaiting: number; maxWaitMs: number }, way = { address, timeoutMs: 20_000 }) {
  let refusals = 0;
  const database = openDatabase({
    ...way,
    poolSize: 1,
    queue,
    onRefused: () => {
      refusals += 1;
    },
  });
  after(() => database.close());
  const organizationId = uuidv7();
  await database.sql`
    insert into organizations (id, name, created_at, updated_at) values (${organizationId}, 'A test', now(), now())`;
  const ingest = createIngest({
    sql: database.sql,
    limits,
    now: () => performance.now(),
    onFlush: () => undefined,
    onDeliveries: () => undefined,
  });
  const add = (dedupId: string | null): Promise<IngestOutcome> =>
    new Promise((resolve) => {
      const event = {
        id: uuidv7(),
        organizationId,
        type: 'a',
        payload: '{}',
        dedupId,
        contentHash: dedupId === null ? null : randomBytes(32).toString('hex'),
        createdAt: new Date().toISOString(),
      };
      assert.equal(ingest.add(event, resolve), undefined);
    });
  const count = async () => {
    const [row] = await database.sql<{ count: number }>`
      select count(*)::int as count from events where organization_id = ${organizationId}`;
    return row?.count;
  };
  return { database, add, count, readRefusals: () => refusals };
}

/** Holds the only connection. @returns what lets it go */
async function hold(database: Database): Promise<() => Promise<void>> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: held, resolve: isHeld } = Promise.withResolvers<void>();
  const work = database.transaction('a-test', async (tx) => {
    await tx`select 1 as one`;
    isHeld();
    await released;
  });
  await held;
  return async () => {
    release();
    await work;
  };
}

test('a batch that gets no connection is refused once and as a whole, not half by half', async () => {
  const { database, add, count, readRefusals } = await open({ mostWaiting: 0, maxWaitMs: 10_000 });
  const letGo = await hold(database);
  const outcomes = await Promise.all(Array.from({ length: 16 }, () => add(null)));
  await letGo();
  for (const outcome of outcomes) {
    assert.ok(outcome.kind === 'failed' && outcome.error instanceof Error);
    assert.equal('code' in outcome.error && outcome.error.code, 'overloaded');
  }
  assert.equal(readRefusals(), 1);
  assert.equal(await count(), 0);
  assert.equal((await add(null)).kind, 'stored');
});

test('what a batch has stored is acknowledged, also when nobody can say what its duplicates repeat', async () => {
  const { database, add, count } = await open({ mostWaiting: 100, maxWaitMs: 300 });
  assert.equal((await add('known')).kind, 'stored');
  const outcomes = Promise.all([add(null), add('known'), add('new')]);
  // The statement is on its way now; this one goes before the question that follows it, and takes longer than that waits.
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(database.load().busy, 1);
  // A transaction, which has the connection to itself.
  const asleep = database.transaction('a-test', async (tx) => {
    await tx`select pg_sleep(2)`;
  });
  assert.deepEqual(
    (await outcomes).map(({ kind }) => kind),
    ['stored', 'failed', 'stored'],
  );
  await asleep;
  assert.equal(await count(), 3);
  assert.equal((await add('known')).kind, 'duplicate');
});

test('while nothing comes back from the database, events at the end of a long queue are given up in time too', async () => {
  const proxy = createDatabaseProxy();
  const way = { address: await proxy.reach(address), timeoutMs: 2_000 };
  const { add } = await open({ mostWaiting: 100, maxWaitMs: 10_000 }, way);
  assert.equal((await add(null)).kind, 'stored');
  proxy.pause();
  const startedAt = performance.now();
  // Twenty batches. The first is tried for 10 s; one try of each of the others would take 38 s more.
  const outcomes = await Promise.all(Array.from({ length: 20 * limits.batchRows }, () => add(null)));
  const tookMs = performance.now() - startedAt;
  proxy.restore();
  for (const outcome of outcomes) {
    assert.ok(outcome.kind === 'failed' && outcome.error instanceof Error);
    assert.equal('code' in outcome.error && outcome.error.code, 'database-unavailable');
  }
  assert.ok(tookMs < 30_000, `${Math.round(tookMs)} ms`);
  const deadline = performance.now() + 10_000;
  while ((await add(null)).kind !== 'stored') assert.ok(performance.now() < deadline, 'it stores again');
});
