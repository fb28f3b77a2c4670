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

interface Ends {
  idle: Date;
  absolute: Date;
  ended: Date | null;
}

async function addSessions(count: number, userAgent: string, { idle, absolute, ended }: Ends): Promise<void> {
  await sql`
    insert into sessions (id, user_id, tag_key, current_hash, created_at, last_seen_at, idle_ends_at,
      absolute_ends_at, ended_at, user_agent)
    select gen_random_uuid(), ${person.id}, '', '', ${daysAgo(400)}, ${daysAgo(400)}, ${idle}, ${absolute},
      ${ended}, ${userAgent}
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
  const [old, recent, ahead] = [daysAgo(30.1), daysAgo(29.9), daysAgo(-1)];
  const ends = {
    'ended long ago': { idle: ahead, absolute: ahead, ended: old },
    'idle long ago': { idle: old, absolute: ahead, ended: null },
    'too old long ago': { idle: ahead, absolute: old, ended: null },
    'ended lately': { idle: ahead, absolute: ahead, ended: recent },
    'idle lately': { idle: recent, absolute: ahead, ended: null },
    'too old lately': { idle: ahead, absolute: recent, ended: null },
    live: { idle: ahead, absolute: ahead, ended: null },
  };
  const gone = ['ended long ago', 'idle long ago', 'too old long ago'];
  const isGone = async () => (await Promise.all(gone.map(countSessions))).every((count) => count === 0);
  for (const [userAgent, times] of Object.entries(ends)) {
    await addSessions(gone.includes(userAgent) ? 1_500 : 10, userAgent, times);
  }
  mock.timers.tick(hourMs);
  await eventually(isGone);
  for (const userAgent of gone) await addSessions(1, userAgent, { idle: old, absolute: old, ended: old });
  mock.timers.tick(hourMs);
  await eventually(isGone);
  for (const kept of Object.keys(ends).filter((name) => !gone.includes(name)))
    assert.equal(await countSessions(kept), 10, kept);
  const { accessToken, refreshToken } = person;
  assert.equal((await call(service, '/api/v1/access/me', { bearer: accessToken })).status, 200);
  const refresh = { json: { refresh_token: refreshToken } };
  assert.equal((await call(service, '/api/v1/auth/refresh', refresh)).status, 200);
});
