import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newOrganization } from '../support/organizations.ts';
import { enter, enterAsSuperuser, startTestService } from '../support/service.ts';
import { ask, compose, type RawAnswer } from './raw-client.ts';
import { listRoutes, pathOf } from './routes.ts';

const service = await startTestService();
const routes = listRoutes(service);
const longestMs = 8_000;
const leastRuns = 30;

/** Superusers get furthest; what they may do to others is what the fuzzing does. */
let bearer = (await enterAsSuperuser(service)).accessToken;
let { apiKey } = await newOrganization(service, 'enterprise');
const target = await enter(service);

/** Whatever came in: one well-formed answer, never a 500, and nothing of our insides. */
function check(answer: RawAnswer): void {
  const { status, headers, body } = answer;
  assert.ok(status !== 500 && status !== 502, `answers ${status} ${body}`);
  assert.ok((headers.get('x-request-id') ?? '') !== '', 'has a request id');
  assert.doesNotMatch(body.slice(0, 10_000), /node_modules|PostgresError|\.ts:\d/);
  // Node itself answers an Expect that it does not know, with 417 and no body.
  if (status >= 400 && body !== '') {
    assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.equal(JSON.parse(body).status, status);
  }
}

async function send(
  method: string,
  path: string,
  headers: readonly (readonly [string, string])[],
  body = new Uint8Array(),
): Promise<void> {
  const all = [['host', 'localhost'], ['connection', 'close'], ['x-api-key', apiKey], ...headers] as const;
  const bytes = compose(method, path, [...all, ['content-length', String(body.length)]], body);
  const answer = await ask(service.url, bytes);
  check(answer);
  // A fuzzer that hit its own account or session goes on with another.
  if (answer.status === 401) {
    bearer = (await enterAsSuperuser(service)).accessToken;
    ({ apiKey } = await newOrganization(service, 'enterprise'));
  }
}

async function attack<Input>(
  inputs: fc.Arbitrary<Input>,
  perform: (input: Input) => Promise<void>,
): Promise<void> {
  let runs = 0;
  const property = fc.asyncProperty(inputs, async (input) => {
    runs += 1;
    await perform(input);
  });
  await fc.assert(property, { numRuns: 10_000, interruptAfterTimeLimit: longestMs, endOnFailure: true });
  assert.ok(runs >= leastRuns, `only ${runs} runs`);
}

const values = { id: target.id, email: target.email };
const route = fc.constantFrom(...routes.map((one) => ({ method: one.method, path: pathOf(one, values) })));
const authorization = () => ['authorization', `Bearer ${bearer}`] as const;

const fieldNames = [
  ...[
    'organization_name',
    'tier',
    'webhook_url',
    'type',
    'payload',
    'dedup_id',
    'events',
    'event_ids',
    'limit',
  ],
  ...['email', 'password', 'confirmPassword', 'name', 'currentPassword', 'newPassword', 'refresh_token'],
  ...['isActive', 'isSuperuser', 'roleSlug', 'username', '__proto__', 'constructor', 'toString', ''],
  ...[
    'primaryMuscles',
    'secondaryMuscles',
    'equipment',
    'tags',
    'instructions',
    'category',
    'difficultyLevel',
  ],
  ...['force', 'mechanic', 'imagePathStart'],
];
const plausible = fc.constantFrom<unknown>(
  ...[
    target.email,
    'Correct-Horse-7',
    'superuser',
    target.refreshToken,
    null,
    true,
    0,
    -0,
    1e308,
    '',
    ' ',
    '\0',
  ],
  ...['\ud800', '\u{1f600}'.repeat(70), 'a'.repeat(300), `${'\u0130'.repeat(64)}@example.org`, {}, [], [[]]],
);
const text = fc.string({ unit: 'binary', maxLength: 300 });
const json = fc.oneof(
  fc.dictionary(fc.constantFrom(...fieldNames), fc.oneof(plausible, fc.jsonValue(), text)),
  fc.jsonValue(),
);
const percent = (value: string) => encodeURIComponent(value.toWellFormed());
const encoder = new TextEncoder();

test('no JSON body makes any route fail', async () => {
  await attack(fc.tuple(route, json), async ([{ method, path }, value]) => {
    const headers = [authorization(), ['content-type', 'application/json']] as const;
    await send(method, path, headers, encoder.encode(JSON.stringify(value)));
  });
});

test('no bytes of whatever content type make any route fail', async () => {
  const contentType = fc.constantFrom(
    ...[
      'application/json',
      'application/json; charset=utf-16',
      'application/x-www-form-urlencoded',
      'text/plain',
    ],
    ...[
      'multipart/form-data; boundary=x',
      'application/json;',
      'nonsense',
      '',
      'application/merge-patch+json',
    ],
  );
  const inputs = fc.tuple(route, contentType, fc.uint8Array({ maxLength: 600 }));
  await attack(inputs, async ([{ method, path }, type, bytes]) => {
    await send(method, path, [authorization(), ['content-type', type]], bytes);
  });
});

test('no form makes the sign-in fail', async () => {
  const pair = fc.tuple(fc.oneof(fc.constantFrom(...fieldNames), text), fc.oneof(text, fc.constant('%zz%')));
  await attack(fc.array(pair, { maxLength: 6 }), async (pairs) => {
    const form = pairs.map(([name, value]) => `${percent(name)}=${percent(value)}`).join('&');
    const headers = [['content-type', 'application/x-www-form-urlencoded']] as const;
    await send('POST', '/api/v1/access/signin', headers, encoder.encode(form));
  });
});

test('no query makes any route fail', async () => {
  const name = fc.constantFrom(
    ...['limit', 'offset', 'status', 'cursor', 'tier'],
    ...['searchString', 'currentPage', 'pageSize', 'orderBy', 'sortOrder', 'isActive', 'createdBefore'],
    ...['createdAfter', 'action', 'actorId', 'since', 'until', '__proto__', 'x'],
    ...[
      'scope',
      'cursor',
      'primaryMuscles',
      'equipment',
      'tags',
      'category',
      'search_string',
      'slug',
      'name',
    ],
  );
  const instant = fc.constantFrom(
    ...[
      '0001-01-01T00:00:00+14:00',
      '9999-12-31T23:59:59-14:00',
      '2026-01-01t00:00:00z',
      '2026-01-01 00:00Z',
    ],
    ...[
      '2026-02-30T00:00:00Z',
      '2026-01-01T00:00:00.123456789+23:59',
      '0000-01-01T00:00:00Z',
      '%00',
      '%ff%fe',
    ],
  );
  const value = fc.oneof(
    text.map(percent),
    instant,
    fc.constantFrom('1e9', '-1', '1000000', 'true', '%', '%C0%80'),
  );
  await attack(
    fc.tuple(route, fc.array(fc.tuple(name, value), { maxLength: 5 })),
    async ([{ path }, pairs]) => {
      const query = pairs.map(
        ([key, given]) => `${key}=${given.replaceAll('+', '%2B').replaceAll(' ', '%20')}`,
      );
      await send('GET', `${path}?${query.join('&')}`, [authorization()]);
    },
  );
});

/** Bytes that may stand in a request line or a header value. */
const visible = (unit: string) => fc.string({ unit: fc.constantFrom(...unit), maxLength: 60 });
const pathUnits = '/.:;,@&=+$!*\'()~-_%[]{}|\\^`<>"#?0a9Zz\u00e9\u00ff';

test('no path makes the service fail', async () => {
  const method = fc.constantFrom(
    'GET',
    'HEAD',
    'POST',
    'PATCH',
    'DELETE',
    'PUT',
    'OPTIONS',
    'TRACE',
    'PROPFIND',
  );
  const shape = fc.constantFrom(
    '/',
    '//',
    '/api/v1/',
    '/api/v1/users/',
    '/api/v1/roles/',
    '/docs/',
    'http://x/',
    '*',
    '',
  );
  await attack(fc.tuple(method, shape, visible(pathUnits)), async ([name, start, rest]) => {
    const path = `${start}${rest}`;
    if (path === '') return;
    await send(name, path, [authorization()]);
  });
});

test('no header makes any route fail', async () => {
  const name = fc.constantFrom(
    ...['cookie', 'authorization', 'origin', 'sec-fetch-site', 'x-request-id', 'user-agent', 'accept', 'x-a'],
    ...[
      'if-none-match',
      'range',
      'forwarded',
      'x-forwarded-for',
      'accept-encoding',
      'content-encoding',
      'expect',
    ],
  );
  const start = fc.constantFrom(
    '',
    'Bearer ',
    'access_token=',
    'refresh_token="',
    'access_token=;;=',
    'bytes=',
  );
  const header = fc.tuple(
    name,
    fc.tuple(start, visible(`${pathUnits} \t`)).map(([a, b]) => `${a}${b}`),
  );
  await attack(fc.tuple(route, fc.array(header, { maxLength: 6 })), async ([{ method, path }, headers]) => {
    await send(method, path, headers);
  });
});
