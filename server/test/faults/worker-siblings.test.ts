/** What one worker of a node changes, every other has dropped from memory before the change is answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestDatabase } from '../support/database.ts';
import { newOrganization } from '../support/organizations.ts';
import { goodPassword, member, newEmail, textMember } from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { makeFolder, startServer, toUrl } from './process.ts';
import { type Connection, connectToEach } from './worker-connections.ts';

const workers = 2;
const admin = { email: 'admin@example.org', password: goodPassword };
const server = await startServer({
  DATABASE_URL: toUrl(await createDatabaseProxy().reach(await createTestDatabase())),
  DATA_DIR: makeFolder(),
  WORKERS: String(workers),
  ADMIN_EMAIL: admin.email,
  ADMIN_PASSWORD: admin.password,
});
const each = await connectToEach(server.url, workers);

/** The worker of a round, and another one: they take turns. */
function takeTurns(round: number): { one: Connection; other: Connection } {
  const [one, other] = [each[round % workers], each[(round + 1) % workers]];
  assert.ok(one !== undefined && other !== undefined);
  return { one, other };
}

async function signIn(connection: Connection, person: object): Promise<{ access: string; refresh: string }> {
  const { status, body } = await connection.ask('/api/v1/auth/login', { json: person });
  assert.equal(status, 200, JSON.stringify(body));
  return { access: textMember(body, 'access_token'), refresh: textMember(body, 'refresh_token') };
}

async function enter(connection: Connection): Promise<{ email: string; access: string }> {
  const person = { email: newEmail(), password: goodPassword };
  assert.equal((await connection.ask('/api/v1/auth/register', { json: person })).status, 201);
  return { email: person.email, access: (await signIn(connection, person)).access };
}

test('a write of one worker is in the next list of every other, 200 times', async () => {
  const { one } = takeTurns(0);
  const { access: bearer } = await enter(one);
  const groups = await one.ask('/api/v1/catalogs/muscle-groups', { bearer });
  assert.equal(groups.status, 200, JSON.stringify(groups.body));
  const [muscle] = Array.isArray(groups.body) ? groups.body : [];
  const list = '/api/v1/exercises?scope=user';
  const json = {
    name: 'Renamed 0',
    primaryMuscles: [member(muscle, 'id')],
    difficultyLevel: 'beginner',
    category: 'strength',
  };
  const made = await one.ask('/api/v1/exercises/user', { json, bearer });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const id = textMember(made.body, 'id');
  for (let round = 1; round <= 200; round += 1) {
    const turn = takeTurns(round);
    const name = `Renamed ${round}`;
    const changed = await turn.one.ask(`/api/v1/exercises/user/${id}`, {
      method: 'PATCH',
      json: { ...json, name },
      bearer,
    });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
    for (const connection of [turn.other, turn.one]) {
      const { body } = await connection.ask(list, { bearer });
      const items = member(body, 'items');
      assert.deepEqual(
        Array.isArray(items) && items.map((item) => member(item, 'name')),
        [name],
        `round ${round}`,
      );
    }
  }
});

test('a session that one worker ends is refused by the other at once, 50 times', async () => {
  const { one: first } = takeTurns(0);
  const person = { email: newEmail(), password: goodPassword };
  assert.equal((await first.ask('/api/v1/auth/register', { json: person })).status, 201);
  for (let round = 0; round < 50; round += 1) {
    const { one, other } = takeTurns(round);
    const { access: bearer } = await signIn(one, person);
    for (const connection of each) {
      assert.equal((await connection.ask('/api/v1/access/me', { bearer })).status, 200);
    }
    const sessions = await one.ask('/api/v1/sessions/me', { bearer });
    const revoked = await one.ask(`/api/v1/sessions/${currentOf(sessions.body)}`, {
      method: 'DELETE',
      bearer,
    });
    assert.equal(revoked.status, 204, JSON.stringify(revoked.body));
    assert.equal((await other.ask('/api/v1/access/me', { bearer })).status, 401, `round ${round}`);
  }
});

function currentOf(body: unknown): string {
  const items = member(body, 'items');
  const current = Array.isArray(items) && items.find((session) => member(session, 'current') === true);
  return textMember(current, 'id');
}

test('an API key that one worker replaces is refused by the other at once, 20 times', async () => {
  let { apiKey } = await newOrganization(server);
  for (let round = 0; round < 20; round += 1) {
    const { one, other } = takeTurns(round);
    const headers = { 'x-api-key': apiKey };
    for (const connection of each) assert.equal((await connection.ask('/api/keys', { headers })).status, 200);
    const rotated = await one.ask('/api/keys/rotate', { method: 'POST', headers });
    assert.equal(rotated.status, 200, JSON.stringify(rotated.body));
    assert.equal((await other.ask('/api/keys', { headers })).status, 401, `round ${round}`);
    apiKey = textMember(rotated.body, 'api_key');
  }
});

test('a role that one worker gives counts on the other at once', async () => {
  const { access: superuser } = await signIn(takeTurns(0).one, admin);
  for (let round = 0; round < 10; round += 1) {
    const { one, other } = takeTurns(round);
    const { email, access: bearer } = await enter(other);
    for (const connection of each) {
      assert.equal((await connection.ask('/api/v1/access/me', { bearer })).status, 200);
    }
    const given = await one.ask(`/api/v1/roles/${encodeURIComponent(email)}/assign`, {
      method: 'PATCH',
      json: { roleSlug: 'fitness-trainer' },
      bearer: superuser,
    });
    assert.ok(given.status < 300, JSON.stringify(given.body));
    const { body } = await other.ask('/api/v1/access/me', { bearer });
    assert.equal(textMember(body, 'roleSlug'), 'fitness-trainer', `round ${round}`);
  }
});

test('of 110 events of a free organization, sent to all workers at once, 100 are stored', async () => {
  const { apiKey } = await newOrganization(server);
  const answers = await Promise.all(
    Array.from({ length: 11 }, async (_, index) => {
      const connection = each[index % workers];
      const statuses: (number | undefined)[] = [];
      for (let sent = 0; sent < 10; sent += 1) {
        const json = { type: 'test.sent', payload: { index, sent } };
        const answer = await connection?.ask('/api/events', { json, headers: { 'x-api-key': apiKey } });
        statuses.push(answer?.status);
      }
      return statuses;
    }),
  );
  const statuses = answers.flat();
  assert.equal(statuses.filter((status) => status === 201).length, 100);
  assert.equal(statuses.filter((status) => status === 429).length, 10);
});

test('failed sign-ins count together: the eleventh on one account is refused, whoever had the others', async () => {
  const email = newEmail();
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 11; attempt += 1) {
    const json = { email, password: 'Not-The-Password-1' };
    statuses.push((await takeTurns(attempt).one.ask('/api/v1/auth/login', { json })).status);
  }
  assert.deepEqual(statuses, [...Array.from({ length: 10 }, () => 401), 429]);
});
