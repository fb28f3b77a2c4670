import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openDatabase } from '../../src/database/database.ts';
import { type Result, writeResults } from '../../src/webhooks/results.sql.ts';
import { type Break, createDatabaseProxy } from '../faults/database-proxy.ts';
import { openDeliveryBench, readState, startReceiver, until } from '../support/deliveries.ts';

const bench = await openDeliveryBench();
const { sql } = bench;
const proxy = createDatabaseProxy();
const way = await proxy.reach(bench.address);

async function readFailures(organizationId: string): Promise<number[]> {
  const rows = await sql<{ failures: number }[]>`
    select failures from webhook_breakers where organization_id = ${organizationId}`;
  return rows.map(({ failures }) => failures);
}

const breaks: readonly Break[] = ['before it arrives', 'after it arrived'];
const answers = [
  { status: 200, state: ['delivered', 1], failures: [] },
  { status: 500, state: ['pending', 1], failures: [1] },
] as const;

for (const when of breaks) {
  for (const { status, state, failures } of answers) {
    test(`an answer of ${status} is written down and counts once when the connection breaks, ${when}`, async () => {
      const receiver = await startReceiver((response) => response.writeHead(status).end());
      const { id: organizationId } = await bench.addOrganization(receiver.url);
      const id = await bench.addEvent(organizationId);
      const brokenBefore = proxy.broken;
      proxy.breakAt('insert into delivery_attempts', when);
      const { outcomes, stop } = bench.startEngine({ way });
      await until('it is written', () => outcomes.length === 1, 20_000);
      await stop();
      assert.equal(proxy.broken, brokenBefore + 1);
      const written = await readState(bench, id);
      assert.deepEqual([written.status, written.attempts], state);
      const attempts = await sql`
        select number, status_code as status from delivery_attempts where event_id = ${id}`;
      assert.deepEqual([...attempts], [{ number: 1, status }]);
      assert.deepEqual(await readFailures(organizationId), failures);
      assert.equal(receiver.received.length, 1);
      await sql`delete from deliveries`;
    });
  }
}

test('results that are written several times, at the same time and later, are on record once and count once', async () => {
  const database = openDatabase({ address: bench.address, poolSize: 4, timeoutMs: 20_000 });
  after(() => database.close());
  const address = 'http://192.0.2.1/hook';
  const { id: organizationId } = await bench.addOrganization(address);
  const base = { organizationId, fence: 0, number: 1, at: new Date(), dueAt: new Date(Date.now() + 60_000) };
  const failed = { statusCode: 500, durationMs: 7, error: 'It failed.' };
  const results: Result[] = [
    { ...base, ...failed, eventId: await bench.addEvent(organizationId), kind: 'retry' },
    { ...base, ...failed, eventId: await bench.addEvent(organizationId), kind: 'failed' },
    // Claimed anew meanwhile by somebody else.
    { ...base, ...failed, eventId: await bench.addEvent(organizationId), kind: 'retry', fence: 9 },
  ];
  const news = [
    { organizationId, address, failures: 3, hadSuccess: false, pausedUntil: null, isGone: false },
  ];
  const breaker = { now: new Date(), threshold: 10, openUntil: new Date(Date.now() + 60_000) };
  const write = () => writeResults(database.sql, results, news, breaker);
  await Promise.all([write(), write(), write(), write()]);
  await write();
  const logged = await sql<{ eventId: string }[]>`
    select event_id as "eventId" from delivery_attempts where organization_id = ${organizationId} order by event_id`;
  assert.deepEqual(
    logged.map(({ eventId }) => eventId),
    results.map(({ eventId }) => eventId).toSorted(),
  );
  assert.deepEqual(await readFailures(organizationId), [3]);
  const states = await Promise.all(results.map(({ eventId }) => readState(bench, eventId)));
  assert.deepEqual(
    states.map(({ status, attempts, dueAt }) => [status, attempts, dueAt !== null]),
    [
      ['pending', 1, true],
      ['failed', 1, false],
      ['pending', 0, true],
    ],
  );
});
