import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { assertInvalid, assertProblem, fieldsOf } from '../support/expectations.ts';
import { assertEventApiInvalid, assertEventApiProblem, newOrganization } from '../support/organizations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  goodPassword,
  member,
  newEmail,
  signUp,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const person = await enter(service);
const other = await signUp(service);
const { apiKey } = await newOrganization(service);

const signUpPath = '/api/v1/access/signup';
const json = { 'content-type': 'application/json' };

/** Every operation of the document, with its path filled in. */
interface Operation {
  method: string;
  path: string;
  hasBody: boolean;
  isPublic: boolean;
  inEventApi: boolean;
  forSuperusers: boolean;
}

async function readOperations(): Promise<Operation[]> {
  const { body } = await call(service, '/api/v1/openapi.json');
  const paths = member(body, 'paths');
  assert.ok(typeof paths === 'object' && paths !== null);
  return Object.entries(paths).flatMap(([template, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: template
        .replace('{email}', encodeURIComponent(other.email))
        .replace('{id}', template.includes('/users/') ? other.id : '01900000-0000-7000-8000-000000000000'),
      hasBody: Object.hasOwn(Object(operation), 'requestBody'),
      inEventApi: /^\/api\/(?!v1\/)/.test(template),
      isPublic: JSON.stringify(member(operation, 'security')) === '[]',
      forSuperusers: /^\/api\/v1\/(users(?!\/me)|roles|audit|organizations)/.test(template),
    })),
  );
}

const operations = await readOperations();
const nameOf = ({ method, path }: Operation) => `${method} ${path}`;

test('the routes that the following tests walk through are all there', () => {
  assert.ok(operations.length >= 28, `${operations.length}`);
  assert.ok(operations.filter(({ hasBody }) => hasBody).length >= 10);
  assert.ok(operations.filter(({ forSuperusers }) => forSuperusers).length >= 8);
});

test('an unknown query parameter is refused on every route', async () => {
  for (const operation of operations) {
    const { method, path, hasBody } = operation;
    const answer = await call(service, `${path}?colour=red`, {
      method,
      bearer: superuser.accessToken,
      headers: { 'x-api-key': apiKey, ...(hasBody ? json : {}) },
      ...(hasBody ? { raw: '{}' } : {}),
    });
    assert.equal(answer.status, 422, nameOf(operation));
    const details = member(answer.body, 'details');
    assert.ok(Array.isArray(details));
    const found = details.map((detail) => `${member(detail, 'field')} ${member(detail, 'type')}`);
    assert.ok(found.includes('colour extra_forbidden'), `${nameOf(operation)}: ${found.join(', ')}`);
  }
  assert.ok((await service.sql`select 1 from users where id = ${other.id}`).length === 1);
});

const colourful = (method: string) => ({
  method,
  bearer: superuser.accessToken,
  headers: { 'x-api-key': apiKey },
  json: { colour: 'red' },
});

test('an unknown body field is refused on every route that takes a body', async () => {
  for (const operation of operations.filter(({ hasBody }) => hasBody)) {
    const { method, path } = operation;
    const answer = await call(service, path, colourful(method));
    assert.equal(answer.status, 422, nameOf(operation));
    const details = member(answer.body, 'details');
    assert.ok(Array.isArray(details));
    assert.ok(
      details.some((detail) => member(detail, 'field') === 'colour'),
      nameOf(operation),
    );
  }
});

test('a body field is refused on a route that takes none', async () => {
  for (const operation of operations.filter(({ hasBody, method }) => !hasBody && method !== 'GET')) {
    const { method, path, inEventApi } = operation;
    const answer = await call(service, path, colourful(method));
    if (inEventApi) assertEventApiInvalid(answer, 'colour extra_forbidden');
    else assertInvalid(answer, 'colour extra_forbidden');
  }
  assert.equal((await call(service, '/api/v1/users/me', { bearer: superuser.accessToken })).status, 200);
});

test('the bad fields of path, query and body are listed together', async () => {
  const answer = await call(service, '/api/v1/users/7?colour=red', {
    method: 'PATCH',
    bearer: superuser.accessToken,
    json: { email: 'nobody', size: 7 },
  });
  assertInvalid(
    answer,
    'id uuid_parsing',
    'email value_error',
    'size extra_forbidden',
    'colour extra_forbidden',
  );
});

test('nobody who is not signed in or not permitted learns anything from validation', async () => {
  for (const operation of operations.filter(({ isPublic }) => !isPublic)) {
    const { method, path, hasBody, forSuperusers, inEventApi } = operation;
    const invalid = [
      { path: `${path}?colour=red`, raw: '{"colour":' },
      { path: `${path.replace(/[^/]*$/, 'x')}?colour=red`, raw: 'x'.repeat(70_000) },
    ];
    for (const { path: bad, raw } of invalid) {
      if (path.endsWith('/me') && bad.includes('/x?')) continue;
      if (!/\/(users|sessions)\/[0-9a-f-]{36}/.test(path) && bad.includes('/x?')) continue;
      const body = hasBody ? { raw, headers: json } : {};
      const answered = await call(service, bad, { method, ...body });
      if (inEventApi) assertEventApiProblem(answered, 401, 'api-key-missing');
      else assertProblem(answered, 401, 'not-authenticated');
      if (!forSuperusers) continue;
      const answer = await call(service, bad, { method, ...body, bearer: person.accessToken });
      assertProblem(answer, 403, 'not-permitted');
    }
  }
});

test('a path that does not exist is not found, whoever asks and however', async () => {
  for (const path of [
    '/api',
    '/api/v1',
    '/api/v1/user',
    '/api/v1/users/me/x',
    '/pings',
    '/docs/x',
    '/..%2f',
  ]) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      assertProblem(await call(service, path, { method }), 404, 'route-not-found');
    }
  }
});

test('a method that a path has not is refused with the methods it has', async () => {
  for (const [method, path, allow] of [
    ['GET', signUpPath, 'POST'],
    ['DELETE', '/ping', 'GET, HEAD'],
    ['PUT', '/api/v1/users', 'GET, HEAD, POST'],
    ['POST', `/api/v1/users/${other.id}`, 'DELETE, GET, HEAD, PATCH'],
    ['POST', '/api/v1/users/me', 'DELETE, GET, HEAD, PATCH'],
    ['GET', '/api/v1/roles/x/assign', 'PATCH'],
    ['POST', '/api/v1/sessions/me', 'DELETE, GET, HEAD'],
  ] as const) {
    const answer = await call(service, path, { method });
    assertProblem(answer, 405, 'method-not-allowed');
    assert.equal(answer.headers.get('allow'), allow, `${method} ${path}`);
  }
});

test('a body that is no JSON is a fault of the body', async () => {
  for (const raw of ['{', '', 'null', '[]', '"text"', '7', '{"email":"a@b.c",}', '\ufeff']) {
    const answer = await call(service, signUpPath, { method: 'POST', raw, headers: json });
    assert.equal(answer.status, 422, raw);
    const details = member(answer.body, 'details');
    assert.ok(Array.isArray(details));
    assert.deepEqual(
      details.map((detail) => member(detail, 'field')),
      ['body'],
    );
  }
  const none = await call(service, signUpPath, { method: 'POST' });
  assertInvalid(none, 'body object_type');
});

test('JSON that readers could understand differently is refused', async () => {
  const email = newEmail();
  const good = `"email":"${email}","confirmPassword":"${goodPassword}"`;
  for (const [raw, fault] of [
    [`{${good},"password":"${goodPassword}","password":"x"}`, 'body json_invalid'],
    [`{${good},"password":"${goodPassword}","name":"\\ud800"}`, 'name string_unicode'],
    [`{${good},"password":"${goodPassword}","name":"a\\u0000b"}`, 'name string_unicode'],
    [`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, 'body json_invalid'],
  ] as const) {
    const answer = await call(service, signUpPath, { method: 'POST', raw, headers: json });
    assertInvalid(answer, fault);
  }
  const latin1 = Uint8Array.from([...Buffer.from('{"email":"'), 0xe9, ...Buffer.from('"}')]);
  const answer = await call(service, signUpPath, { method: 'POST', raw: latin1, headers: json });
  assertInvalid(answer, 'body json_invalid');
  assert.equal((await service.sql`select 1 from users where email = ${email}`).length, 0);
});

test('a key such as __proto__ is an unknown field like any other', async () => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    const raw = `{"email":"${newEmail()}","password":"${goodPassword}","${key}":{"isSuperuser":true}}`;
    const answer = await call(service, '/api/v1/auth/register', { method: 'POST', raw, headers: json });
    assertInvalid(answer, `${key} extra_forbidden`);
  }
});

test('a body over 64 KiB is too large, and one just below it is read', async () => {
  const body = (size: number) => `{"email":"${'x'.repeat(size - 12)}"}`;
  const over = await call(service, signUpPath, { method: 'POST', raw: body(65_537), headers: json });
  assertProblem(over, 413, 'body-too-large');
  const below = await call(service, signUpPath, { method: 'POST', raw: body(65_536), headers: json });
  assert.equal(below.status, 422);
  assert.ok(JSON.stringify(below.body).length < 2_000, 'the answer repeats what was sent');
});

test('a wrong content type is refused', async () => {
  const raw = JSON.stringify({ email: newEmail(), password: goodPassword, confirmPassword: goodPassword });
  for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'nonsense']) {
    const answer = await call(service, signUpPath, {
      method: 'POST',
      raw,
      headers: { 'content-type': type },
    });
    assertProblem(answer, 415, 'unsupported-media-type');
  }
  const charset = { 'content-type': 'application/json; charset=utf-8' };
  assert.equal((await call(service, signUpPath, { method: 'POST', raw, headers: charset })).status, 201);
});

test('a request id that is a sane token is kept, any other is replaced, and no two are alike', async () => {
  const idOf = async (headers: Record<string, string>, path = '/api/v1/access/me') =>
    (await call(service, path, { headers })).headers.get('x-request-id') ?? '';
  for (const id of ['abc', 'A-1_2.3:4', 'x'.repeat(128)]) {
    for (const path of ['/ping', '/health', '/nowhere', '/api/v1/access/me']) {
      assert.equal(await idOf({ 'x-request-id': id }, path), id);
    }
  }
  const made = new Set<string>();
  for (const id of [
    '',
    'x'.repeat(129),
    'a b',
    "a'; drop table users",
    '*/ select 1',
    '<script>',
    '\u00e9',
  ]) {
    const answered = await idOf({ 'x-request-id': id });
    assert.match(answered, /^[A-Za-z0-9._:-]{1,128}$/);
    assert.notEqual(answered, id);
    made.add(answered);
  }
  assert.equal(made.size, 7);
});

test('every answer carries a request id and the security headers', async () => {
  for (const [path, method] of [
    ['/ping', 'GET'],
    ['/api/v1/access/me', 'GET'],
    ['/nowhere', 'GET'],
    ['/ping', 'PUT'],
    ['/.well-known/jwks.json', 'GET'],
    ['/docs', 'GET'],
    [signUpPath, 'POST'],
  ] as const) {
    const { headers } = await call(service, path, { method });
    assert.ok(headers.get('x-request-id'), path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('referrer-policy'), 'no-referrer', path);
    assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, path);
    assert.ok(headers.get('cache-control'), path);
    for (const name of ['server', 'x-powered-by', 'strict-transport-security']) {
      assert.equal(headers.get(name), null, `${path} ${name}`);
    }
  }
});

test('an error that nobody foresaw is a 500 that tells nothing of the inside', async () => {
  const broken = await startTestService();
  const { accessToken } = await enterAsSuperuser(broken);
  await broken.sql`alter table audit_entries rename to elsewhere`;
  const answer = await call(broken, '/api/v1/audit', { bearer: accessToken });
  assertProblem(answer, 500, 'internal-error');
  const text = JSON.stringify(answer.body);
  for (const secret of ['audit_entries', 'select', 'relation', '.ts', 'at Object', 'node_modules']) {
    assert.ok(!text.includes(secret), secret);
  }
});

test('what is no HTTP is answered with a 400 problem, and the next connection is served', async () => {
  const { port } = new URL(service.url);
  const answer = await new Promise<string>((resolve, reject) => {
    const request = http.request({ port, path: '/ping', headers: { host: 'x' } });
    request.on('socket', (socket) => {
      socket.on('connect', () => socket.end('NONSENSE\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('close', () => resolve(text));
    });
    request.on('error', () => undefined);
    setTimeout(() => reject(new Error('No answer.')), 5_000).unref();
  });
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(answer, /application\/problem\+json/);
  assert.equal((await call(service, '/ping')).status, 200);
});

test('a trailing slash makes no difference', async () => {
  assert.equal((await call(service, '/ping/')).status, 200);
  const answer = await call(service, '/api/v1/users/me/', { bearer: person.accessToken });
  assert.equal(answer.status, 200);
  assert.equal(textMember(answer.body, 'id'), person.id);
  assert.ok(fieldsOf(answer.body).length > 0);
});
