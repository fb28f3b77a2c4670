import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, enter, startTestService } from '../support/service.ts';

const allowed = 'https://app.example.org';
const service = await startTestService({ environment: { CORS_ORIGINS: allowed } });

const preflight = (origin: string, method: string, path = '/api/v1/users/me') =>
  call(service, path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': 'content-type',
    },
  });

for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
  test(`an origin of CORS_ORIGINS may ask for ${method} with credentials`, async () => {
    const answer = await preflight(allowed, method);
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get('access-control-allow-origin'), allowed);
    assert.equal(answer.headers.get('access-control-allow-credentials'), 'true');
    const methods = (answer.headers.get('access-control-allow-methods') ?? '').split(', ');
    assert.ok(methods.includes(method), methods.join(', '));
  });
}

test('an origin of CORS_ORIGINS reads the answer to a request with cookies', async () => {
  const { cookies } = await enter(service);
  const answer = await call(service, '/api/v1/access/me', { cookies, headers: { origin: allowed } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('access-control-allow-origin'), allowed);
  assert.match(answer.headers.get('vary') ?? '', /origin/i);
});

test('with CORS on every answer says that it depends on the origin, once and whichever way it takes', async () => {
  const { accessToken: bearer } = await enter(service);
  for (const path of [
    '/ping',
    '/api/v1/access/me',
    '/api/v1/users/me',
    '/api/v1/nothing',
    '/api/v1/exercises',
  ]) {
    // The second time it is at hand.
    for (let asked = 0; asked < 2; asked += 1) {
      for (const headers of [{}, { origin: allowed }]) {
        const answer = await call(service, path, { bearer, headers });
        assert.match(answer.headers.get('vary') ?? '', /^origin$/i, path);
      }
    }
  }
});

for (const origin of [
  'https://evil.example',
  'null',
  `${allowed}:444`,
  `${allowed}.evil.example`,
  'http://app.example.org',
]) {
  test(`the origin ${origin} is not let in`, async () => {
    const { cookies } = await enter(service);
    for (const answer of [
      await preflight(origin, 'PATCH'),
      await call(service, '/api/v1/access/me', { cookies, headers: { origin } }),
    ]) {
      assert.equal(answer.headers.get('access-control-allow-origin'), null);
    }
  });
}

test('a path that does not exist is still 404 with CORS on', async () => {
  const answer = await call(service, '/api/v1/nothing', { headers: { origin: allowed } });
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('access-control-allow-origin'), allowed);
});
