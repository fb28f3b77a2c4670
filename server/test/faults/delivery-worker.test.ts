import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDeliveryBench, startReceiver, until } from '../support/deliveries.ts';
import { runCommand, startWorker, toUrl } from './process.ts';

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

test('a worker says on a port of its own whether it works, and what it has delivered', async () => {
  const receiver = await startReceiver();
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  const worker = await startWorker({ ...environment, WORKER_METRICS_PORT: '0' });
  const place = /Metrics and health: (http:\S+)/;
  await until('it says where', () => place.test(worker.output()));
  const url = place.exec(worker.output())?.[1] ?? '';
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  for (const path of ['/health/live', '/health/ready']) {
    const answer = await fetch(url + path);
    assert.deepEqual([answer.status, await answer.json()], [200, { status: 'ok' }]);
  }
  await bench.addEvent(organizationId);
  await until('it is delivered', () => receiver.received.length === 1, 30_000);
  const page = async () => await (await fetch(`${url}/metrics`)).text();
  await until('it is counted', async () =>
    /^webhook_attempts_total\{outcome="delivered"\} 1$/m.test(await page()),
  );
  const text = await page();
  assert.match(text, /^webhook_deliveries_waiting \d+$/m);
  assert.match(text, /^process_cpu_seconds_total /m);
  assert.equal((await fetch(`${url}/api/events`)).status, 404);
  assert.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405);

  const second = await runCommand(['worker'], { ...environment, WORKER_METRICS_PORT: new URL(url).port });
  assert.equal(second.status, 69);
  assert.match(second.stderr, /is in use\. .* WORKER_METRICS_PORT/);
  worker.signal('SIGTERM');
  assert.equal((await worker.finished).status, 0);
  await assert.rejects(fetch(`${url}/health/live`));
});

test('without a port for them a worker listens nowhere', async () => {
  const worker = await startWorker(environment);
  assert.ok(!worker.output().includes('http://'));
  worker.signal('SIGTERM');
  assert.equal((await worker.finished).status, 0);
});
