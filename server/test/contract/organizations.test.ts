import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInOrganizationId } from '@irontrack/contract/organizations.ts';
import {
  assertId,
  assertInstant,
  assertInvalid,
  assertProblem,
  eventually,
  fieldsOf,
  itemsOf,
} from '../support/expectations.ts';
import { callWithKey, newOrganization } from '../support/organizations.ts';
import { call, enter, enterAsSuperuser, member, startTestService, textMember } from '../support/service.ts';

const service = await startTestService();
const { accessToken: bearer, id: superuserId } = await enterAsSuperuser(service);
const unknownId = '01900000-0000-7000-8000-000000000000';

const list = (query = '') => call(service, `/api/v1/organizations${query}`, { bearer });
const read = (id: string) => call(service, `/api/v1/organizations/${id}`, { bearer });
const change = (id: string, json: unknown) =>
  call(service, `/api/v1/organizations/${id}`, { method: 'PATCH', bearer, json });
const replaceKey = (id: string) =>
  call(service, `/api/v1/organizations/${id}/keys`, { method: 'POST', bearer });

const fields = [
  'createdAt',
  'eventsPerMinute',
  'id',
  'isWebhookDisabled',
  'name',
  'tier',
  'updatedAt',
  'webhookUrl',
];

test('a superuser reads an organization, without its key or its secret', async () => {
  const organization = await newOrganization(service, 'business');
  const json = { webhook_url: 'https://example.org/' };
  await callWithKey(service, organization, '/api/webhook/config', { json });
  const { status, body } = await read(organization.id);
  assert.equal(status, 200);
  assert.deepEqual(fieldsOf(body), fields);
  assertId(member(body, 'id'));
  assertInstant(member(body, 'createdAt'));
  assertInstant(member(body, 'updatedAt'));
  assert.equal(member(body, 'name'), organization.name);
  assert.equal(member(body, 'tier'), 'business');
  assert.equal(member(body, 'eventsPerMinute'), 10_000);
  assert.equal(member(body, 'webhookUrl'), 'https://example.org/');
  assert.equal(member(body, 'isWebhookDisabled'), false);
});

test('organizations are listed by pages, searched and filtered', async () => {
  const marked: string[] = [];
  for (const tier of ['free', 'pro', 'pro']) {
    const { body } = await call(service, '/api/keys/generate', {
      json: { organization_name: `100%_Marked ${tier}`, tier },
    });
    marked.push(textMember(body, 'organization_id'));
  }
  const search = encodeURIComponent('100%_mARKED');
  const all = await list(`?searchString=${search}`);
  assert.equal(all.status, 200);
  assert.equal(member(all.body, 'total'), 3);
  for (const item of itemsOf(all.body)) assert.deepEqual(fieldsOf(item), fields);
  const idsOf = (body: unknown) => itemsOf(body).map((item) => member(item, 'id'));
  assert.deepEqual(idsOf(all.body), marked);
  const newestFirst = await list(`?searchString=${search}&sortOrder=desc`);
  assert.deepEqual(idsOf(newestFirst.body), marked.toReversed());
  const second = await list(`?searchString=${search}&pageSize=2&currentPage=2`);
  assert.deepEqual(idsOf(second.body), marked.slice(2));
  assert.equal(member(second.body, 'offset'), 2);
  const pro = await list(`?searchString=${search}&tier=pro`);
  assert.deepEqual(idsOf(pro.body), marked.slice(1));
  // In a pattern these would match anything.
  assert.equal(member((await list('?searchString=100_%25Marked')).body, 'total'), 0);
});

test('a query that the list does not know is refused', async () => {
  assertInvalid(await list('?tier=gold'), 'tier literal_error');
  assertInvalid(await list('?pageSize=101'), 'pageSize less_than_equal');
  assertInvalid(await list('?orderBy=name'), 'orderBy extra_forbidden');
});

test('a changed tier counts from the next request on, on every node', async () => {
  const other = await startTestService({ beside: service });
  const organization = await newOrganization(service);
  const limitAt = async (node: typeof service) =>
    (await callWithKey(node, organization, '/api/keys')).headers.get('x-ratelimit-limit');
  assert.equal(await limitAt(service), '100');
  assert.equal(await limitAt(other), '100');
  const { status, body } = await change(organization.id, { tier: 'enterprise', name: 'Renamed' });
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(fieldsOf(body), fields);
  assert.equal(member(body, 'tier'), 'enterprise');
  assert.equal(member(body, 'name'), 'Renamed');
  assert.equal(await limitAt(service), '100000');
  await eventually(async () => (await limitAt(other)) === '100000');
  const [entry] = await service.sql`
    select actor_id::text as actor, details from audit_entries where action = 'organization.updated'
    order by id desc`;
  assert.equal(entry?.actor, superuserId);
});

const badChanges: [string, unknown, string][] = [
  ['an empty name', { name: '' }, 'name string_too_short'],
  ['a name of 256 characters', { name: 'n'.repeat(256) }, 'name string_too_long'],
  ['an unknown tier', { tier: 'gold' }, 'tier literal_error'],
  ['a webhook', { webhookUrl: 'https://example.org/' }, 'webhookUrl extra_forbidden'],
];

for (const [what, json, fault] of badChanges) {
  test(`an organization is not given ${what}`, async () => {
    const { id } = await newOrganization(service);
    const before = (await read(id)).body;
    assertInvalid(await change(id, json), fault);
    assert.deepEqual((await read(id)).body, before);
  });
}

test('a superuser replaces a key that was lost, and the old one is dead', async () => {
  const organization = await newOrganization(service);
  assert.equal((await callWithKey(service, organization, '/api/keys')).status, 200);
  const { status, body } = await replaceKey(organization.id);
  assert.equal(status, 201);
  assert.deepEqual(fieldsOf(body), ['apiKey', 'createdAt', 'organizationId']);
  assert.equal(member(body, 'organizationId'), organization.id);
  assert.equal((await callWithKey(service, organization, '/api/keys')).status, 401);
  const apiKey = textMember(body, 'apiKey');
  const told = await callWithKey(service, { apiKey }, '/api/keys');
  assert.equal(member(told.body, 'organization_id'), organization.id);
});

test('replacing a key many times at once leaves one that works', async () => {
  const organization = await newOrganization(service);
  const answers = await Promise.all(Array.from({ length: 6 }, () => replaceKey(organization.id)));
  const statuses = await Promise.all(
    answers.map(async ({ status, body }) => {
      assert.equal(status, 201);
      return (await callWithKey(service, { apiKey: textMember(body, 'apiKey') }, '/api/keys')).status;
    }),
  );
  assert.deepEqual(statuses.toSorted(), [200, 401, 401, 401, 401, 401]);
});

test('an organization that does not exist is not found', async () => {
  assertProblem(await read(unknownId), 404, 'organization-not-found');
  assertProblem(await change(unknownId, { tier: 'pro' }), 404, 'organization-not-found');
  assertProblem(await replaceKey(unknownId), 404, 'organization-not-found');
  assertInvalid(await read('7'), 'id uuid_parsing');
});

test('neither an ordinary user nor a key may see organizations', async () => {
  const person = await enter(service);
  const organization = await newOrganization(service);
  for (const path of ['/api/v1/organizations', `/api/v1/organizations/${organization.id}`]) {
    assertProblem(await call(service, path, { bearer: person.accessToken }), 403, 'not-permitted');
    assertProblem(await callWithKey(service, organization, path), 401, 'not-authenticated');
  }
});

test('the built-in organization is there, has no key, and gets one from a superuser', async () => {
  const { status, body } = await read(builtInOrganizationId);
  assert.equal(status, 200);
  assert.equal(member(body, 'name'), 'IronTrack');
  const [row] = await service.sql`
    select count(*)::int as count from api_keys where organization_id = ${builtInOrganizationId}`;
  assert.equal(row?.count, 0);
  const apiKey = textMember((await replaceKey(builtInOrganizationId)).body, 'apiKey');
  const told = await callWithKey(service, { apiKey }, '/api/keys');
  assert.equal(member(told.body, 'organization_name'), 'IronTrack');
});
