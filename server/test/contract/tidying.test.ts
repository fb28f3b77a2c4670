import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { eventually } from '../support/expectations.ts';
import { call, enter, startTestService } from '../support/service.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

// Housekeeping comes once an hour. Its timer is moved ahead by hand; what it runs is what every server runs.
mock.timers.enable({ apis: ['setInterval'] });
const service = await startTestService({ environment: { AUDIT_RETENTION: '90d' } });
const { sql } = service;
const person = await enter(service);

const daysAgo = (days: number) => new Date(service.clock.now().getTime() - days * dayMs);

async function addEntries(count: number, at: Date): Promise<void> {
  await sql`
    insert into audit_entries (id, at, action, details)
    select gen_random_uuid(), ${at}, 'user.signed_in', '{"from": "tidying.test"}'
    from generate_series(1, ${count})`;
}

async function addSessions(
  count: number,
  userAgent: string,
  absoluteEnd: Date,
  ended: Date | null,
): Promise<void> {
  await sql`
    insert into sessions (id, user_id, tag_key, current_hash, created_at, last_seen_at, idle_ends_at,
      absolute_ends_at, ended_at, user_agent)
    select gen_random_uuid(), ${person.id}, '', '', ${daysAgo(400)}, ${daysAgo(400)}, ${absoluteEnd},
      ${absoluteEnd}, ${ended}, ${userAgent}
    from generate_series(1, ${count})`;
}

async function countEntriesBefore(time: Date): Promise<number> {
  const [row] = await sql`select count(*)::int as count from audit_entries where at < ${time}`;
  return Number(row?.count);
}

async function countSessions(userAgent: string): Promise<number> {
  const [row] = await sql`select count(*)::int as count from sessions where user_agent = ${userAgent}`;
  return Number(row?.count);
}

test('within an hour all audit entries past their retention are gone, however many, and no younger one', async () => {
  const almost = daysAgo(89.9);
  await addEntries(2_500, daysAgo(90.1));
  await addEntries(10, almost);
  const [before] = await sql`select count(*)::int as count from audit_entries`;
  mock.timers.tick(hourMs);
  await eventually(async () => (await countEntriesBefore(daysAgo(90))) === 0);
  // A second round, which begins where nothing but young entries and this one is left.
  await addEntries(1, daysAgo(91));
  mock.timers.tick(hourMs);
  await eventually(async () => (await countEntriesBefore(daysAgo(90))) === 0);
  const [left] = await sql`select count(*)::int as count from audit_entries`;
  assert.equal(Number(left?.count), Number(before?.count) - 2_500);
  assert.equal(await countEntriesBefore(new Date(almost.getTime() + 1)), 10);
});

test('within an hour sessions that have been dead for more than 30 days are gone, all others stay', async () => {
  await addSessions(2_500, 'ended long ago', daysAgo(-300), daysAgo(30.1));
  await addSessions(1_200, 'expired long ago', daysAgo(30.1), null);
  await addSessions(10, 'ended lately', daysAgo(-300), daysAgo(29.9));
  await addSessions(10, 'expired lately', daysAgo(29.9), null);
  await addSessions(10, 'live', daysAgo(-1), null);
  const countOld = async () =>
    (await countSessions('ended long ago')) + (await countSessions('expired long ago'));
  assert.equal(await countOld(), 3_700);
  mock.timers.tick(hourMs);
  await eventually(async () => (await countOld()) === 0);
  await addSessions(1, 'ended long ago', daysAgo(-300), daysAgo(31));
  mock.timers.tick(hourMs);
  await eventually(async () => (await countOld()) === 0);
  for (const kept of ['ended lately', 'expired lately', 'live'])
    assert.equal(await countSessions(kept), 10, kept);
  const { accessToken, refreshToken } = person;
  assert.equal((await call(service, '/api/v1/access/me', { bearer: accessToken })).status, 200);
  const refresh = { json: { refresh_token: refreshToken } };
  assert.equal((await call(service, '/api/v1/auth/refresh', refresh)).status, 200);
});
