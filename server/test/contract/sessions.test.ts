import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { mostLiveSessions } from '../../src/sessions/sessions.ts';
import {
  assertId,
  assertInstant,
  assertInvalid,
  assertProblem,
  fieldsOf,
  itemsOf,
} from '../support/expectations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  type SignedIn,
  signIn,
  signUp,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();

const isAlive = async (person: SignedIn) =>
  (await call(service, '/api/v1/users/me', { bearer: person.accessToken })).status === 200;
const list = async (person: SignedIn, node = service) =>
  itemsOf((await call(node, '/api/v1/sessions/me', { bearer: person.accessToken })).body);
const currentId = async (person: SignedIn, node = service) =>
  textMember(
    (await list(person, node)).find((item) => member(item, 'current') === true),
    'id',
  );
const end = (person: SignedIn, id: string) =>
  call(service, `/api/v1/sessions/${id}`, { method: 'DELETE', bearer: person.accessToken });

test('a person sees the own sessions, the last used first, each with exactly seven fields', async () => {
  const first = await enter(service);
  service.clock.advance(1_000);
  const headers = { 'user-agent': 'Lynx/2.9 \u00e9', 'content-type': 'application/json' };
  const raw = JSON.stringify({ email: first.email, password: first.password });
  const second = await call(service, '/api/v1/auth/login', { headers, raw });
  assert.equal(second.status, 200);
  await enter(service);
  const items = await list(first);
  assert.equal(items.length, 2);
  for (const item of items) {
    assert.deepEqual(fieldsOf(item), [
      'createdAt',
      'current',
      'expiresAt',
      'id',
      'ipAddress',
      'lastSeenAt',
      'userAgent',
    ]);
    assertId(member(item, 'id'));
    for (const time of ['createdAt', 'lastSeenAt', 'expiresAt']) assertInstant(member(item, time));
    assert.equal(member(item, 'ipAddress'), '127.0.0.1');
    const lifetime = Date.parse(textMember(item, 'expiresAt')) - Date.parse(textMember(item, 'lastSeenAt'));
    assert.equal(lifetime, service.config.tokens.refreshTtlMs);
  }
  assert.deepEqual(
    items.map((item) => member(item, 'current')),
    [false, true],
  );
  assert.match(textMember(items[0], 'userAgent'), /^Lynx/);
});

test('a refresh is seen in the list of sessions as the same session, later', async () => {
  const person = await enter(service);
  const [before] = await list(person);
  service.clock.advance(60_000);
  const refreshed = await call(service, '/api/v1/auth/refresh', {
    json: { refresh_token: person.refreshToken },
  });
  assert.equal(refreshed.status, 200);
  const [after, ...others] = await list(person);
  assert.deepEqual(others, []);
  assert.equal(member(after, 'id'), member(before, 'id'));
  assert.equal(member(after, 'createdAt'), member(before, 'createdAt'));
  for (const time of ['lastSeenAt', 'expiresAt']) {
    assert.ok(Date.parse(textMember(after, time)) - Date.parse(textMember(before, time)) >= 60_000, time);
  }
});

test('a person ends twenty thousand other sessions at once, each with its entry in the trail', async () => {
  const slow = await startTestService();
  const here = await enter(slow);
  const count = 20_000;
  await slow.sql`
    insert into sessions (id, user_id, tag_key, current_hash, created_at, last_seen_at, idle_ends_at, absolute_ends_at)
    select gen_random_uuid(), ${here.id}, '', '', now(), now(), now() + interval '1 day', now() + interval '1 day'
    from generate_series(1, ${count})`;
  const answer = await call(slow, '/api/v1/sessions/me', { method: 'DELETE', bearer: here.accessToken });
  assert.equal(answer.status, 204, JSON.stringify(answer.body));
  const [found] = await slow.sql`
    select count(*)::int as count, count(distinct a.id)::int as ids
    from audit_entries a join sessions s on s.id = a.session_id
    where a.action = 'session.revoked' and a.subject_id = ${here.id} and a.actor_id = ${here.id}
      and a.request_id = ${answer.headers.get('x-request-id')} and a.ip_address = '127.0.0.1'
      and a.details = '{}'::jsonb`;
  assert.deepEqual(found, { count, ids: count });
});

test('of more than a thousand live sessions a sign-in ends those that were used longest ago', async () => {
  const alone = await startTestService();
  const first = await enter(alone);
  const firstId = await currentId(first, alone);
  const others = mostLiveSessions - 1;
  await alone.sql`
    insert into sessions (id, user_id, tag_key, current_hash, created_at, last_seen_at, idle_ends_at, absolute_ends_at)
    select gen_random_uuid(), ${first.id}, '', '', now(), now(), now() + interval '1 day', now() + interval '1 day'
    from generate_series(1, ${others})`;
  assert.equal((await list(first, alone)).length, mostLiveSessions);
  const last = await signIn(alone, first);
  // It was in memory here, and is refused at once all the same.
  assert.equal((await call(alone, '/api/v1/access/me', { bearer: first.accessToken })).status, 401);
  assert.equal((await list(last, alone)).length, mostLiveSessions);
  const entries = await alone.sql`
    select session_id as "sessionId", details from audit_entries
    where action = 'session.revoked' and subject_id = ${first.id}`;
  assert.deepEqual([...entries], [{ sessionId: firstId, details: { most: mostLiveSessions } }]);
  const [row] = await alone.sql`select ended_because as because from sessions where id = ${firstId}`;
  assert.equal(row?.because, 'too many sessions');
});

test('a person ends all other sessions and stays signed in here', async () => {
  const here = await enter(service);
  const elsewhere = [await signIn(service, here), await signIn(service, here)];
  const stranger = await enter(service);
  const answer = await call(service, '/api/v1/sessions/me', { method: 'DELETE', cookies: here.cookies });
  assert.equal(answer.status, 204);
  for (const other of elsewhere) {
    assert.equal(await isAlive(other), false);
    const json = { refresh_token: other.refreshToken };
    assertProblem(await call(service, '/api/v1/auth/refresh', { json }), 401, 'refresh-token-refused');
  }
  assert.ok(await isAlive(here));
  assert.ok(await isAlive(stranger));
  assert.equal((await list(here)).length, 1);
});

test('a person ends one own session', async () => {
  const here = await enter(service);
  const elsewhere = await signIn(service, here);
  const id = await currentId(elsewhere);
  assert.equal((await end(here, id)).status, 204);
  assert.equal(await isAlive(elsewhere), false);
  assert.ok(await isAlive(here));
  assertProblem(await end(here, id), 404, 'session-not-found');
});

test('a person may end the very session that asks', async () => {
  const person = await enter(service);
  assert.equal((await end(person, await currentId(person))).status, 204);
  assert.equal(await isAlive(person), false);
});

test("somebody else's session is not found, and goes on", async () => {
  const mine = await enter(service);
  const theirs = await enter(service);
  const id = await currentId(theirs);
  assertProblem(await end(mine, id), 404, 'session-not-found');
  assertProblem(await end(mine, randomUUID()), 404, 'session-not-found');
  assert.ok(await isAlive(theirs));
});

test('a superuser ends the session of anybody', async () => {
  const superuser = await enterAsSuperuser(service);
  const person = await enter(service);
  const id = await currentId(person);
  assert.equal((await end(superuser, id.toUpperCase())).status, 204);
  assert.equal(await isAlive(person), false);
  assert.ok(await isAlive(superuser));
  assertProblem(await end(superuser, id), 404, 'session-not-found');
});

test('an id that is no UUID is refused, for those alone who may ask', async () => {
  const person = await enter(service);
  for (const id of ['7', 'me2', '00000000-0000-0000-0000-00000000000g']) {
    assertInvalid(await end(person, id), 'id uuid_parsing');
    const anonymous = await call(service, `/api/v1/sessions/${id}`, { method: 'DELETE' });
    assertProblem(anonymous, 401, 'not-authenticated');
  }
});

test('ended and expired sessions are not listed', async () => {
  const person = await signUp(service);
  const first = await signIn(service, person);
  const second = await signIn(service, person);
  const third = await signIn(service, person);
  const expired = await currentId(second);
  await service.sql`update sessions set idle_ends_at = ${service.clock.now()} where id = ${expired}`;
  assert.equal((await end(first, await currentId(third))).status, 204);
  assert.deepEqual(
    (await list(first)).map((item) => member(item, 'current')),
    [true],
  );
  assertProblem(await end(first, expired), 404, 'session-not-found');
});
