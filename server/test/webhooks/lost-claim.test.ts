import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDatabaseProxy } from '../faults/database-proxy.ts';
import { openDeliveryBench, startReceiver, until } from '../support/deliveries.ts';

const bench = await openDeliveryBench();
const proxy = createDatabaseProxy();
const way = await proxy.reach(bench.address);

/** A lease is 30 s. */
const muchLessThanLeaseMs = 12_000;

test('what was claimed as the database died is delivered when it is back, once, and not when the lease ends', async (t) => {
  const receiver = await startReceiver();
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  const ids = await Promise.all([1, 2, 3].map(() => bench.addEvent(organizationId)));
  proxy.breakAt("nextval('delivery_fences')", 'after it arrived');
  const startedAt = performance.now();
  const { stop } = bench.startEngine({ way });
  await until('the claim is made and its answer lost', () => proxy.broken === 1, 10_000);
  const [row] = await bench.sql`select count(*)::int as count from deliveries where leased_until > now()`;
  t.diagnostic(`${row?.count} were claimed by nobody who knew`);
  await until('all are delivered', () => receiver.received.length === ids.length, muchLessThanLeaseMs);
  t.diagnostic(`delivered after ${(performance.now() - startedAt).toFixed()} ms`);
  await stop();
  assert.deepEqual(
    receiver.received.map(({ headers }) => String(headers['webhook-id'])).toSorted(),
    ids.toSorted(),
  );
});

test('what another worker has claimed is left to it', async () => {
  const receiver = await startReceiver((response) => setTimeout(() => response.end(), 3_000));
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  const [id] = [await bench.addEvent(organizationId)];
  const first = bench.startEngine({ timeoutMs: 10_000 });
  await until('it is under way', () => receiver.received.length === 1, 10_000);
  proxy.breakAt("nextval('delivery_fences')", 'before it arrives');
  const second = bench.startEngine({ way });
  await until('a claim of the second is lost', () => proxy.broken === 2, 10_000);
  const waiting = async () => (await bench.sql`select 1 as one from deliveries`).length;
  await until('it is delivered', async () => (await waiting()) === 0, 20_000);
  assert.equal(receiver.received.length, 1);
  assert.equal(String(receiver.received[0]?.headers['webhook-id']), id);
  await first.stop();
  await second.stop();
});
