import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditActions } from '@irontrack/contract/audit.ts';
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
  goodPassword,
  member,
  newEmail,
  type Request,
  signIn,
  signUp,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const bearer = superuser.accessToken;

const read = async (query: Record<string, string> = {}) => {
  const answer = await call(service, `/api/v1/audit?${new URLSearchParams(query)}`, { bearer });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
};

let serial = 0;

/** Does something under a request id of its own and returns the entries it left, oldest first. */
async function entriesOf(path: string, request: Request, status: number): Promise<unknown[]> {
  serial += 1;
  const requestId = `audit-test-${serial}`;
  const headers = { 'x-request-id': requestId, 'user-agent': 'Lynx/2.9' };
  const answer = await call(service, path, { ...request, headers });
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  const entries = itemsOf(await read({ pageSize: '100' })).filter(
    (entry) => member(entry, 'requestId') === requestId,
  );
  for (const entry of entries) {
    assert.equal(member(entry, 'ipAddress'), '127.0.0.1');
    assert.equal(member(entry, 'userAgent'), 'Lynx/2.9');
  }
  return entries.toReversed();
}

interface Expected {
  action: string;
  actorId: string | null;
  subjectId: string | null;
  details?: Record<string, unknown>;
}

function assertEntries(entries: unknown[], ...expected: Expected[]): void {
  const seen = entries.map((entry) => ({
    action: member(entry, 'action'),
    actorId: member(entry, 'actorId'),
    subjectId: member(entry, 'subjectId'),
    details: member(entry, 'details'),
  }));
  assert.deepEqual(
    seen,
    expected.map((entry) => ({ details: {}, ...entry })),
  );
}

test('a sign-up and a user made by a superuser are recorded with who made them', async () => {
  const email = newEmail();
  const [own, ...more] = await entriesOf(
    '/api/v1/auth/register',
    { json: { email, password: goodPassword } },
    201,
  );
  assert.deepEqual(more, []);
  const id = member(own, 'subjectId');
  assertId(id);
  const details = { email, role: 'application-access' };
  assertEntries([own], { action: 'user.created', actorId: String(id), subjectId: String(id), details });
  const json = { email: newEmail(), password: 'simple', isSuperuser: true };
  const [made] = await entriesOf('/api/v1/users', { bearer, json }, 201);
  assert.equal(member(made, 'actorId'), superuser.id);
  assert.deepEqual(member(made, 'details'), { email: json.email, role: 'superuser' });
});

test('a sign-in and its failures are recorded, for an unknown e-mail with no subject', async () => {
  const { id, email, password } = await signUp(service);
  const login = (json: unknown, status: number) => entriesOf('/api/v1/auth/login', { json }, status);
  const entries = await login({ email, password }, 200);
  assertEntries(entries, { action: 'user.signed_in', actorId: id, subjectId: id });
  assertId(member(entries[0], 'sessionId'));
  const wrong = await login({ email, password: 'Wrong-Horse-7' }, 401);
  assertEntries(wrong, { action: 'user.sign_in_failed', actorId: null, subjectId: id, details: { email } });
  const nobody = newEmail();
  const unknown = await login({ email: nobody, password }, 401);
  assertEntries(unknown, {
    action: 'user.sign_in_failed',
    actorId: null,
    subjectId: null,
    details: { email: nobody },
  });
});

test('a logout, an ended session and a reused refresh token are recorded with their session', async () => {
  const person = await enter(service);
  const other = await signIn(service, person);
  const third = await signIn(service, person);
  const { id } = person;
  const list = itemsOf((await call(service, '/api/v1/sessions/me', { bearer: other.accessToken })).body);
  const current = textMember(
    list.find((item) => member(item, 'current') === true),
    'id',
  );
  const out = { method: 'POST', cookies: person.cookies };
  const signedOut = await entriesOf('/api/v1/access/logout', out, 204);
  assertEntries(signedOut, { action: 'user.signed_out', actorId: id, subjectId: id });
  const revoked = await entriesOf(`/api/v1/sessions/${current}`, { method: 'DELETE', bearer }, 204);
  assertEntries(revoked, { action: 'session.revoked', actorId: superuser.id, subjectId: id });
  assert.equal(member(revoked[0], 'sessionId'), current);

  const refresh = { json: { refresh_token: third.refreshToken } };
  assert.equal((await call(service, '/api/v1/auth/refresh', refresh)).status, 200);
  service.clock.advance(10_001);
  const reused = await entriesOf('/api/v1/auth/refresh', refresh, 401);
  assert.equal(reused.length, 1);
  assert.equal(member(reused[0], 'action'), 'refresh.reused');
  assert.equal(member(reused[0], 'subjectId'), id);
  assertId(member(reused[0], 'sessionId'));
  assert.deepEqual(await entriesOf('/api/v1/auth/refresh', refresh, 401), []);
});

test('all other sessions that a person ends are recorded one by one', async () => {
  const person = await enter(service);
  await signIn(service, person);
  await signIn(service, person);
  const { id } = person;
  const entry = { action: 'session.revoked', actorId: id, subjectId: id };
  const request = { method: 'DELETE', bearer: person.accessToken };
  assertEntries(await entriesOf('/api/v1/sessions/me', request, 204), entry, entry);
  assertEntries(await entriesOf('/api/v1/sessions/me', request, 204));
});

test('a password change, its failure and a renewed hash are recorded', async () => {
  const person = await enter(service);
  const { id, email } = person;
  const update = (currentPassword: string, status: number) =>
    entriesOf(
      '/api/v1/access/password-update',
      {
        method: 'PATCH',
        bearer: person.accessToken,
        json: { currentPassword, newPassword: 'Better-Horse-8' },
      },
      status,
    );
  const failed = await update('Wrong-Horse-7', 401);
  assert.equal(failed.length, 1);
  assert.equal(member(failed[0], 'action'), 'password.change_failed');
  assert.equal(member(failed[0], 'subjectId'), id);
  const changed = await update(person.password, 204);
  const details = { endedSessions: 1 };
  assertEntries(changed, { action: 'password.changed', actorId: id, subjectId: id, details });

  const stronger = await startTestService({ beside: service, environment: { ARGON2_PASSES: '2' } });
  await signIn(stronger, { id, email, password: 'Better-Horse-8' });
  const renewed = itemsOf(await read({ action: 'password.hash_renewed', subjectId: id }));
  assert.equal(renewed.length, 1);
  await signIn(stronger, { id, email, password: 'Better-Horse-8' });
  assert.equal(itemsOf(await read({ action: 'password.hash_renewed', subjectId: id })).length, 1);
});

test('what a superuser does to a user is recorded, each kind of change on its own', async () => {
  const person = await enter(service);
  const change = (json: unknown) =>
    entriesOf(`/api/v1/users/${person.id}`, { method: 'PATCH', bearer, json }, 200);
  const both = { actorId: superuser.id, subjectId: person.id };
  const names = { ...both, action: 'user.updated', details: { fields: ['name'] } };
  assertEntries(await change({ name: 'Ada' }), names);
  assertEntries(await change({ isSuperuser: true }), {
    ...both,
    action: 'role.changed',
    details: { from: 'application-access', to: 'superuser' },
  });
  assertEntries(await change({ isSuperuser: true }));
  assertEntries(await change({ isActive: false }), { ...both, action: 'user.deactivated' });
  assertEntries(await change({ isActive: false }));
  assertEntries(await change({ isActive: true }), { ...both, action: 'user.activated' });
  assertEntries(await change({ password: 'from-the-admin' }), {
    ...both,
    action: 'password.set_by_administrator',
  });
  const role = { method: 'PATCH', bearer, json: { roleSlug: 'superuser' } };
  assertEntries(await entriesOf(`/api/v1/roles/${person.email}/revoke`, role, 200), {
    ...both,
    action: 'role.changed',
    details: { from: 'superuser', to: 'application-access' },
  });
  const deleted = await entriesOf(`/api/v1/users/${person.id}`, { method: 'DELETE', bearer }, 204);
  assertEntries(deleted, { ...both, action: 'user.deleted', details: { email: person.email } });
});

test('what was refused is recorded as nothing that was done', async () => {
  const person = await signUp(service);
  const json = { email: superuser.email, name: 'Half done' };
  const taken = await entriesOf(`/api/v1/users/${person.id}`, { method: 'PATCH', bearer, json }, 409);
  assert.deepEqual(taken, []);
  const again = { json: { email: person.email, password: goodPassword } };
  assert.deepEqual(await entriesOf('/api/v1/auth/register', again, 409), []);
  const own = { method: 'DELETE', bearer };
  assert.deepEqual(await entriesOf(`/api/v1/users/${superuser.id}`, own, 403), []);
});

test('a new signing key is recorded with nobody as its actor', async () => {
  const [entry] = itemsOf(await read({ action: 'signing_key.created' }));
  assert.equal(member(entry, 'actorId'), null);
  assert.deepEqual(fieldsOf(member(entry, 'details')), ['kid']);
});

test('an entry has exactly ten fields, and the newest comes first', async () => {
  const entries = itemsOf(await read({ pageSize: '100' }));
  for (const entry of entries) {
    assert.deepEqual(fieldsOf(entry), [
      'action',
      'actorId',
      'at',
      'details',
      'id',
      'ipAddress',
      'requestId',
      'sessionId',
      'subjectId',
      'userAgent',
    ]);
    assertId(member(entry, 'id'));
    assertInstant(member(entry, 'at'));
    assert.ok(auditActions.some((action) => action === member(entry, 'action')));
  }
  const ids = entries.map((entry) => textMember(entry, 'id'));
  assert.deepEqual(ids, ids.toSorted().toReversed());
});

test('the trail is read page by page and narrowed by action, actor, subject and time', async () => {
  const person = await enter(service);
  for (let count = 0; count < 4; count += 1) await signIn(service, person);
  const query = { action: 'user.signed_in', actorId: person.id, subjectId: person.id };
  const whole = itemsOf(await read(query));
  assert.equal(whole.length, 5);
  const pages: unknown[] = [];
  for (const currentPage of ['1', '2', '3']) {
    const page = await read({ ...query, pageSize: '2', currentPage });
    assert.deepEqual(fieldsOf(page), ['items', 'limit', 'offset', 'total']);
    assert.equal(member(page, 'total'), 5);
    assert.equal(member(page, 'limit'), 2);
    pages.push(...itemsOf(page));
  }
  assert.deepEqual(pages, whole);
  const at = textMember(whole[2], 'at');
  const since = itemsOf(await read({ ...query, since: at }));
  const until = itemsOf(await read({ ...query, until: at }));
  assert.deepEqual([...since, ...until], whole);
  assert.deepEqual(itemsOf(await read({ actorId: superuser.id, subjectId: person.id })), []);
});

test('bad filters are refused, each by its name', async () => {
  const query = new URLSearchParams({
    action: 'user.exploded',
    actorId: '7',
    subjectId: 'x',
    since: '2026-01-01',
    until: 'now',
    pageSize: '1000',
    orderBy: 'at',
  });
  assertInvalid(
    await call(service, `/api/v1/audit?${query}`, { bearer }),
    'action literal_error',
    'actorId uuid_parsing',
    'subjectId uuid_parsing',
    'since timezone_aware',
    'until timezone_aware',
    'pageSize less_than_equal',
    'orderBy extra_forbidden',
  );
});

test('only superusers read the trail', async () => {
  const person = await enter(service);
  for (const path of ['/api/v1/audit', '/api/v1/audit?nonsense=1']) {
    assertProblem(await call(service, path), 401, 'not-authenticated');
    const answer = await call(service, path, { bearer: person.accessToken });
    assertProblem(answer, 403, 'not-permitted');
  }
});

test('no password, token or hash is anywhere in the trail', async () => {
  const { id, email } = await signUp(service);
  const person = await signIn(service, { id, email, password: goodPassword });
  await call(service, '/api/v1/auth/refresh', { json: { refresh_token: person.refreshToken } });
  // It happens that somebody types the password where the e-mail belongs.
  const form = { username: 'my-Secret-7', password: 'my-Secret-7' };
  assert.equal((await call(service, '/api/v1/access/signin', { form })).status, 401);
  const [row] = await service.sql`
    select string_agg(a::text, ' ') as trail, count(*)::int as count from audit_entries a`;
  const [hash] = await service.sql`select password_hash as hash from users where id = ${id}`;
  assert.ok(Number(row?.count) > 30, String(row?.count));
  const trail = String(row?.trail);
  const secrets = ['$argon2', String(hash?.hash), 'Wrong-Horse-7', 'Better-Horse-8', 'from-the-admin'];
  for (const token of [person.accessToken, person.refreshToken]) {
    secrets.push(token, token.slice(20, 60), token.slice(-20));
  }
  secrets.push('my-Secret-7');
  for (const secret of secrets)
    assert.ok(!trail.toLowerCase().includes(secret.toLowerCase()), secret.slice(0, 12));
});
