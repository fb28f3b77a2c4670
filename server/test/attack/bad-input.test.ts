import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  call,
  enter,
  enterAsSuperuser,
  goodPassword,
  member,
  newEmail,
  startTestService,
} from '../support/service.ts';
import { ask, compose, dial, exchange, parseAnswers, type RawAnswer, readToEnd } from './raw-client.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const encoder = new TextEncoder();

const counts = async () => [
  ...(await service.sql`
    select (select count(*) from users) as users, (select count(*) from sessions) as sessions,
      (select count(*) from audit_entries) as entries`),
];
let before = await counts();

// Whatever a test sent, nothing was stored and the next person is served.
afterEach(async () => {
  assert.deepEqual(await counts(), before, 'nothing was stored');
  await enter(service);
  before = await counts();
});

const json = [['content-type', 'application/json']] as const;
const base = [
  ['host', 'localhost'],
  ['connection', 'close'],
] as const;

function post(
  body: Uint8Array,
  headers: readonly (readonly [string, string])[] = json,
  path = '/api/v1/auth/register',
) {
  return compose('POST', path, [...base, ...headers, ['content-length', String(body.length)]], body);
}

function expectProblem(answer: RawAnswer, status: number): void {
  assert.equal(answer.status, status, answer.body);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  assert.equal(member(JSON.parse(answer.body), 'status'), status);
  assert.ok((answer.headers.get('x-request-id') ?? '') !== '');
}

const registration = (fields: object) =>
  encoder.encode(JSON.stringify({ email: newEmail(), password: goodPassword, ...fields }));
const raw = (text: string) => encoder.encode(text);

/** Bodies for a sign-up, each with the status it gets. */
const bodies: readonly [string, () => Uint8Array, number][] = [
  ['no body', () => new Uint8Array(), 422],
  ['JSON 10,000 levels deep', () => raw(`${'['.repeat(10_000)}${']'.repeat(10_000)}`), 422],
  [
    'JSON 10,000 levels deep inside a field',
    () => raw(`{"name":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`),
    422,
  ],
  ['JSON that ends too early', () => registration({}).slice(0, -3), 422],
  ['two JSON values', () => raw('{}{}'), 422],
  [
    'a field twice',
    () => raw(`{"email":"${newEmail()}","email":"${newEmail()}","password":"${goodPassword}"}`),
    422,
  ],
  [
    'a field twice in other escapes',
    () => raw(`{"name":"a","n\\u0061me":"b","email":"${newEmail()}","password":"${goodPassword}"}`),
    422,
  ],
  [
    'a lone surrogate',
    () => raw(`{"name":"\\ud800","email":"${newEmail()}","password":"${goodPassword}"}`),
    422,
  ],
  [
    'a lone surrogate in the password',
    () => raw(`{"email":"${newEmail()}","password":"${goodPassword}\\udfff"}`),
    422,
  ],
  ['a NUL character', () => registration({ name: 'A\0da' }), 422],
  ['a NUL character in the password', () => registration({ password: `${goodPassword}\0` }), 422],
  ['a NUL character in the e-mail', () => registration({ email: `a\0${newEmail()}` }), 422],
  [
    'bytes that are no UTF-8',
    () => Buffer.concat([raw('{"name":"'), Buffer.from([0xc3, 0x28]), raw('"}')]),
    422,
  ],
  [
    'a surrogate in UTF-8',
    () => Buffer.concat([raw('{"name":"'), Buffer.from([0xed, 0xa0, 0x80]), raw('"}')]),
    422,
  ],
  ['an e-mail of 300 characters', () => registration({ email: `${'a'.repeat(288)}@example.org` }), 422],
  [
    'an e-mail that grows past its limit in lower case',
    () => registration({ email: longWhenLowered() }),
    422,
  ],
  ['a name of 256 characters', () => registration({ name: 'x'.repeat(256) }), 422],
  ['an unknown field', () => registration({ isSuperuser: true }), 422],
  [
    'a field called __proto__',
    () => raw(`{"__proto__":{"isSuperuser":true},"email":"${newEmail()}","password":"${goodPassword}"}`),
    422,
  ],
  ['a list', () => raw('[]'), 422],
  ['null', () => raw('null'), 422],
  ['a password of 1 MB', () => registration({ password: `Aa1-${'x'.repeat(1_000_000)}` }), 413],
  ['a body of 10 MB', () => registration({ name: 'x'.repeat(10_000_000) }), 413],
];

/** 254 characters that have 318 once they are in lower case. */
function longWhenLowered(): string {
  const domain = [60, 60, 60, 4].map((length) => 'd'.repeat(length)).join('.');
  return `${'\u0130'.repeat(64)}@${domain.slice(0, 189)}`;
}

for (const [name, make, status] of bodies) {
  test(`${name}: ${status}`, async () => {
    expectProblem(await ask(service.url, post(make())), status);
  });
}

test('a body of 10 MB in chunks: 413', async () => {
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  const request = compose('POST', '/api/v1/auth/register', [
    ...base,
    ...json,
    ['transfer-encoding', 'chunked'],
  ]);
  const bytes = Buffer.concat([request, Buffer.from(`${chunk.repeat(160)}0\r\n\r\n`)]);
  expectProblem(await ask(service.url, bytes), 413);
});

for (const framing of ['with its length', 'in chunks']) {
  test(`a client that sends an endless body ${framing} and reads only then gets its 413`, async () => {
    const socket = await dial(service.url);
    const length =
      framing === 'in chunks' ? ['transfer-encoding', 'chunked'] : ['content-length', '10000000'];
    const [name = '', value = ''] = length;
    const head = [['host', 'localhost'], ...json, [name, value]] as const;
    socket.write(compose('POST', '/api/v1/auth/register', head));
    const reading = readToEnd(socket);
    const part = Buffer.alloc(0x4000, 'x');
    // Goes on writing for a while after the answer has been sent, as a client does that looks at it in the end.
    for (let sent = 0; sent < 5_000_000 && socket.writable; sent += part.length) {
      if (framing === 'in chunks') socket.write('4000\r\n');
      socket.write(part);
      if (framing === 'in chunks') socket.write('\r\n');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    socket.end();
    const [answer] = parseAnswers(await reading);
    assert.ok(answer !== undefined, 'an answer, and not only a reset');
    expectProblem(answer, 413);
  });
}

test('a sign-in without a body, without even a type: 422', async () => {
  for (const path of [
    '/api/v1/access/signin',
    '/api/v1/auth/login',
    '/api/v1/auth/refresh',
    '/api/v1/access/signup',
  ]) {
    expectProblem(await ask(service.url, compose('POST', path, [...base, ['content-length', '0']])), 422);
  }
});

test('a header of 1 MB: 431', async () => {
  const bytes = compose('GET', '/api/v1/access/me', [...base, ['x-large', 'x'.repeat(1_000_000)]]);
  const [answer] = parseAnswers(await exchange(service.url, bytes));
  assert.ok(answer !== undefined);
  expectProblem(answer, 431);
});

test('10,000 headers: 431', async () => {
  const many = Array.from({ length: 10_000 }, (_, index) => [`x-${index}`, '1'] as const);
  const [answer] = parseAnswers(await exchange(service.url, compose('GET', '/ping', [...base, ...many])));
  assert.ok(answer !== undefined);
  expectProblem(answer, 431);
});

const cookies = [
  'access_token',
  'access_token=',
  'access_token="',
  'access_token=""',
  '=access_token',
  ';;;;=;=;access_token;=',
  `access_token=${'\xff'.repeat(500)}`,
  `access_token=${'.'.repeat(8_000)}`,
  'access_token=%00; refresh_token=%00',
  'access_token=a.b.c; access_token=d.e.f',
  'refresh_token=AAAA; access_token=$Version',
];

for (const cookie of cookies) {
  test(`a cookie of rubbish (${JSON.stringify(cookie.slice(0, 40))}): 401`, async () => {
    for (const [method, path] of [
      ['GET', '/api/v1/access/me'],
      ['POST', '/api/v1/access/refresh-jwt'],
      ['POST', '/api/v1/access/logout'],
    ] as const) {
      expectProblem(await ask(service.url, compose(method, path, [...base, ['cookie', cookie]])), 401);
    }
  });
}

for (const id of [
  '1',
  'me2',
  '%00',
  '..',
  '00000000-0000-0000-0000-00000000000g',
  `${superuser.id}0`,
  "'--",
  '%ff',
]) {
  test(`an id that is none (${id}): 422 or a clear 4xx`, async () => {
    for (const [method, path] of [
      ['GET', 'users'],
      ['PATCH', 'users'],
      ['DELETE', 'users'],
      ['DELETE', 'sessions'],
    ] as const) {
      const headers = [...base, ...json, ['authorization', `Bearer ${superuser.accessToken}`]] as const;
      const answer = await ask(
        service.url,
        compose(method, `/api/v1/${path}/${id}`, [...headers, ['content-length', '2']], raw('{}')),
      );
      assert.ok([400, 404, 405, 422].includes(answer.status), `${answer.status}`);
      expectProblem(answer, answer.status);
    }
  });
}

test('an id of nobody: 404', async () => {
  const nobody = '0199ffff-ffff-7fff-bfff-ffffffffffff';
  for (const [method, path] of [
    ['GET', 'users'],
    ['DELETE', 'users'],
    ['DELETE', 'sessions'],
  ] as const) {
    const answer = await call(service, `/api/v1/${path}/${nobody}`, {
      method,
      bearer: superuser.accessToken,
    });
    assert.equal(answer.status, 404);
  }
});

for (const path of [
  '///',
  '/.',
  '/%',
  '/%zz',
  '/%2e%2e%2f',
  '/api/v1//users',
  '/\\',
  '/api/v1/users/%',
  `/${'a'.repeat(8_000)}`,
]) {
  test(`the path ${path.slice(0, 30)} does not exist: 4xx`, async () => {
    const answer = await ask(service.url, compose('GET', path, base));
    assert.ok([400, 401, 404, 414].includes(answer.status), `${answer.status}`);
    expectProblem(answer, answer.status);
  });
}

for (const path of ['//', '/?', '/#']) {
  test(`the path ${path} is the root`, async () => {
    const answer = await ask(service.url, compose('GET', path, base));
    assert.equal(answer.status, 200);
    assert.equal(member(JSON.parse(answer.body), 'docs'), '/docs');
  });
}

const form = [['content-type', 'application/x-www-form-urlencoded']] as const;
const nuls = JSON.stringify(Array.from({ length: 7_000 }, () => '\0'));
const halves = Array.from({ length: 5_000 }, (_, index) => `${index}=%00`).join('&');
const query = Array.from({ length: 400 }, (_, index) => `${index}=%00`).join('&');

for (const [what, message] of [
  ['a form of 30,000 equal fields', post(raw('a&'.repeat(30_000)), form, '/api/v1/access/signin')],
  ['a form of 5,000 fields with a NUL', post(raw(halves), form, '/api/v1/access/signin')],
  ['a list of 7,000 texts with a NUL', post(raw(nuls))],
  [
    'a query of 400 fields with a NUL',
    compose('GET', `/api/v1/audit?${query}`, [...base, ['authorization', `Bearer ${superuser.accessToken}`]]),
  ],
] as const) {
  test(`the answer to ${what} names a hundred faults, five of them in the sentence`, async () => {
    const answer = await ask(service.url, message);
    expectProblem(answer, 422);
    assert.ok(answer.body.length < 32_768, `${answer.body.length} bytes`);
    const details = member(JSON.parse(answer.body), 'details');
    assert.ok(Array.isArray(details));
    assert.equal(details.length, 100);
    const detail = String(member(JSON.parse(answer.body), 'detail'));
    assert.match(detail, /^([^;]+; ){5}and 95 more$/);
  });
}
