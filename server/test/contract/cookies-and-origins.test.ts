import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertProblem, setCookiesOf } from '../support/expectations.ts';
import {
  call,
  cookiesOf,
  enter,
  goodPassword,
  newEmail,
  type Request,
  signUp,
  startTestService,
  type TestService,
} from '../support/service.ts';

const allowed = 'https://app.example.org';
const service = await startTestService({ environment: { CORS_ORIGINS: allowed } });
const host = new URL(service.url).host;

async function signInByForm(at: TestService) {
  const { email, password } = await signUp(at);
  const answer = await call(at, '/api/v1/access/signin', { form: { username: email, password } });
  assert.equal(answer.status, 204);
  return answer;
}

test('with secure cookies both are Secure and carry the prefixes that browsers guard', async () => {
  const secure = await startTestService({ environment: { COOKIE_SECURE: 'on' } });
  const answer = await signInByForm(secure);
  const cookies = setCookiesOf(answer);
  assert.deepEqual(Object.keys(cookies).sort(), ['__Host-access_token', '__Secure-refresh_token']);
  const access = cookies['__Host-access_token'];
  const refresh = cookies['__Secure-refresh_token'];
  assert.deepEqual(access?.attributes, ['Path=/', 'HttpOnly', 'SameSite=Lax', 'Secure']);
  assert.deepEqual(refresh?.attributes, ['Path=/api/v1/access', 'HttpOnly', 'SameSite=Strict', 'Secure']);
  const me = await call(secure, '/api/v1/access/me', { cookies: cookiesOf(answer) });
  assert.equal(me.status, 200);
  const plain = await call(secure, '/api/v1/access/me', { cookies: { access_token: access.value } });
  assertProblem(plain, 401, 'not-authenticated');
  const unprefixed = { method: 'POST', cookies: { refresh_token: refresh.value } };
  const stale = await call(secure, '/api/v1/access/refresh-jwt', unprefixed);
  assertProblem(stale, 401, 'refresh-token-refused');
  const refreshed = await call(secure, '/api/v1/access/refresh-jwt', {
    method: 'POST',
    cookies: { '__Secure-refresh_token': refresh.value },
  });
  assert.equal(refreshed.status, 204);
  const out = await call(secure, '/api/v1/access/logout', { method: 'POST', cookies: cookiesOf(refreshed) });
  assert.equal(out.status, 204);
  assert.deepEqual(setCookiesOf(out), {
    '__Host-access_token': { ...access, value: '', maxAgeSeconds: 0 },
    '__Secure-refresh_token': { ...refresh, value: '', maxAgeSeconds: 0 },
  });
  assert.match(me.headers.get('strict-transport-security') ?? '', /max-age=\d{8}/);
});

test('with COOKIE_PREFIX=off secure cookies keep their plain names', async () => {
  const secure = await startTestService({ environment: { COOKIE_SECURE: 'on', COOKIE_PREFIX: 'off' } });
  const answer = await signInByForm(secure);
  const cookies = setCookiesOf(answer);
  assert.deepEqual(Object.keys(cookies).sort(), ['access_token', 'refresh_token']);
  for (const { attributes } of Object.values(cookies)) assert.ok(attributes.includes('Secure'));
  assert.equal((await call(secure, '/api/v1/access/me', { cookies: cookiesOf(answer) })).status, 200);
});

test('the session cookie is found among other cookies, and no other passes for it', async () => {
  const { accessToken } = await enter(service);
  const me = (cookie: string) => call(service, '/api/v1/access/me', { headers: { cookie } });
  for (const cookie of [
    `theme=dark; access_token=${accessToken}; lang=de`,
    `theme=dark;access_token=${accessToken}`,
    `theme="a; b"; access_token="${accessToken}"`,
    `xaccess_token=rubbish; access_token=${accessToken}`,
  ]) {
    assert.equal((await me(cookie)).status, 200, cookie.replace(accessToken, 'TOKEN'));
  }
  for (const cookie of [
    `xaccess_token=${accessToken}`,
    `access_token_=${accessToken}`,
    `Access_Token=${accessToken}`,
    `theme=access_token=${accessToken}`,
    `__Host-access_token=${accessToken}`,
    'access_token',
    'access_token=',
    'access_token=""',
    '=;;=,"',
  ]) {
    assertProblem(await me(cookie), 401, 'not-authenticated');
  }
});

const foreign: Record<string, string>[] = [
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: `http://${host}.evil.example` },
  { origin: `http://evil.example/${host}` },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'cross-site', origin: `http://${host}` },
];
const own: Record<string, string>[] = [
  {},
  { origin: `http://${host}` },
  { origin: allowed },
  { origin: allowed, 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-origin' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'none' },
];

test('a request that another site makes a browser send with our cookies is refused and does nothing', async () => {
  const person = await enter(service);
  const attempts: [string, Request][] = [
    ['/api/v1/access/logout', { method: 'POST' }],
    ['/api/v1/access/refresh-jwt', { method: 'POST' }],
    [
      '/api/v1/access/password-update',
      { method: 'PATCH', json: { currentPassword: goodPassword, newPassword: 'Better-Horse-8' } },
    ],
    ['/api/v1/users/me', { method: 'PATCH', json: { name: 'Mallory' } }],
    ['/api/v1/sessions/me', { method: 'DELETE' }],
  ];
  for (const headers of foreign) {
    for (const [path, request] of attempts) {
      const answer = await call(service, path, { ...request, headers, cookies: person.cookies });
      assertProblem(answer, 403, 'cross-site-request');
      assert.deepEqual(answer.headers.getSetCookie(), []);
    }
  }
  const me = await call(service, '/api/v1/access/me', { cookies: person.cookies });
  assert.equal(me.status, 200);
  assert.equal(JSON.stringify(me.body).includes('Mallory'), false);
  const json = { refresh_token: person.refreshToken };
  assert.equal((await call(service, '/api/v1/auth/refresh', { json })).status, 200);
});

test('a request of our own site, of an allowed origin or of a program is served', async () => {
  for (const headers of own) {
    const person = await enter(service);
    const request = { method: 'POST', headers, cookies: person.cookies };
    assert.equal((await call(service, '/api/v1/access/refresh-jwt', request)).status, 204);
    const patch = { method: 'PATCH', headers, cookies: person.cookies, json: { name: 'Ada' } };
    assert.equal((await call(service, '/api/v1/users/me', patch)).status, 200, JSON.stringify(headers));
  }
});

test('another site cannot sign its visitors in or up, though no cookie comes along', async () => {
  const person = await signUp(service);
  for (const headers of foreign) {
    const form = { username: person.email, password: person.password };
    const signIn = await call(service, '/api/v1/access/signin', { form, headers });
    assertProblem(signIn, 403, 'cross-site-request');
    assert.deepEqual(signIn.headers.getSetCookie(), []);
    const json = { email: newEmail(), password: goodPassword, confirmPassword: goodPassword };
    assertProblem(await call(service, '/api/v1/access/signup', { json, headers }), 403, 'cross-site-request');
  }
});

test('reading is not refused, wherever the request comes from, nor is a bearer, which no browser adds', async () => {
  const person = await enter(service);
  for (const headers of foreign) {
    const me = await call(service, '/api/v1/access/me', { headers, cookies: person.cookies });
    assert.equal(me.status, 200);
    const patch = { method: 'PATCH', headers, bearer: person.accessToken, json: { name: 'Ada' } };
    assert.equal((await call(service, '/api/v1/users/me', patch)).status, 200);
  }
});

test('only an allowed origin may read answers with credentials', async () => {
  for (const path of ['/ping', '/api/v1/access/me', '/nowhere']) {
    const good = await call(service, path, { headers: { origin: allowed } });
    assert.equal(good.headers.get('access-control-allow-origin'), allowed, path);
    assert.equal(good.headers.get('access-control-allow-credentials'), 'true', path);
    const evil = await call(service, path, { headers: { origin: 'https://evil.example' } });
    assert.notEqual(evil.headers.get('access-control-allow-origin'), 'https://evil.example', path);
    assert.notEqual(evil.headers.get('access-control-allow-origin'), '*', path);
  }
  const preflight = (origin: string) =>
    call(service, '/api/v1/users/me', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PATCH' },
    });
  const answer = await preflight(allowed);
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('access-control-allow-origin'), allowed);
  assert.match(answer.headers.get('access-control-allow-methods') ?? '', /PATCH/);
  assert.notEqual(
    (await preflight('https://evil.example')).headers.get('access-control-allow-origin'),
    'https://evil.example',
  );
});

test('without allowed origins no answer speaks of any', async () => {
  const closed = await startTestService();
  const answer = await call(closed, '/ping', { headers: { origin: allowed } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('access-control-allow-origin'), null);
});
