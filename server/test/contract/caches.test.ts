import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/expectations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  type SignedIn,
  signIn,
  startTestService,
  type TestService,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);

const meStatus = async (person: SignedIn, at: TestService = service) =>
  (await call(at, '/api/v1/access/me', { bearer: person.accessToken })).status;

/** Somebody whom the node knows already. */
async function enterAndAsk(at: TestService = service): Promise<SignedIn> {
  const person = await enter(at);
  assert.equal(await meStatus(person, at), 200);
  assert.equal(await meStatus(person, at), 200);
  return person;
}

const changesByHand: [string, (person: SignedIn) => Promise<unknown>][] = [
  ['deactivates a user', ({ id }) => service.sql`update users set is_active = false where id = ${id}`],
  ['ends the sessions', ({ id }) => service.sql`update sessions set ended_at = now() where user_id = ${id}`],
  [
    'cuts the sessions short',
    ({ id }) => service.sql`update sessions set absolute_ends_at = now() where user_id = ${id}`,
  ],
  ['deletes the sessions', ({ id }) => service.sql`delete from sessions where user_id = ${id}`],
  ['deletes a user', ({ id }) => service.sql`delete from users where id = ${id}`],
];

for (const [what, change] of changesByHand) {
  test(`somebody who ${what} by hand in SQL is felt by the person's tokens`, async () => {
    const person = await enterAndAsk();
    const bystander = await enterAndAsk();
    await change(person);
    await eventually(async () => (await meStatus(person)) === 401);
    assert.equal(await meStatus(bystander), 200);
  });
}

test('a name and a role that are changed by hand in SQL are seen', async () => {
  const person = await enterAndAsk();
  await service.sql`update users set name = 'By hand', role_slug = 'fitness-trainer' where id = ${person.id}`;
  await eventually(async () => {
    const { body } = await call(service, '/api/v1/access/me', { bearer: person.accessToken });
    return member(body, 'name') === 'By hand' && member(body, 'roleSlug') === 'fitness-trainer';
  });
});

test('nobody gets in any more once their deactivation was answered, however many requests were under way', async () => {
  for (let round = 0; round < 20; round += 1) {
    const person = await enter(service);
    let isOver = false;
    const late: number[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      for (let count = 0; count < 6; count += 1) {
        const wasOver = isOver;
        const status = await meStatus(person);
        if (wasOver) late.push(status);
      }
    });
    const change = call(service, `/api/v1/users/${person.id}`, {
      method: 'PATCH',
      bearer: superuser.accessToken,
      json: { isActive: false },
    }).then(({ status }) => {
      assert.equal(status, 200);
      isOver = true;
    });
    await Promise.all([...clients, change]);
    late.push(await meStatus(person), await meStatus(person));
    assert.deepEqual([...new Set(late)], [401]);
  }
});

test('nobody gets in any more once their logout was answered, however many requests were under way', async () => {
  for (let round = 0; round < 20; round += 1) {
    const person = await enter(service);
    const requests = Array.from({ length: 5 }, () => meStatus(person));
    const out = { method: 'POST', bearer: person.accessToken };
    assert.equal((await call(service, '/api/v1/auth/logout', out)).status, 204);
    assert.equal(await meStatus(person), 401);
    await Promise.all(requests);
    assert.equal(await meStatus(person), 401);
  }
});

test('a node that was cut off from the news trusts no copy from before, and hears again', async () => {
  const person = await enterAndAsk();
  const second = await enterAndAsk();
  const bystander = await enterAndAsk();
  // One transaction: the listener is gone before the change is announced.
  await service.sql.begin(async (tx) => {
    const killed = await tx`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and application_name = 'irontrack' and query ilike any
        (array['listen %', 'select pg_notify(%'])`;
    assert.ok(killed.length > 0);
    await tx`update users set is_active = false where id = ${person.id}`;
  });
  await eventually(async () => (await meStatus(person)) === 401);
  assert.equal(await meStatus(bystander), 200);
  await service.sql`update users set is_active = false where id = ${second.id}`;
  await eventually(async () => (await meStatus(second)) === 401);
  assert.equal(await meStatus(bystander), 200);
});

test('a logout, an ended session and a new password on one node are felt on another', async () => {
  const other = await startTestService({ beside: service });
  const acts: ((person: SignedIn) => Promise<number>)[] = [
    async (person) =>
      (await call(service, '/api/v1/auth/logout', { method: 'POST', bearer: person.accessToken })).status,
    async (person) => {
      const elsewhere = await signIn(service, person);
      const request = { method: 'DELETE', bearer: elsewhere.accessToken };
      return (await call(service, '/api/v1/sessions/me', request)).status;
    },
    async (person) => {
      const json = { currentPassword: person.password, newPassword: 'Better-Horse-8' };
      const request = { method: 'PATCH', bearer: person.accessToken, json };
      return (await call(service, '/api/v1/access/password-update', request)).status;
    },
  ];
  for (const act of acts) {
    const person = await enter(service);
    await eventually(async () => (await meStatus(person, other)) === 200);
    assert.equal(await act(person), 204);
    assert.equal(await meStatus(person), 401);
    await eventually(async () => (await meStatus(person, other)) === 401);
  }
});

test('a refresh on one node makes a session live on for another that knew its old end', async () => {
  const environment = { REFRESH_TOKEN_TTL: '30m' };
  const first = await startTestService({ environment });
  const other = await startTestService({ environment, beside: first });
  const person = await enter(first);
  assert.equal(await meStatus(person, other), 200);
  const minutes20 = 20 * 60_000;
  for (const node of [first, other]) node.clock.advance(minutes20);
  const json = { refresh_token: person.refreshToken };
  const refreshed = await call(first, '/api/v1/auth/refresh', { json });
  const accessToken = String(member(refreshed.body, 'access_token'));
  for (const node of [first, other]) node.clock.advance(minutes20);
  assert.equal(await meStatus({ ...person, accessToken }, other), 200);
  assert.equal(await meStatus(person, other), 401);
});
