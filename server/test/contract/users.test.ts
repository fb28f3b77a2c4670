import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import {
  assertInvalid,
  assertProblem,
  assertUser,
  makePrimaryAdministrator,
} from '../support/expectations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  newEmail,
  type Person,
  type SignedIn,
  signUp,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const bearer = superuser.accessToken;

const create = (json: unknown) => call(service, '/api/v1/users', { bearer, json });
const read = (id: string) => call(service, `/api/v1/users/${id}`, { bearer });
const change = (id: string, json: unknown) =>
  call(service, `/api/v1/users/${id}`, { method: 'PATCH', bearer, json });
const remove = (id: string) => call(service, `/api/v1/users/${id}`, { method: 'DELETE', bearer });
const meStatus = async (person: SignedIn) =>
  (await call(service, '/api/v1/access/me', { bearer: person.accessToken })).status;
const signInStatus = async ({ email, password }: Pick<Person, 'email' | 'password'>) =>
  (await call(service, '/api/v1/auth/login', { json: { email, password } })).status;

test('a superuser creates a user, who can sign in', async () => {
  const email = newEmail();
  const answer = await create({ email: email.toUpperCase(), password: 'simple' });
  assert.equal(answer.status, 201);
  assertUser(answer.body, {
    email,
    name: null,
    isActive: true,
    isSuperuser: false,
    roleName: 'Application Access',
    roleSlug: 'application-access',
  });
  assert.equal(await signInStatus({ email, password: 'simple' }), 200);
});

test('a superuser creates an inactive user and another superuser', async () => {
  const inactive = { email: newEmail(), password: 'simple', name: 'Ada', isActive: false };
  const first = await create(inactive);
  assert.equal(first.status, 201);
  assertUser(first.body, { name: 'Ada', isActive: false });
  assert.equal(await signInStatus(inactive), 401);
  const second = await create({ email: newEmail(), password: 'simple', isSuperuser: true });
  assertUser(second.body, { isSuperuser: true, roleSlug: 'superuser', roleName: 'Superuser' });
});

test('a password that a superuser sets has 6 to 128 characters of any kind', async () => {
  for (const [password, fault] of [
    ['12345', 'password string_too_short'],
    ['x'.repeat(129), 'password string_too_long'],
  ] as const) {
    assertInvalid(await create({ email: newEmail(), password }), fault);
    assertInvalid(await change(superuser.id, { password }), fault);
  }
  for (const password of ['123456', 'x'.repeat(128)]) {
    assert.equal((await create({ email: newEmail(), password })).status, 201);
  }
});

test('a user cannot be created twice, whatever the case of the e-mail', async () => {
  const { email } = await signUp(service);
  for (const again of [email, email.toUpperCase()]) {
    assertProblem(await create({ email: again, password: 'simple' }), 409, 'email-taken');
  }
});

test('every bad field of a new user is listed', async () => {
  assertInvalid(
    await create({ email: 'x@y', name: 3, isActive: 'yes', isSuperuser: 1, roleSlug: 'superuser' }),
    'email value_error',
    'password missing',
    'name literal_error',
    'isActive boolean_type',
    'isSuperuser boolean_type',
    'roleSlug extra_forbidden',
  );
});

test('a superuser reads a user by id, in any case of it', async () => {
  const person = await signUp(service);
  for (const id of [person.id, person.id.toUpperCase()]) {
    const answer = await read(id);
    assert.equal(answer.status, 200);
    assertUser(answer.body, { id: person.id, email: person.email });
  }
});

test('a user who does not exist is not found, and an id that is no UUID is refused', async () => {
  for (const id of [randomUUID(), '00000000-0000-0000-0000-000000000000']) {
    for (const answer of [await read(id), await change(id, {}), await remove(id)]) {
      assertProblem(answer, 404, 'user-not-found');
    }
  }
  for (const id of ['7', 'a'.repeat(36), "' or 1=1 --"]) {
    const encoded = encodeURIComponent(id);
    for (const answer of [await read(encoded), await change(encoded, {}), await remove(encoded)]) {
      assertInvalid(answer, 'id uuid_parsing');
    }
  }
});

test('a superuser changes name and e-mail, and nothing else changes', async () => {
  const person = await enter(service);
  const before = (await read(person.id)).body;
  const email = newEmail();
  service.clock.advance(5);
  const answer = await change(person.id, { name: 'Grace', email: email.toUpperCase() });
  assert.equal(answer.status, 200);
  assertUser(answer.body, { id: person.id, name: 'Grace', email });
  for (const field of ['createdAt', 'isActive', 'isSuperuser', 'roleName', 'roleSlug']) {
    assert.equal(member(answer.body, field), member(before, field), field);
  }
  assert.ok(textMember(answer.body, 'updatedAt') > textMember(before, 'updatedAt'));
  const me = await call(service, '/api/v1/access/me', { bearer: person.accessToken });
  assert.equal(member(me.body, 'email'), email);
  assert.equal(await signInStatus({ email, password: person.password }), 200);
  assert.equal(await signInStatus(person), 401);
});

test('an e-mail that is taken stays with its owner, and the rest of the change is not made either', async () => {
  const owner = await signUp(service);
  const person = await signUp(service);
  const answer = await change(person.id, { email: owner.email.toUpperCase(), name: 'Half done' });
  assertProblem(answer, 409, 'email-taken');
  assertUser((await read(person.id)).body, { email: person.email, name: null });
  assert.equal((await change(person.id, { email: person.email.toUpperCase() })).status, 200);
});

test('an empty change answers the user as it is', async () => {
  const person = await signUp(service);
  const answer = await change(person.id, {});
  assert.equal(answer.status, 200);
  assertUser(answer.body, { id: person.id, email: person.email });
});

test('every bad field of a change is listed', async () => {
  const person = await signUp(service);
  assertInvalid(
    await change(person.id, { email: 'x', isActive: null, isSuperuser: 'true', id: person.id }),
    'email string_too_short',
    'isActive boolean_type',
    'isSuperuser boolean_type',
    'id extra_forbidden',
  );
});

test('deactivation ends the sessions at once, and activation brings none of them back', async () => {
  const person = await enter(service);
  assert.equal(await meStatus(person), 200);
  const answer = await change(person.id, { isActive: false });
  assert.equal(answer.status, 200);
  assertUser(answer.body, { isActive: false });
  assert.equal(await meStatus(person), 401);
  assert.equal(await signInStatus(person), 401);
  assert.equal((await change(person.id, { isActive: true })).status, 200);
  assert.equal(await meStatus(person), 401);
  const json = { refresh_token: person.refreshToken };
  assertProblem(await call(service, '/api/v1/auth/refresh', { json }), 401, 'refresh-token-refused');
  assert.equal(await signInStatus(person), 200);
});

test('a password set by a superuser ends the sessions at once and is the only one that works', async () => {
  const person = await enter(service);
  assert.equal(await meStatus(person), 200);
  assert.equal((await change(person.id, { password: 'from-the-admin' })).status, 200);
  assert.equal(await meStatus(person), 401);
  assert.equal(await signInStatus(person), 401);
  assert.equal(await signInStatus({ email: person.email, password: 'from-the-admin' }), 200);
});

test('a user who is made a superuser may list users at the next request, and no more when demoted', async () => {
  const person = await enter(service);
  const list = () => call(service, '/api/v1/users', { bearer: person.accessToken });
  assertProblem(await list(), 403, 'not-permitted');
  const promoted = await change(person.id, { isSuperuser: true });
  assertUser(promoted.body, { isSuperuser: true, roleSlug: 'superuser', roleName: 'Superuser' });
  assert.equal((await list()).status, 200);
  const demoted = await change(person.id, { isSuperuser: false });
  assertUser(demoted.body, { isSuperuser: false, roleSlug: 'application-access' });
  assertProblem(await list(), 403, 'not-permitted');
  assert.equal(await meStatus(person), 200);
});

test('taking away a superuser role that somebody does not have leaves another role alone', async () => {
  const person = await signUp(service);
  await service.sql`update users set role_slug = 'fitness-trainer' where id = ${person.id}`;
  const answer = await change(person.id, { isSuperuser: false });
  assertUser(answer.body, { isSuperuser: false, roleSlug: 'fitness-trainer', roleName: 'Fitness Trainer' });
});

test('a deleted user is gone with every session and token', async () => {
  const person = await enter(service);
  assert.equal(await meStatus(person), 200);
  const answer = await remove(person.id);
  assert.equal(answer.status, 204);
  assert.equal(answer.body, '');
  assert.equal(await meStatus(person), 401);
  const json = { refresh_token: person.refreshToken };
  assertProblem(await call(service, '/api/v1/auth/refresh', { json }), 401, 'refresh-token-refused');
  assert.equal(await signInStatus(person), 401);
  assertProblem(await read(person.id), 404, 'user-not-found');
  assertProblem(await remove(person.id), 404, 'user-not-found');
  const again = await call(service, '/api/v1/auth/register', {
    json: { email: person.email, password: person.password },
  });
  assert.equal(again.status, 201);
  assert.equal(await meStatus(person), 401);
});

test('a superuser changes and deletes neither the own account nor the primary administrator', async () => {
  const primary = await signUp(service);
  await makePrimaryAdministrator(service, primary);
  for (const [id, code] of [
    [superuser.id, 'own-account'],
    [primary.id, 'primary-administrator'],
  ] as const) {
    const before = (await read(id)).body;
    for (const json of [
      { name: 'x' },
      { isActive: false },
      { isSuperuser: false },
      { password: 'abcdef' },
      {},
    ]) {
      assertProblem(await change(id, json), 403, code);
    }
    assertProblem(await remove(id), 403, code);
    assert.deepEqual((await read(id)).body, before);
  }
  assert.equal(await signInStatus(primary), 200);
  assert.equal(await meStatus(superuser), 200);
});

test('the primary administrator is a mark and not an e-mail address', async () => {
  const email = service.config.administrator.email;
  const made = await create({ email, password: 'simple' });
  assert.equal(made.status, 201);
  assert.equal((await remove(textMember(made.body, 'id'))).status, 204);
});

test('of two superusers who demote, deactivate or delete each other at once, one stays a superuser', async () => {
  const alone = await startTestService();
  const patches = [{ isSuperuser: false }, { isActive: false }, undefined];
  for (const json of [...patches, ...patches]) {
    await alone.sql`update users set role_slug = 'application-access'`;
    const pair = [await enterAsSuperuser(alone), await enterAsSuperuser(alone)] as const;
    const attack = (attacker: SignedIn, victim: Person) =>
      call(alone, `/api/v1/users/${victim.id}`, {
        bearer: attacker.accessToken,
        ...(json === undefined ? { method: 'DELETE' } : { method: 'PATCH', json }),
      });
    // Both are known to the node, so that neither request is late.
    for (const { accessToken } of pair) await call(alone, '/api/v1/users', { bearer: accessToken });
    const answers = await Promise.all([attack(pair[0], pair[1]), attack(pair[1], pair[0])]);
    const [done = 0, refused = 0] = answers.map(({ status }) => status).sort();
    assert.ok(done === 200 || done === 204, `${done} ${refused}`);
    assert.ok(refused === 403 || refused === 401, `${done} ${refused}`);
    const [left] = await alone.sql`
      select count(*)::int as count from users where role_slug = 'superuser' and is_active`;
    assert.equal(left?.count, 1);
  }
});
