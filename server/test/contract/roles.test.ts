import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertInvalid,
  assertProblem,
  assertUser,
  eventually,
  makePrimaryAdministrator,
} from '../support/expectations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  newEmail,
  signUp,
  startTestService,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const bearer = superuser.accessToken;

const change = (verb: 'assign' | 'revoke', email: string, json: unknown, caller = bearer) =>
  call(service, `/api/v1/roles/${encodeURIComponent(email)}/${verb}`, {
    method: 'PATCH',
    bearer: caller,
    json,
  });
const assign = (email: string, roleSlug: string) => change('assign', email, { roleSlug });
const revoke = (email: string, roleSlug: string) => change('revoke', email, { roleSlug });
const read = async (id: string) => (await call(service, `/api/v1/users/${id}`, { bearer })).body;

test('a role is assigned and revoked, and isSuperuser follows the superuser role', async () => {
  const person = await signUp(service);
  for (const [slug, name, isSuperuser] of [
    ['superuser', 'Superuser', true],
    ['fitness-trainer', 'Fitness Trainer', false],
  ] as const) {
    const assigned = await assign(person.email, slug);
    assert.equal(assigned.status, 200);
    assert.deepEqual(assigned.body, {
      message: `Successfully assigned the '${slug}' role to ${person.email}`,
    });
    assertUser(await read(person.id), { roleSlug: slug, roleName: name, isSuperuser });
    const revoked = await revoke(person.email, slug);
    assert.equal(revoked.status, 200);
    assert.deepEqual(revoked.body, {
      message:
        `Successfully revoked the '${slug}' role for ${person.email} ` +
        "and set to default role 'application-access'",
    });
    assertUser(await read(person.id), {
      roleSlug: 'application-access',
      roleName: 'Application Access',
      isSuperuser: false,
    });
  }
});

test('one role takes the place of the other', async () => {
  const person = await signUp(service);
  assert.equal((await assign(person.email, 'superuser')).status, 200);
  assert.equal((await assign(person.email, 'fitness-trainer')).status, 200);
  assertUser(await read(person.id), { roleSlug: 'fitness-trainer', isSuperuser: false });
});

test('a role assigned by isSuperuser is revoked by its name, and the other way round', async () => {
  const person = await signUp(service);
  const path = `/api/v1/users/${person.id}`;
  await call(service, path, { method: 'PATCH', bearer, json: { isSuperuser: true } });
  assert.equal((await revoke(person.email, 'superuser')).status, 200);
  assertUser(await read(person.id), { isSuperuser: false, roleSlug: 'application-access' });
  assert.equal((await assign(person.email, 'superuser')).status, 200);
  const demoted = await call(service, path, { method: 'PATCH', bearer, json: { isSuperuser: false } });
  assertUser(demoted.body, { isSuperuser: false, roleSlug: 'application-access' });
});

test('an e-mail in the path is taken in any case, beyond ASCII too', async () => {
  for (const email of [newEmail(), `j\u00fcrgen.${newEmail()}`]) {
    await signUp(service, email);
    const answer = await assign(email.toUpperCase(), 'fitness-trainer');
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.deepEqual(answer.body, {
      message: `Successfully assigned the 'fitness-trainer' role to ${email}`,
    });
  }
});

test('an e-mail in the path is taken in every Unicode spelling', async () => {
  const email = `jos\u00e9.${newEmail()}`;
  await signUp(service, email);
  const answer = await assign(email.normalize('NFD'), 'fitness-trainer');
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
});

test('a role that somebody has already, or has not, is a conflict', async () => {
  const person = await signUp(service);
  const mismatch = await revoke(person.email, 'fitness-trainer');
  assertProblem(mismatch, 409, 'role-mismatch');
  assert.equal(
    member(mismatch.body, 'detail'),
    `User ${person.email} currently has the 'application-access' role, ` +
      "which does not match the requested role 'fitness-trainer' for revocation",
  );
  assert.equal((await assign(person.email, 'fitness-trainer')).status, 200);
  assertProblem(await assign(person.email, 'fitness-trainer'), 409, 'role-already-assigned');
  assertProblem(await revoke(person.email, 'superuser'), 409, 'role-mismatch');
  assertUser(await read(person.id), { roleSlug: 'fitness-trainer' });
});

test('a user who does not exist is not found', async () => {
  for (const answer of [await assign(newEmail(), 'superuser'), await revoke(newEmail(), 'superuser')]) {
    assertProblem(answer, 404, 'user-not-found');
  }
});

test('nobody changes the role of an inactive user, of themselves or of the primary administrator', async () => {
  const inactive = await signUp(service);
  await service.sql`update users set is_active = false where id = ${inactive.id}`;
  const primary = await signUp(service);
  await makePrimaryAdministrator(service, primary);
  for (const [person, code, roleSlug] of [
    [inactive, 'inactive-user', 'application-access'],
    [superuser, 'own-account', 'superuser'],
    [primary, 'primary-administrator', 'superuser'],
  ] as const) {
    for (const role of ['superuser', 'fitness-trainer']) {
      assertProblem(await assign(person.email, role), 403, code);
      assertProblem(await revoke(person.email, role), 403, code);
    }
    assertUser(await read(person.id), { roleSlug });
  }
});

test('only the two assignable roles are accepted', async () => {
  const { email } = await signUp(service);
  for (const roleSlug of ['application-access', 'Superuser', 'root', '', null, 7]) {
    for (const verb of ['assign', 'revoke'] as const) {
      assertInvalid(await change(verb, email, { roleSlug }), 'roleSlug literal_error');
    }
  }
  assertInvalid(await change('assign', email, {}), 'roleSlug missing');
  assertInvalid(await change('assign', email, { roleSlug: 'superuser', x: 1 }), 'x extra_forbidden');
  assertInvalid(await change('assign', 'nobody', { roleSlug: 'superuser' }), 'email value_error');
});

test('only superusers change roles, and nobody else learns anything from validation', async () => {
  const person = await enter(service);
  for (const verb of ['assign', 'revoke'] as const) {
    for (const json of [{ roleSlug: 'superuser' }, { nonsense: true }]) {
      assertProblem(await change(verb, person.email, json, person.accessToken), 403, 'not-permitted');
      assertProblem(await change(verb, 'not-an-e-mail', json, person.accessToken), 403, 'not-permitted');
      assertProblem(await change(verb, person.email, json, 'rubbish'), 401, 'not-authenticated');
    }
  }
  assertUser(await read(person.id), { roleSlug: 'application-access' });
});

test('a change of role is felt by the very next request, the session going on', async () => {
  const person = await enter(service);
  const list = () => call(service, '/api/v1/users', { bearer: person.accessToken });
  assert.equal((await list()).status, 403);
  await assign(person.email, 'superuser');
  assert.equal((await list()).status, 200);
  await revoke(person.email, 'superuser');
  assert.equal((await list()).status, 403);
  const me = await call(service, '/api/v1/access/me', { bearer: person.accessToken });
  assert.equal(member(me.body, 'roleSlug'), 'application-access');
});

test('a change of role, activity or password reaches another node', async () => {
  const other = await startTestService({ beside: service });
  const person = await enter(service);
  const there = (path: string) => call(other, path, { bearer: person.accessToken });
  await eventually(async () => (await there('/api/v1/access/me')).status === 200);
  assert.equal((await there('/api/v1/users')).status, 403);
  await assign(person.email, 'superuser');
  await eventually(async () => (await there('/api/v1/users')).status === 200);
  await revoke(person.email, 'superuser');
  await eventually(async () => (await there('/api/v1/users')).status === 403);
  for (const json of [{ isActive: false }, { password: 'from-the-admin' }]) {
    const victim = await enter(service);
    const meThere = () => call(other, '/api/v1/access/me', { bearer: victim.accessToken });
    assert.equal((await meThere()).status, 200);
    await call(service, `/api/v1/users/${victim.id}`, { method: 'PATCH', bearer, json });
    await eventually(async () => (await meThere()).status === 401);
  }
});

test('of two superusers who demote each other at once, one is refused and one stays', async () => {
  const alone = await startTestService();
  for (let round = 0; round < 5; round += 1) {
    await alone.sql`update users set role_slug = 'application-access'`;
    const first = await enterAsSuperuser(alone);
    const second = await enterAsSuperuser(alone);
    const demote = (caller: string, email: string) =>
      call(alone, `/api/v1/roles/${email}/revoke`, {
        method: 'PATCH',
        bearer: caller,
        json: { roleSlug: 'superuser' },
      });
    for (const { accessToken } of [first, second]) {
      assert.equal((await call(alone, '/api/v1/users', { bearer: accessToken })).status, 200);
    }
    const answers = await Promise.all([
      demote(first.accessToken, second.email),
      demote(second.accessToken, first.email),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 403]);
    const [left] = await alone.sql`select count(*)::int as count from users where role_slug = 'superuser'`;
    assert.equal(left?.count, 1);
  }
});
