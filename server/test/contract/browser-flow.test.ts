import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertCookiesCleared,
  assertInvalid,
  assertProblem,
  assertUser,
  fieldsOf,
  setCookiesOf,
} from '../support/expectations.ts';
import {
  call,
  cookiesOf,
  enter,
  goodPassword,
  member,
  newEmail,
  signIn,
  signUp,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();

const signUpForm = (email: string, password = goodPassword) => ({
  email,
  password,
  confirmPassword: password,
});
const signUpHere = (json: unknown) => call(service, '/api/v1/access/signup', { json });
const signInHere = (form: Record<string, string>) => call(service, '/api/v1/access/signin', { form });
const countUsers = async () => Number((await service.sql`select count(*) from users`)[0]?.count);

test('a person who signs up becomes an active user with the default role, and is not signed in by it', async () => {
  const email = newEmail();
  const answer = await signUpHere({ ...signUpForm(email), name: 'Ada Lovelace' });
  assert.equal(answer.status, 201);
  assertUser(answer.body, {
    email,
    name: 'Ada Lovelace',
    isActive: true,
    isSuperuser: false,
    roleName: 'Application Access',
    roleSlug: 'application-access',
  });
  assert.equal(member(answer.body, 'createdAt'), member(answer.body, 'updatedAt'));
  assert.deepEqual(answer.headers.getSetCookie(), []);
});

test('a name may be left out or null', async () => {
  for (const extra of [{}, { name: null }]) {
    const answer = await signUpHere({ ...signUpForm(newEmail()), ...extra });
    assert.equal(answer.status, 201);
    assertUser(answer.body, { name: null });
  }
});

test('an e-mail is kept in lower case and taken whatever its case', async () => {
  const email = newEmail();
  const first = await signUpHere(signUpForm(email.toUpperCase()));
  assert.equal(first.status, 201);
  assertUser(first.body, { email });
  const before = await countUsers();
  for (const again of [email, email.toUpperCase(), email.replace('person', 'Person')]) {
    assertProblem(await signUpHere(signUpForm(again)), 409, 'email-taken');
  }
  assert.equal(await countUsers(), before);
});

test('two people who sign up with one e-mail at the same time get one account', async () => {
  const email = newEmail();
  const answers = await Promise.all(
    [email, email.toUpperCase(), email, email].map((spelling) => signUpHere(signUpForm(spelling))),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409]);
});

test('a sign-up with a bad e-mail is refused', async () => {
  const before = await countUsers();
  for (const email of [
    '',
    'ada',
    'ada@',
    '@example.org',
    'ada@example',
    'a b@example.org',
    'a@b@',
    'a@-.org',
  ]) {
    const answer = await signUpHere(signUpForm(email));
    assertInvalid(answer, email.length < 3 ? 'email string_too_short' : 'email value_error');
  }
  assertInvalid(await signUpHere(signUpForm(`${'a'.repeat(300)}@example.org`)), 'email string_too_long');
  assert.equal(await countUsers(), before);
});

test('a sign-up with a weak password is refused, and the answer does not repeat it', async () => {
  const weak = {
    string_too_short: ['Ab-1', 'aB3-xyz'],
    string_too_long: [`Ab-1${'x'.repeat(125)}`],
    value_error: ['correct-horse-7', 'CORRECT-HORSE-7', 'Correct-Horse-X', 'CorrectHorse7'],
  };
  for (const [type, passwords] of Object.entries(weak)) {
    for (const password of passwords) {
      const answer = await signUpHere(signUpForm(newEmail(), password));
      assertInvalid(answer, `password ${type}`);
      assert.ok(!JSON.stringify(answer.body).includes(password));
    }
  }
});

test('a password may have 8 to 128 characters of any script', async () => {
  const longest = `Ab-1${'\u{1f512}'.repeat(124)}`;
  for (const password of ['Ab-1wxyz', longest, '\u0416\u0443\u043a-\u0436\u0443\u043a-7', 'Ab 1 wxyz']) {
    const email = newEmail();
    assert.equal((await signUpHere(signUpForm(email, password))).status, 201, password);
    assert.equal((await signInHere({ username: email, password })).status, 204, password);
  }
});

test('passwords that differ are a fault of the whole body', async () => {
  const answer = await signUpHere({ ...signUpForm(newEmail()), confirmPassword: 'Correct-Horse-8' });
  assertInvalid(answer, 'body value_error');
  assert.match(JSON.stringify(answer.body), /Passwords don't match/);
});

test('every bad field of a sign-up is listed as the client wrote it', async () => {
  assertInvalid(
    await signUpHere({ email: 'nobody', password: 'short', name: 7, favouriteColour: 'red' }),
    'email value_error',
    'password string_too_short',
    'confirmPassword missing',
    'name literal_error',
    'favouriteColour extra_forbidden',
  );
  assertInvalid(await signUpHere({}), 'email missing', 'password missing', 'confirmPassword missing');
});

test('nobody makes themselves a superuser by signing up', async () => {
  for (const extra of [{ isSuperuser: true }, { roleSlug: 'superuser' }, { isActive: true }, { id: 'x' }]) {
    const answer = await signUpHere({ ...signUpForm(newEmail()), ...extra });
    assertInvalid(answer, `${Object.keys(extra)[0]} extra_forbidden`);
  }
});

test('a sign-in by form sets two cookies and answers nothing else', async () => {
  const person = await signUp(service);
  const answer = await signInHere({ username: person.email, password: person.password });
  assert.equal(answer.status, 204);
  assert.equal(answer.body, '');
  const { access_token: access, refresh_token: refresh, ...others } = setCookiesOf(answer);
  assert.deepEqual(others, {});
  assert.deepEqual(access?.attributes, ['Path=/', 'HttpOnly', 'SameSite=Lax']);
  assert.equal(access.maxAgeSeconds, 30 * 60);
  assert.deepEqual(refresh?.attributes, ['Path=/api/v1/access', 'HttpOnly', 'SameSite=Strict']);
  assert.equal(refresh.maxAgeSeconds, 30 * 24 * 60 * 60);
  const me = await call(service, '/api/v1/access/me', { cookies: cookiesOf(answer) });
  assert.equal(textMember(me.body, 'id'), person.id);
});

test('a sign-in takes the e-mail in any case, JSON as well as a form, and ignores the other OAuth 2 fields', async () => {
  const { email, password } = await signUp(service);
  const others = { grant_type: 'password', scope: '', client_id: 'app', client_secret: 'secret' };
  const answers = [
    await signInHere({ username: email.toUpperCase(), password }),
    await signInHere({ username: email, password, ...others }),
    await call(service, '/api/v1/access/signin', { json: { email: email.toUpperCase(), password } }),
  ];
  for (const answer of answers) {
    assert.equal(answer.status, 204, JSON.stringify(answer.body));
    assert.deepEqual(Object.keys(cookiesOf(answer)).sort(), ['access_token', 'refresh_token']);
  }
});

test('a wrong password, an unknown e-mail and an inactive account get the same answer and no cookie', async () => {
  const person = await signUp(service);
  const inactive = await signUp(service);
  await service.sql`update users set is_active = false where id = ${inactive.id}`;
  const forms = [
    { username: person.email, password: 'Wrong-Horse-7' },
    { username: newEmail(), password: goodPassword },
    { username: 'not an e-mail', password: goodPassword },
    { username: inactive.email, password: inactive.password },
  ];
  const details = new Set<string>();
  for (const form of forms) {
    const answer = await signInHere(form);
    assertProblem(answer, 401, 'invalid-credentials');
    assert.deepEqual(answer.headers.getSetCookie(), []);
    details.add(textMember(answer.body, 'detail'));
  }
  assert.equal(details.size, 1);
});

test('a sign-in with missing or unknown fields is refused', async () => {
  assertInvalid(await signInHere({}), 'username missing', 'password missing');
  assertInvalid(await signInHere({ password: 'x' }), 'username missing');
  assertInvalid(await signInHere({ username: newEmail() }), 'password missing');
  assertInvalid(
    await signInHere({ username: newEmail(), password: 'x', colour: 'red' }),
    'colour extra_forbidden',
  );
  assertInvalid(
    await call(service, '/api/v1/access/signin', { json: { username: newEmail(), password: 'x' } }),
    'email missing',
    'username extra_forbidden',
  );
});

test('a password is the same in every Unicode spelling', async () => {
  const email = newEmail();
  const composed = 'Caf\u00e9-\ufb01sh-Horse-\u0667';
  assert.equal((await signUpHere(signUpForm(email, composed))).status, 201);
  const decomposed = 'Cafe\u0301-fish-Horse-\u0667';
  for (const password of [composed, decomposed]) {
    assert.equal((await signInHere({ username: email, password })).status, 204);
  }
  assert.equal((await signInHere({ username: email, password: 'Cafe-fish-Horse-\u0667' })).status, 401);
});

test('passwords that differ only in their Unicode spelling do match at sign-up', async () => {
  const answer = await signUpHere({
    email: newEmail(),
    password: 'Caf\u00e9-Horse-7',
    confirmPassword: 'Cafe\u0301-Horse-7',
  });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
});

test('me is answered for the cookie and for the bearer, with exactly six fields', async () => {
  const person = await enter(service);
  const byCookie = await call(service, '/api/v1/access/me', { cookies: person.cookies });
  const byBearer = await call(service, '/api/v1/access/me', { bearer: person.accessToken });
  assert.equal(byCookie.status, 200);
  assert.deepEqual(fieldsOf(byCookie.body), ['email', 'id', 'isActive', 'isSuperuser', 'name', 'roleSlug']);
  assert.deepEqual(byBearer.body, byCookie.body);
  assertProblem(await call(service, '/api/v1/access/me'), 401, 'not-authenticated');
});

test('a cookie value may come in double quotes', async () => {
  const { accessToken, refreshToken } = await enter(service);
  const me = await call(service, '/api/v1/access/me', { cookies: { access_token: `"${accessToken}"` } });
  assert.equal(me.status, 200);
  const cookies = { refresh_token: `"${refreshToken}"` };
  const refreshed = await call(service, '/api/v1/access/refresh-jwt', { method: 'POST', cookies });
  assert.equal(refreshed.status, 204);
  const half = await call(service, '/api/v1/access/me', { cookies: { access_token: `"${accessToken}` } });
  assertProblem(half, 401, 'not-authenticated');
});

test('a password update signs every session out at once and clears the cookies', async () => {
  const first = await enter(service);
  const second = await signIn(service, first);
  const stranger = await enter(service);
  const newPassword = 'Better-Horse-8';
  const answer = await call(service, '/api/v1/access/password-update', {
    method: 'PATCH',
    cookies: first.cookies,
    json: { currentPassword: first.password, newPassword },
  });
  assert.equal(answer.status, 204);
  assertCookiesCleared(answer);
  for (const { cookies } of [first, second]) {
    assertProblem(await call(service, '/api/v1/access/me', { cookies }), 401, 'not-authenticated');
    const refreshed = await call(service, '/api/v1/access/refresh-jwt', { method: 'POST', cookies });
    assertProblem(refreshed, 401, 'refresh-token-refused');
  }
  assert.equal((await call(service, '/api/v1/access/me', { cookies: stranger.cookies })).status, 200);
  assert.equal((await signInHere({ username: first.email, password: first.password })).status, 401);
  assert.equal((await signInHere({ username: first.email, password: newPassword })).status, 204);
});

test('a password update that is refused changes nothing', async () => {
  const person = await enter(service);
  const update = (json: unknown) =>
    call(service, '/api/v1/access/password-update', { method: 'PATCH', cookies: person.cookies, json });
  const wrong = await update({ currentPassword: 'Wrong-Horse-7', newPassword: 'Better-Horse-8' });
  assertProblem(wrong, 401, 'wrong-current-password');
  assert.deepEqual(wrong.headers.getSetCookie(), []);
  const weak = await update({ currentPassword: person.password, newPassword: 'weak-horse-8' });
  assertInvalid(weak, 'newPassword value_error');
  assertInvalid(await update({}), 'currentPassword missing', 'newPassword missing');
  assert.equal((await call(service, '/api/v1/access/me', { cookies: person.cookies })).status, 200);
  await signIn(service, person);
});
