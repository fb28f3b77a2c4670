import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Answer,
  call,
  enter,
  enterAsSuperuser,
  goodPassword,
  newEmail,
  type Request,
  type SignedIn,
  signUp,
  startTestService,
} from '../support/service.ts';
import { type Break, createDatabaseProxy } from './database-proxy.ts';

const proxy = createDatabaseProxy();
const service = await startTestService({ reachDatabase: proxy.reach });
const superuser = await enterAsSuperuser(service);

interface Change {
  path: string;
  request: Request;
  /** The one statement that is its own transaction; `commit` when absent. */
  statement?: string;
}

/** Everything that writes, as a request that would succeed. */
const changes: Readonly<Record<string, (person: SignedIn) => Promise<Change> | Change>> = {
  'a sign-up': () => ({
    path: '/api/v1/auth/register',
    request: { json: { email: newEmail(), password: goodPassword } },
  }),
  'a sign-in': ({ email, password }) => ({
    path: '/api/v1/auth/login',
    request: { json: { email, password } },
  }),
  'a sign-in by form': ({ email, password }) => ({
    path: '/api/v1/access/signin',
    request: { form: { username: email, password } },
  }),
  'a refused sign-in': ({ email }) => ({
    path: '/api/v1/auth/login',
    request: { json: { email, password: 'Wrong-Password-1' } },
    statement: 'insert into audit_entries',
  }),
  'a refresh': ({ refreshToken }) => ({
    path: '/api/v1/auth/refresh',
    request: { json: { refresh_token: refreshToken } },
    statement: 'update sessions s',
  }),
  'a sign-out': ({ accessToken }) => ({
    path: '/api/v1/auth/logout',
    request: { method: 'POST', bearer: accessToken },
  }),
  'a sign-out by cookies': ({ cookies }) => ({
    path: '/api/v1/access/logout',
    request: { method: 'POST', cookies },
  }),
  'a change of password': ({ accessToken, password }) => ({
    path: '/api/v1/access/password-update',
    request: {
      method: 'PATCH',
      bearer: accessToken,
      json: { currentPassword: password, newPassword: `${goodPassword}-new` },
    },
  }),
  'a change of name': ({ accessToken }) => ({
    path: '/api/v1/users/me',
    request: { method: 'PATCH', bearer: accessToken, json: { name: 'Ada' } },
  }),
  'the end of all other sessions': ({ accessToken }) => ({
    path: '/api/v1/sessions/me',
    request: { method: 'DELETE', bearer: accessToken },
  }),
  'the end of a session': async (person) => {
    const rows = await service.sql<{ id: string }[]>`select id from sessions where user_id = ${person.id}`;
    return {
      path: `/api/v1/sessions/${rows[0]?.id}`,
      request: { method: 'DELETE', bearer: person.accessToken },
    };
  },
  'a user made by an administrator': () => ({
    path: '/api/v1/users',
    request: { bearer: superuser.accessToken, json: { email: newEmail(), password: goodPassword } },
  }),
  'a deactivation': ({ id }) => ({
    path: `/api/v1/users/${id}`,
    request: { method: 'PATCH', bearer: superuser.accessToken, json: { isActive: false } },
  }),
  'a deletion': ({ id }) => ({
    path: `/api/v1/users/${id}`,
    request: { method: 'DELETE', bearer: superuser.accessToken },
  }),
  'an assigned role': ({ email }) => ({
    path: `/api/v1/roles/${email}/assign`,
    request: { method: 'PATCH', bearer: superuser.accessToken, json: { roleSlug: 'fitness-trainer' } },
  }),
};

function expectUnavailable(answer: Answer): void {
  assert.equal(answer.status, 503, JSON.stringify(answer.body));
  assert.equal(answer.headers.get('retry-after'), '1');
  assert.deepEqual(
    answer.headers.getSetCookie().filter((cookie) => /_token=[^;]/.test(cookie)),
    [],
    'no token is given out',
  );
}

const breaks: readonly Break[] = ['before it arrives', 'after it arrived'];

for (const [name, prepare] of Object.entries(changes)) {
  for (const when of breaks) {
    test(`${name} is not confirmed when the connection breaks at its commit, ${when}`, async () => {
      const person = await enter(service);
      // Known to the caches, so that nothing but the change itself goes to the database.
      await call(service, '/api/v1/users/me', { bearer: person.accessToken });
      await call(service, '/api/v1/users/me', { bearer: superuser.accessToken });
      const { path, request, statement = 'commit' } = await prepare(person);
      const before = proxy.broken;
      proxy.breakAt(statement, when);
      const answer = await call(service, path, request);
      assert.equal(proxy.broken, before + 1, `the connection was broken: ${JSON.stringify(answer)}`);
      expectUnavailable(answer);
      // The very next request finds a new connection.
      const next = await signUp(service);
      assert.match(next.id, /^[0-9a-f-]{36}$/);
    });
  }
}

test('a refresh whose answer was lost in the database can be repeated with the same token', async () => {
  const person = await enter(service);
  const refresh = () =>
    call(service, '/api/v1/auth/refresh', { json: { refresh_token: person.refreshToken } });
  proxy.breakAt('update sessions s', 'after it arrived');
  expectUnavailable(await refresh());
  const [row] = await service.sql`select generation, ended_at from sessions where user_id = ${person.id}`;
  assert.equal(row?.generation, 2, 'the rotation did take place');
  assert.equal(row?.ended_at, null);
  assert.equal((await refresh()).status, 200);
});

test('a sign-out that was committed but not confirmed is felt all the same', async () => {
  const { accessToken } = await enter(service);
  await call(service, '/api/v1/access/me', { bearer: accessToken });
  proxy.breakAt('commit', 'after it arrived');
  expectUnavailable(await call(service, '/api/v1/auth/logout', { method: 'POST', bearer: accessToken }));
  const deadline = performance.now() + 2_000;
  while ((await call(service, '/api/v1/access/me', { bearer: accessToken })).status !== 401) {
    assert.ok(performance.now() < deadline, 'the session still answers');
  }
});

test('a change that was not committed left nothing behind', async () => {
  const email = newEmail();
  proxy.breakAt('commit', 'before it arrives');
  expectUnavailable(
    await call(service, '/api/v1/auth/register', { json: { email, password: goodPassword } }),
  );
  // PostgreSQL rolls back when it notices that the client is gone.
  const rows = await service.sql`select 1 from users where email = ${email}`;
  assert.equal(rows.length, 0);
  await signUp(service, email);
});
