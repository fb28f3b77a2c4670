/** What a receiver of webhooks has to have got after all that was broken while they were on their way. */
import assert from 'node:assert/strict';
import type postgres from 'postgres';
import { type Receiver, until } from '../support/deliveries.ts';

/** A lease, and a pause between attempts, on a machine that does much else. */
const longestWaitMs = 90_000;

/**
 * Waits until everything stored has arrived: acknowledged within stored within delivered, each event under one
 * webhook-id with one body, however often it came.
 *
 * @param acknowledged ids of events
 */
export async function checkDelivered(
  sql: postgres.Sql,
  { received }: Receiver,
  acknowledged: readonly string[],
): Promise<string> {
  const waiting = async () => {
    const [row] = await sql`select count(*)::int as count from deliveries`;
    return Number(row?.count);
  };
  const startedAt = performance.now();
  await until('nothing waits for its delivery', async () => (await waiting()) === 0, longestWaitMs);
  const tookMs = performance.now() - startedAt;
  const stored = await sql<{ id: string; dedupId: string; status: string }[]>`
    select id, dedup_id as "dedupId", status from events where type = 'load'`;
  const storedIds = new Set(stored.map(({ id }) => id));
  for (const id of acknowledged) assert.ok(storedIds.has(id), `acknowledged and not stored: ${id}`);
  assert.equal(new Set(stored.map(({ dedupId }) => dedupId)).size, stored.length, 'no event under two ids');
  assert.deepEqual([...new Set(stored.map(({ status }) => status))], ['delivered']);
  const repeated = await sql`
    select event_id from delivery_attempts group by event_id, at having count(*) > 1`;
  assert.equal(repeated.length, 0, 'no attempt twice on record');
  const bodies = new Map<string, string>();
  for (const { headers, body } of received) {
    const id = String(headers['webhook-id']);
    assert.equal(JSON.parse(body).event_id, id);
    assert.equal(bodies.get(id) ?? body, body, 'once more is the same once more');
    bodies.set(id, body);
  }
  assert.deepEqual([...bodies.keys()].toSorted(), [...storedIds].toSorted());
  return (
    `${acknowledged.length} events acknowledged, ${storedIds.size} stored, all delivered, ` +
    `${received.length - storedIds.size} of them once more; the last ${tookMs.toFixed()} ms after the load`
  );
}
