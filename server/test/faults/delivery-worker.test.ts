import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDeliveryBench, startReceiver, until } from '../support/deliveries.ts';
import { startWorker, toUrl } from './process.ts';

const bench = await openDeliveryBench();
const { sql } = bench;
const environment = {
  DATABASE_URL: toUrl(bench.address),
  DATA_DIR: '/nonexistent',
  WEBHOOK_ALLOW_PRIVATE: 'on',
  WEBHOOK_CONCURRENCY: '32',
  LOG_LEVEL: 'warn',
};
const countWaiting = async () => {
  const [row] = await sql`select count(*)::int as count from deliveries`;
  return Number(row?.count);
};

/** The next worker would take over when the leases end; this is that moment, without the wait. */
async function endLeases(): Promise<number> {
  const rows = await sql`
    update deliveries set due_at = now(), leased_until = now() where leased_until > now() returning event_id`;
  return rows.length;
}

test('workers killed while they deliver lose nothing: each event arrives at least once, under one webhook-id', async (t) => {
  const receiver = await startReceiver((response) => setTimeout(() => response.end(), 20));
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  const ids: string[] = [];
  for (let count = 0; count < 600; count += 1) ids.push(await bench.addEvent(organizationId));
  let abandoned = 0;
  for (let life = 1; life <= 3; life += 1) {
    const worker = await startWorker(environment);
    await until('it delivers', () => receiver.received.length >= life * 100, 30_000);
    worker.signal('SIGKILL');
    const { status } = await worker.finished;
    assert.equal(status, null);
    abandoned += await endLeases();
  }
  assert.ok(abandoned > 0, 'they were killed in the middle of something');
  const last = await startWorker(environment);
  await until('nothing waits', async () => (await countWaiting()) === 0, 60_000);
  last.signal('SIGTERM');
  assert.equal((await last.finished).status, 0);
  const seen = receiver.received.map(({ headers }) => String(headers['webhook-id']));
  assert.deepEqual([...new Set(seen)].sort(), ids.toSorted());
  for (const { headers, body } of receiver.received)
    assert.equal(JSON.parse(body).event_id, headers['webhook-id']);
  const [row] = await sql`
    select count(*)::int as count from events where status = 'delivered' and finished_at is not null`;
  assert.equal(row?.count, ids.length);
  t.diagnostic(
    `${seen.length - ids.length} of ${ids.length} arrived more than once; ${abandoned} leases were abandoned`,
  );
});

test('a worker that is asked to end finishes what it has begun and leaves no lease behind', async () => {
  const receiver = await startReceiver((response) => setTimeout(() => response.end(), 300));
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  for (let count = 0; count < 100; count += 1) await bench.addEvent(organizationId);
  const worker = await startWorker(environment);
  await until('it delivers', () => receiver.received.length > 10, 30_000);
  worker.signal('SIGTERM');
  assert.equal((await worker.finished).status, 0);
  const [row] = await sql`select count(*)::int as count from deliveries where leased_until is not null`;
  assert.equal(row?.count, 0);
  assert.equal(await countWaiting(), 100 - receiver.received.length);
});
