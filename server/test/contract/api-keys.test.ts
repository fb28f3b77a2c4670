import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { assertId, assertInstant, assertInvalid, assertProblem, fieldsOf } from '../support/expectations.ts';
import {
  assertEventApiInvalid,
  assertEventApiProblem,
  callWithKey,
  newOrganization,
  type TestOrganization,
} from '../support/organizations.ts';
import { call, enter, member, startTestService, textMember } from '../support/service.ts';

const service = await startTestService();

const keyStatus = async (organization: Pick<TestOrganization, 'apiKey'>) =>
  (await callWithKey(service, organization, '/api/keys')).status;

const generate = (json: unknown) => call(service, '/api/keys/generate', { json });

test('a key is made with its organization, and is shown this once', async () => {
  const { status, body, headers } = await generate({ organization_name: 'Gym Karl' });
  assert.equal(status, 201);
  assert.deepEqual(fieldsOf(body), [
    'api_key',
    'created_at',
    'organization_id',
    'organization_name',
    'rate_limit_per_minute',
    'tier',
    'warning',
  ]);
  assertId(member(body, 'organization_id'));
  assertInstant(member(body, 'created_at'));
  assert.match(textMember(body, 'api_key'), /^zap_live_[A-Za-z0-9_-]{43}$/);
  assert.equal(member(body, 'organization_name'), 'Gym Karl');
  assert.equal(member(body, 'tier'), 'free');
  assert.equal(member(body, 'rate_limit_per_minute'), 100);
  assert.match(headers.get('x-response-time') ?? '', /^\d+\.\d\dms$/);
});

test('a key that is made for tests says so, works as any other, and stays one when it is rotated', async () => {
  const { status, body } = await generate({ organization_name: 'Gym Test', kind: 'test' });
  assert.equal(status, 201);
  const apiKey = textMember(body, 'api_key');
  assert.match(apiKey, /^zap_test_[A-Za-z0-9_-]{43}$/);
  const event = { json: { type: 'a', payload: {} } };
  assert.equal((await callWithKey(service, { apiKey }, '/api/events', event)).status, 201);
  const rotated = await callWithKey(service, { apiKey }, '/api/keys/rotate', { method: 'POST' });
  const renewed = textMember(rotated.body, 'api_key');
  assert.match(renewed, /^zap_test_/);
  assert.equal((await callWithKey(service, { apiKey }, '/api/events', event)).status, 401);
  assert.equal((await callWithKey(service, { apiKey: renewed }, '/api/events', event)).status, 201);
  assert.equal((await generate({ organization_name: 'Gym', kind: 'prod' })).status, 422);
});

test('each tier has its limit', async () => {
  const limits = { free: 100, pro: 1_000, business: 10_000, enterprise: 100_000 };
  for (const [tier, limit] of Object.entries(limits)) {
    const { status, body } = await generate({ organization_name: 'Gym', tier });
    assert.equal(status, 201);
    assert.equal(member(body, 'tier'), tier);
    assert.equal(member(body, 'rate_limit_per_minute'), limit);
    const { headers } = await callWithKey(service, { apiKey: textMember(body, 'api_key') }, '/api/keys');
    assert.equal(headers.get('x-ratelimit-limit'), String(limit));
  }
});

test('two organizations may have the same name', async () => {
  const ids = await Promise.all(
    [1, 2].map(async () =>
      textMember((await generate({ organization_name: 'Twin' })).body, 'organization_id'),
    ),
  );
  assert.notEqual(ids[0], ids[1]);
});

const names: [string, string][] = [
  ['one character', 'x'],
  ['255 characters', 'n'.repeat(255)],
  ['255 characters outside the basic plane', '\u{1f3cb}'.repeat(255)],
  ['quotes and markup', `O'Brien "<b>" & Co; drop table organizations`],
];

for (const [what, name] of names) {
  test(`a name of ${what} is kept as it is`, async () => {
    const { status, body } = await generate({ organization_name: name });
    assert.equal(status, 201);
    assert.equal(member(body, 'organization_name'), name);
    const { body: told } = await callWithKey(service, { apiKey: textMember(body, 'api_key') }, '/api/keys');
    assert.equal(member(told, 'organization_name'), name);
  });
}

const badGenerations: [string, unknown, string[]][] = [
  ['no name', {}, ['organization_name missing']],
  ['an empty name', { organization_name: '' }, ['organization_name string_too_short']],
  ['a name of 256 characters', { organization_name: 'n'.repeat(256) }, ['organization_name string_too_long']],
  ['a name that is a number', { organization_name: 7 }, ['organization_name string_type']],
  ['a name with a NUL', { organization_name: 'a\0b' }, ['organization_name string_unicode']],
  ['half a surrogate pair', { organization_name: 'a\ud800' }, ['organization_name string_unicode']],
  ['an unknown tier', { organization_name: 'Gym', tier: 'gold' }, ['tier literal_error']],
  ['a tier that is null', { organization_name: 'Gym', tier: null }, ['tier literal_error']],
  ['a field nobody knows', { organization_name: 'Gym', admin: true }, ['admin extra_forbidden']],
  ['a list', [], ['body object_type']],
];

for (const [what, json, faults] of badGenerations) {
  test(`no key is made for ${what}`, async () => {
    const [before] = await service.sql`select count(*) from organizations`;
    assertEventApiInvalid(await generate(json), ...faults);
    const [after] = await service.sql`select count(*) from organizations`;
    assert.deepEqual(after, before);
  });
}

test('a key tells whose it is and what is left of the minute, and not itself', async () => {
  const organization = await newOrganization(service, 'pro');
  const { status, body, headers } = await callWithKey(service, organization, '/api/keys');
  assert.equal(status, 200);
  assert.deepEqual(fieldsOf(body), [
    'created_at',
    'note',
    'organization_id',
    'organization_name',
    'rate_limit_per_minute',
    'tier',
    'updated_at',
    'webhook_url',
  ]);
  assert.equal(member(body, 'organization_id'), organization.id);
  assert.equal(member(body, 'organization_name'), organization.name);
  assert.equal(member(body, 'tier'), 'pro');
  assert.equal(member(body, 'rate_limit_per_minute'), 1_000);
  assert.equal(member(body, 'webhook_url'), '');
  assertInstant(member(body, 'created_at'));
  assertInstant(member(body, 'updated_at'));
  assert.ok(!JSON.stringify(body).includes('zap_'));
  assert.equal(headers.get('x-ratelimit-limit'), '1000');
  assert.equal(headers.get('x-ratelimit-remaining'), '1000');
  const resetSeconds = Number(headers.get('x-ratelimit-reset')) - service.clock.now().getTime() / 1_000;
  assert.ok(resetSeconds > 0 && resetSeconds <= 61, String(resetSeconds));
  assert.match(headers.get('x-response-time') ?? '', /^\d+\.\d\dms$/);
});

test('of a key only the SHA-256 is stored', async () => {
  const { apiKey, id } = await newOrganization(service);
  const [row] =
    await service.sql`select encode(hash, 'hex') as hash from api_keys where organization_id = ${id}`;
  assert.equal(row?.hash, createHash('sha256').update(apiKey).digest('hex'));
  const [trail] = await service.sql`
    select string_agg(details::text, ' ') as details from audit_entries
    where details ->> 'organizationId' = ${id}`;
  assert.ok(!String(trail?.details).includes(apiKey));
});

test('without a key the answer says which header to send', async () => {
  for (const headers of [{}, { 'x-api-key': '' }]) {
    const answer = await call(service, '/api/keys', { headers });
    assertEventApiProblem(answer, 401, 'api-key-missing');
    assert.equal(answer.headers.get('www-authenticate'), 'ApiKey');
    assert.equal(answer.headers.get('x-ratelimit-limit'), null);
  }
});

test("what is no key, or nobody's, is refused, each time alike", async () => {
  const { apiKey } = await newOrganization(service);
  const wrong = [
    'x',
    apiKey.slice(0, -1),
    `${apiKey}A`,
    apiKey.toUpperCase(),
    apiKey.replace('live', 'test'),
    `zap_live_${'A'.repeat(43)}`,
    `${apiKey},${apiKey}`,
    `Bearer ${apiKey}`,
    `zap_live_${"'".repeat(43)}`,
    'k'.repeat(8_000),
  ];
  for (const given of wrong) {
    for (const _ of [1, 2]) {
      const answer = await callWithKey(service, { apiKey: given }, '/api/keys');
      assertEventApiProblem(answer, 401, 'api-key-refused');
      assert.equal(answer.headers.get('www-authenticate'), 'ApiKey');
    }
  }
  assert.equal(await keyStatus({ apiKey }), 200);
});

test('a key in a query, a cookie or as a bearer token is no key', async () => {
  const { apiKey } = await newOrganization(service);
  const answers = await Promise.all([
    call(service, `/api/keys?api_key=${apiKey}`),
    call(service, '/api/keys', { bearer: apiKey }),
    call(service, '/api/keys', { cookies: { 'X-API-Key': apiKey } }),
  ]);
  for (const answer of answers) assertEventApiProblem(answer, 401, 'api-key-missing');
});

test("a person's access token is no key, and a key is no access token", async () => {
  const { accessToken } = await enter(service);
  const { apiKey } = await newOrganization(service);
  const asKey = await callWithKey(service, { apiKey: accessToken }, '/api/keys');
  assertEventApiProblem(asKey, 401, 'api-key-refused');
  const asToken = await call(service, '/api/v1/access/me', {
    bearer: apiKey,
    headers: { 'x-api-key': apiKey },
  });
  assertProblem(asToken, 401, 'not-authenticated');
});

test('an error that no route made is of the same shape', async () => {
  assertEventApiProblem(await call(service, '/api/nothing'), 404, 'route-not-found');
  const organization = await newOrganization(service);
  const wrongMethod = await callWithKey(service, organization, '/api/keys/rotate');
  assertEventApiProblem(wrongMethod, 405, 'method-not-allowed');
  const noJson = { raw: '{', headers: { 'content-type': 'application/json' } };
  assertEventApiInvalid(await call(service, '/api/keys/generate', noJson), 'body json_invalid');
  const form = await call(service, '/api/keys/generate', { form: { organization_name: 'Gym' } });
  assertEventApiProblem(form, 415, 'unsupported-media-type');
  const large = await call(service, '/api/keys/generate', {
    json: { organization_name: 'n'.repeat(70_000) },
  });
  assertEventApiProblem(large, 413, 'body-too-large');
  assertInvalid(await call(service, '/api/v1/auth/login', { json: {} }), 'email missing', 'password missing');
});
