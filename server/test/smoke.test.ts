import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, cookiesOf, enter, startTestService } from './support/service.ts';

const service = await startTestService();

test('a person signs up, signs in, is recognised, signs out, and is not recognised any more', async () => {
  const person = await enter(service);
  const { cookies } = person;
  const me = await call(service, '/api/v1/access/me', { cookies });
  assert.equal(me.status, 200);
  assert.deepEqual(me.body, {
    id: person.id,
    name: null,
    email: person.email,
    isActive: true,
    isSuperuser: false,
    roleSlug: 'application-access',
  });
  const out = await call(service, '/api/v1/access/logout', { method: 'POST', cookies });
  assert.equal(out.status, 204);
  assert.deepEqual(cookiesOf(out), { access_token: '', refresh_token: '' });
  const after = await call(service, '/api/v1/access/me', { cookies });
  assert.equal(after.status, 401);
});
