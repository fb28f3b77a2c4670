import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openDatabase } from '../../src/database/database.ts';
import { acknowledgeEvents } from '../../src/events/inbox.sql.ts';
import { replayEvents } from '../../src/events/replay.sql.ts';
import { openDeliveryBench, readState, startReceiver, until } from '../support/deliveries.ts';

const bench = await openDeliveryBench();
const { sql } = bench;
const database = openDatabase({ address: bench.address, poolSize: 1, timeoutMs: 5_000 });
after(() => database.close());
const floodSize = 300_000;
/** What a busy machine takes a second for must not be tried again in half a minute. */
const patient = { timeoutMs: 15_000 };

/** Events of one organization that are all due, the oldest a minute. */
async function flood(organizationId: string, count: number): Promise<void> {
  await sql`
    with made as (
      insert into events (id, organization_id, type, payload, created_at)
      select uuidv7(interval '-1 minute'), ${organizationId}, 'flood', '{"n":1}', now() - interval '1 minute'
      from generate_series(1, ${count})
      returning id, created_at
    )
    insert into deliveries (event_id, organization_id, due_at) select id, ${organizationId}, created_at from made`;
}

const countLeft = async (organizationId: string) => {
  const [row] =
    await sql`select count(*)::int as left from deliveries where organization_id = ${organizationId}`;
  return Number(row?.left);
};

/** Milliseconds from an event's commit to its arrival. */
async function timeArrival(organizationId: string, received: { atMs: number }[], wake: () => void) {
  const before = received.length;
  await bench.addEvent(organizationId);
  const committedAtMs = performance.now();
  wake();
  await until('it arrives', () => received.length > before, 60_000);
  return (received.at(-1)?.atMs ?? 0) - committedAtMs;
}

test(`beside ${floodSize} due deliveries of one organization another's new event goes out at once`, async (t) => {
  const flooded = await startReceiver();
  const other = await startReceiver();
  const { id: flooding } = await bench.addOrganization(flooded.url);
  const { id: quiet } = await bench.addOrganization(other.url);
  await flood(flooding, floodSize);
  const { engine, stop, failures } = bench.startEngine(patient);
  await until('the flood is under way', () => flooded.received.length > 100, 60_000);
  const times: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    times.push(await timeArrival(quiet, other.received, () => engine.wake()));
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const before = flooded.received.length;
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const rate = Math.round((flooded.received.length - before) / 2);
  const left = await countLeft(flooding);
  assert.ok(left > floodSize / 2, `${left} of the flood are left`);
  await stop();
  times.sort((a, b) => a - b);
  const median = times[10] ?? 0;
  t.diagnostic(
    `arrival beside ${left} due: median ${median.toFixed(1)} ms, worst ${times.at(-1)?.toFixed(1)} ms; ` +
      `the flood itself ${rate} deliveries/s`,
  );
  // The goal is 100 ms; a machine that runs other tests beside may take longer now and then.
  assert.ok(median < 500, `median ${median} ms`);
  assert.deepEqual(failures, []);
  await sql`delete from deliveries where organization_id = ${flooding}`;
});

test('many slow receivers hold up nobody else', async () => {
  const slow = await startReceiver(() => undefined);
  const fast = await startReceiver();
  for (let count = 0; count < 20; count += 1) {
    const { id } = await bench.addOrganization(slow.url);
    await flood(id, 100);
  }
  const { id: quiet } = await bench.addOrganization(fast.url);
  const { engine, stop } = bench.startEngine({ timeoutMs: 5_000 });
  await until('the slow ones are under way', () => slow.received.length >= 80, 30_000);
  for (let round = 0; round < 5; round += 1) {
    const ms = await timeArrival(quiet, fast.received, () => engine.wake());
    assert.ok(ms < 1_000, `${ms} ms while the slow ones take 5 s`);
  }
  await stop();
  await sql`delete from deliveries`;
});

test('no organization has more than its bound under way, however many of its deliveries are due', async () => {
  let open = 0;
  let most = 0;
  const receiver = await startReceiver((response) => {
    open += 1;
    most = Math.max(most, open);
    setTimeout(() => {
      open -= 1;
      response.end();
    }, 20);
  });
  const { id } = await bench.addOrganization(receiver.url);
  await flood(id, 500);
  const { stop } = bench.startEngine(patient);
  await until('all are delivered', async () => (await countLeft(id)) === 0, 60_000);
  await stop();
  assert.ok(most > 4 && most <= 32, `${most} at once`);
  assert.equal(receiver.received.length, 500);
});

test('two workers share the work and deliver nothing twice', async () => {
  const receiver = await startReceiver((response) => setTimeout(() => response.end(), 2));
  const ids: string[] = [];
  for (let count = 0; count < 10; count += 1) {
    const { id } = await bench.addOrganization(receiver.url);
    ids.push(id);
    await flood(id, 200);
  }
  const [one, two] = [bench.startEngine(patient), bench.startEngine(patient)];
  for (const id of ids) await until('all are delivered', async () => (await countLeft(id)) === 0, 60_000);
  await Promise.all([one.stop(), two.stop()]);
  const seen = receiver.received.map(({ headers }) => String(headers['webhook-id']));
  assert.equal(seen.length, 2_000);
  assert.equal(new Set(seen).size, 2_000);
  for (const { outcomes, failures } of [one, two]) {
    assert.ok(outcomes.length > 200, `one of them made ${outcomes.length}`);
    assert.deepEqual(failures, []);
  }
});

test('the result of a worker whose lease was lost changes nothing', async () => {
  let answer: (() => void) | undefined;
  const receiver = await startReceiver((response, { headers }) => {
    if (answer === undefined) answer = () => response.writeHead(500).end();
    else if (headers['x-event-type'] === 'thing.happened') response.end();
  });
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  // With room for one it cannot claim it anew itself.
  const late = bench.startEngine({ timeoutMs: 20_000, concurrency: 1 });
  const id = await bench.addEvent(organizationId);
  late.engine.wake();
  await until('the first worker sends it', () => receiver.received.length === 1);
  // Its lease of 30 s ends without a word from it.
  bench.advance(31_000);
  const next = bench.startEngine();
  await until('another delivers it', async () => (await readState(bench, id)).status === 'delivered');
  answer?.();
  await until('the first is told', () => late.outcomes.length === 1);
  assert.deepEqual(late.outcomes, ['superseded']);
  const { status, attempts, lastError, dueAt } = await readState(bench, id);
  assert.deepEqual([status, attempts, lastError, dueAt], ['delivered', 1, null, null]);
  const logged =
    await sql`select status_code as status from delivery_attempts where event_id = ${id} order by status`;
  assert.deepEqual(
    logged.map((row) => row.status),
    [200, 500],
    'both attempts are on record',
  );
  const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
  assert.deepEqual(ids, [id, id]);
  await Promise.all([late.stop(), next.stop()]);
});

test('a worker that is late with a delivery from before a replay changes nothing of the new one', async () => {
  const answers: (() => void)[] = [];
  const receiver = await startReceiver((response) => {
    answers.push(() => response.writeHead(500).end());
  });
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  const late = bench.startEngine({ timeoutMs: 20_000, concurrency: 1 });
  const id = await bench.addEvent(organizationId);
  late.engine.wake();
  await until('the first worker sends it', () => receiver.received.length === 1);
  // Acknowledged meanwhile, so there is nothing to deliver any more; and then asked for again.
  assert.deepEqual(await acknowledgeEvents(database.sql, organizationId, [id], new Date()), [id]);
  assert.equal((await replayEvents(database.sql, organizationId, [id], new Date())).deliveries, 1);
  const next = bench.startEngine({ timeoutMs: 20_000, concurrency: 1 });
  await until('another worker sends the new one', () => receiver.received.length === 2);
  answers[0]?.();
  await until('the first is told', () => late.outcomes.length === 1);
  assert.deepEqual(late.outcomes, ['superseded']);
  const { status, attempts, lastError } = await readState(bench, id);
  assert.deepEqual([status, attempts, lastError], ['pending', 0, null]);
  answers[1]?.();
  await until('the second result is written', () => next.outcomes.length === 1);
  assert.deepEqual(next.outcomes, ['retry']);
  assert.equal((await readState(bench, id)).attempts, 1);
  await Promise.all([late.stop(), next.stop()]);
  await sql`delete from deliveries`;
});

test('a delivery that somebody keeps locked is not asked for without end', async () => {
  const receiver = await startReceiver();
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  const id = await bench.addEvent(organizationId);
  const countTransactions = async () => {
    const [row] = await sql`
      select xact_commit::int as count from pg_stat_database where datname = current_database()`;
    return Number(row?.count);
  };
  await sql.begin(async (tx) => {
    await tx`select from deliveries where event_id = ${id} for update`;
    const { stop } = bench.startEngine();
    // PostgreSQL tells what a connection did once a second.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const before = await countTransactions();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const asked = (await countTransactions()) - before;
    await stop();
    assert.ok(asked < 150, `${asked} transactions in 3 s`);
    assert.equal(receiver.received.length, 0);
  });
  const { stop } = bench.startEngine();
  await until('it is delivered', async () => (await readState(bench, id)).status === 'delivered');
  await stop();
});
