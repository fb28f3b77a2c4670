import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertInvalid, assertProblem, assertUser, fieldsOf } from '../support/expectations.ts';
import {
  call,
  enter,
  goodPassword,
  member,
  newEmail,
  signUp,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();

const post = (path: string, json: unknown) => call(service, `/api/v1/auth/${path}`, { json });

test('a program registers an account and is not signed in by it', async () => {
  const email = newEmail();
  const answer = await post('register', { email: email.toUpperCase(), password: goodPassword, name: 'Ada' });
  assert.equal(answer.status, 201);
  assertUser(answer.body, { email, name: 'Ada', isActive: true, isSuperuser: false });
  assert.deepEqual(answer.headers.getSetCookie(), []);
  assertProblem(await post('register', { email, password: goodPassword }), 409, 'email-taken');
  assertInvalid(
    await post('register', { email: 'x', password: 'correct-horse-7', confirmPassword: 'x' }),
    ...['email string_too_short', 'password value_error', 'confirmPassword extra_forbidden'],
  );
});

test('a sign-in answers a token pair as OAuth 2 spells it, and sets no cookie', async () => {
  const person = await signUp(service);
  const answer = await post('login', { email: person.email.toUpperCase(), password: person.password });
  assert.equal(answer.status, 200);
  assert.deepEqual(fieldsOf(answer.body), ['access_token', 'expires_in', 'refresh_token', 'token_type']);
  assert.equal(member(answer.body, 'token_type'), 'Bearer');
  assert.equal(member(answer.body, 'expires_in'), 30 * 60);
  assert.deepEqual(answer.headers.getSetCookie(), []);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
});

test('the token flow tells the three failures of a sign-in no more apart than the browser flow', async () => {
  const person = await signUp(service);
  const inactive = await signUp(service);
  await service.sql`update users set is_active = false where id = ${inactive.id}`;
  const details = new Set<string>();
  for (const [email, password] of [
    [person.email, 'Wrong-Horse-7'],
    [newEmail(), goodPassword],
    [inactive.email, inactive.password],
  ]) {
    const answer = await post('login', { email, password });
    assertProblem(answer, 401, 'invalid-credentials');
    details.add(textMember(answer.body, 'detail'));
  }
  assert.equal(details.size, 1);
});

test('a form is no JSON: the token flow refuses it as a wrong content type', async () => {
  const form = { email: newEmail(), password: goodPassword };
  for (const path of ['register', 'login', 'refresh']) {
    assertProblem(await call(service, `/api/v1/auth/${path}`, { form }), 415, 'unsupported-media-type');
  }
});

test('a refresh rotates the pair: both new tokens work', async () => {
  const person = await enter(service);
  const answer = await post('refresh', { refresh_token: person.refreshToken });
  assert.equal(answer.status, 200);
  assert.deepEqual(fieldsOf(answer.body), ['access_token', 'expires_in', 'refresh_token', 'token_type']);
  const accessToken = textMember(answer.body, 'access_token');
  const refreshToken = textMember(answer.body, 'refresh_token');
  assert.notEqual(accessToken, person.accessToken);
  assert.notEqual(refreshToken, person.refreshToken);
  assert.equal((await call(service, '/api/v1/users/me', { bearer: accessToken })).status, 200);
  assert.equal((await post('refresh', { refresh_token: refreshToken })).status, 200);
});

test('what is no refresh token is refused', async () => {
  const { accessToken, refreshToken } = await enter(service);
  for (const token of ['x', accessToken.slice(0, 512), `${refreshToken}x`, refreshToken.slice(0, -1)]) {
    assertProblem(await post('refresh', { refresh_token: token }), 401, 'refresh-token-refused');
  }
  assertInvalid(await post('refresh', {}), 'refresh_token missing');
  assertInvalid(await post('refresh', { refresh_token: '' }), 'refresh_token string_too_short');
  assertInvalid(await post('refresh', { refresh_token: 7 }), 'refresh_token string_type');
  assert.equal((await post('refresh', { refresh_token: refreshToken })).status, 200);
});

test('a refresh token is no access token and an access token no refresh token', async () => {
  const { refreshToken } = await enter(service);
  const answer = await call(service, '/api/v1/users/me', { bearer: refreshToken });
  assertProblem(answer, 401, 'not-authenticated');
  assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
});

test('a logout by bearer ends that session at once, and no other', async () => {
  const person = await enter(service);
  const other = await enter(service);
  const logout = (bearer: string) => call(service, '/api/v1/auth/logout', { method: 'POST', bearer });
  const answer = await logout(person.accessToken);
  assert.equal(answer.status, 204);
  assert.equal(answer.body, '');
  const me = await call(service, '/api/v1/users/me', { bearer: person.accessToken });
  assertProblem(me, 401, 'not-authenticated');
  const refreshed = await post('refresh', { refresh_token: person.refreshToken });
  assertProblem(refreshed, 401, 'refresh-token-refused');
  assertProblem(await logout(person.accessToken), 401, 'not-authenticated');
  assert.equal((await call(service, '/api/v1/users/me', { bearer: other.accessToken })).status, 200);
});

test('the bearer scheme may be written in any case', async () => {
  const { accessToken } = await enter(service);
  for (const scheme of ['bearer', 'BEARER', 'Bearer']) {
    const headers = { authorization: `${scheme} ${accessToken}` };
    assert.equal((await call(service, '/api/v1/users/me', { headers })).status, 200, scheme);
  }
  for (const authorization of [accessToken, `Basic ${accessToken}`, 'Bearer', `Bearer${accessToken}`]) {
    const answer = await call(service, '/api/v1/users/me', { headers: { authorization } });
    assertProblem(answer, 401, 'not-authenticated');
  }
});

test('a person reads the own account, by bearer or by cookie', async () => {
  const person = await enter(service);
  const answer = await call(service, '/api/v1/users/me', { bearer: person.accessToken });
  assert.equal(answer.status, 200);
  assertUser(answer.body, {
    id: person.id,
    email: person.email,
    name: null,
    roleName: 'Application Access',
    roleSlug: 'application-access',
  });
  const byCookie = await call(service, '/api/v1/users/me', { cookies: person.cookies });
  assert.deepEqual(byCookie.body, answer.body);
});

test('a person changes the own name, takes it away, and sees it at the next request', async () => {
  const person = await enter(service);
  const patch = (json: unknown) =>
    call(service, '/api/v1/users/me', { method: 'PATCH', bearer: person.accessToken, json });
  for (const name of ['Grace Hopper', null]) {
    const answer = await patch({ name });
    assert.equal(answer.status, 200);
    assertUser(answer.body, { id: person.id, name });
    const me = await call(service, '/api/v1/access/me', { bearer: person.accessToken });
    assert.equal(member(me.body, 'name'), name);
  }
  const unchanged = await patch({});
  assert.equal(unchanged.status, 200);
  assertUser(unchanged.body, { id: person.id, name: null });
});

test('a person changes nothing but the own name', async () => {
  const person = await enter(service);
  for (const field of ['email', 'password', 'isActive', 'isSuperuser', 'roleSlug', 'id']) {
    const answer = await call(service, '/api/v1/users/me', {
      method: 'PATCH',
      bearer: person.accessToken,
      json: { name: 'Mallory', [field]: true },
    });
    assertInvalid(answer, `${field} extra_forbidden`);
  }
  const me = await call(service, '/api/v1/users/me', { bearer: person.accessToken });
  assertUser(me.body, { name: null, isSuperuser: false, email: person.email });
});

test('a name is 1 to 255 characters', async () => {
  const { accessToken } = await enter(service);
  const patch = (name: unknown) =>
    call(service, '/api/v1/users/me', { method: 'PATCH', bearer: accessToken, json: { name } });
  assert.equal((await patch('\u{1f600}'.repeat(255))).status, 200);
  for (const name of ['', 'x'.repeat(256), 7, {}]) assertInvalid(await patch(name), 'name literal_error');
});
