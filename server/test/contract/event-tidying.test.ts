import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { post, store, walkInbox } from '../support/events.ts';
import { eventually, renewSigningKeys } from '../support/expectations.ts';
import { newOrganization } from '../support/organizations.ts';
import { startTestService } from '../support/service.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

// Housekeeping comes every few minutes. Its timer is moved ahead by hand; what it runs is what every server runs.
mock.timers.enable({ apis: ['setInterval'] });
const service = await startTestService({ environment: { EVENT_RETENTION: '3d', WEBHOOK_WORKER: 'off' } });
const { sql, clock } = service;

const dayOf = (time: Date) => time.toISOString().slice(0, 10).replaceAll('-', '');
const inDays = (days: number) => new Date(clock.now().getTime() + days * dayMs);

async function partitionsOf(parent: string): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select inhrelid::regclass::text as name from pg_inherits where inhparent = ${parent}::regclass order by 1`;
  return rows.map(({ name }) => name).filter((name) => !name.endsWith('_default'));
}

async function partitionOf(eventId: string): Promise<string> {
  const [row] = await sql`select tableoid::regclass::text as name from events where id = ${eventId}`;
  return String(row?.name);
}

test('a server that has started has partitions for today and the next two days', async () => {
  for (const parent of ['events', 'delivery_attempts']) {
    const expected = [0, 1, 2].map((days) => `${parent}_${dayOf(inDays(days))}`);
    assert.deepEqual(await partitionsOf(parent), expected);
  }
  const organization = await newOrganization(service);
  assert.equal(await partitionOf(await store(service, organization)), `events_${dayOf(clock.now())}`);
});

test('a dedup_id is free again after 24 hours, not a moment sooner', async () => {
  const organization = await newOrganization(service);
  const event = { type: 'a', payload: {}, dedup_id: 'daily' };
  const first = await store(service, organization, event);
  const [mark] = await sql`select expires_at from event_dedup where event_id = ${first}`;
  const untilMs = mark?.expires_at.getTime() - clock.now().getTime();
  assert.ok(untilMs > dayMs - minuteMs && untilMs <= dayMs);
  clock.advance(untilMs - 2_000);
  await renewSigningKeys(service);
  assert.equal((await post(service, organization, event)).status, 409);
  clock.advance(2_000);
  const second = await store(service, organization, event);
  assert.deepEqual(await walkInbox(service, organization), [second, first]);
  assert.equal((await post(service, organization, event)).status, 409);
});

test('an event of a day without a partition is taken, and moves to it when it is made', async () => {
  clock.advance(6 * dayMs);
  await renewSigningKeys(service);
  const organization = await newOrganization(service);
  const id = await store(service, organization, { payload: { kept: [1.0] } });
  assert.equal(await partitionOf(id), 'events_default');
  mock.timers.tick(10 * minuteMs);
  await eventually(async () => (await partitionOf(id)) === `events_${dayOf(clock.now())}`);
  assert.deepEqual(await walkInbox(service, organization), [id]);
});

test('partitions older than the retention are dropped, with the marks that ran out, and no younger ones', async () => {
  const organization = await newOrganization(service);
  const young = await store(service, organization, { dedup_id: 'young' });
  await eventually(async () => (await partitionsOf('events'))[0] === `events_${dayOf(clock.now())}`);
  clock.advance(3 * dayMs + minuteMs);
  await renewSigningKeys(service);
  mock.timers.tick(10 * minuteMs);
  await eventually(
    async () =>
      (await sql`select 1 from event_dedup where organization_id = ${organization.id}`).length === 0,
  );
  assert.deepEqual(await walkInbox(service, organization), [young], 'its day is not over by three days');
  clock.advance(dayMs);
  await renewSigningKeys(service);
  mock.timers.tick(10 * minuteMs);
  await eventually(async () => (await walkInbox(service, organization)).length === 0);
});
