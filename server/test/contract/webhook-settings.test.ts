import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertInstant, eventually, fieldsOf } from '../support/expectations.ts';
import {
  assertEventApiInvalid,
  assertEventApiProblem,
  callWithKey,
  newOrganization,
  type TestOrganization,
} from '../support/organizations.ts';
import { member, startTestService, textMember } from '../support/service.ts';

const service = await startTestService();
const dayMs = 24 * 60 * 60_000;

const configure = (organization: TestOrganization, webhookUrl: unknown, at = service) =>
  callWithKey(at, organization, '/api/webhook/config', { json: { webhook_url: webhookUrl } });

const rotateSecret = (organization: TestOrganization) =>
  callWithKey(service, organization, '/api/webhook/secret/rotate', { method: 'POST' });

const urlOf = async (organization: TestOrganization, at = service) =>
  textMember((await callWithKey(at, organization, '/api/keys')).body, 'webhook_url');

async function readRow({ id }: TestOrganization) {
  const [row] = await service.sql<
    {
      url: string;
      secret: string | null;
      previous: string | null;
      until: Date | null;
      disabledAt: Date | null;
    }[]
  >`
    select webhook_url as url, 'whsec_' || encode(webhook_secret, 'base64') as secret,
      'whsec_' || encode(previous_webhook_secret, 'base64') as previous,
      previous_webhook_secret_until as until, webhook_disabled_at as "disabledAt"
    from organizations where id = ${id}`;
  assert.ok(row !== undefined);
  return row;
}

test('an address is set with a secret that is shown this once', async () => {
  const organization = await newOrganization(service);
  const url = 'https://example.org/hooks?a=1&b=%20#part';
  const { status, body } = await configure(organization, url);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(fieldsOf(body), ['message', 'organization_id', 'secret', 'updated_at', 'webhook_url']);
  assert.equal(member(body, 'organization_id'), organization.id);
  assert.equal(member(body, 'webhook_url'), url);
  assertInstant(member(body, 'updated_at'));
  // Standard Webhooks: base64 of 24 to 64 bytes.
  const secret = textMember(body, 'secret');
  assert.match(secret, /^whsec_[A-Za-z0-9+/]+={0,2}$/);
  assert.equal(Buffer.from(secret.slice(6), 'base64').length, 32);
  assert.deepEqual(await readRow(organization), {
    url,
    secret,
    previous: null,
    until: null,
    disabledAt: null,
  });
  const told = await callWithKey(service, organization, '/api/keys');
  assert.equal(member(told.body, 'webhook_url'), url);
  assert.equal(member(told.body, 'updated_at'), member(body, 'updated_at'));
  assert.ok(!JSON.stringify(told.body).includes('whsec_'));
});

const addresses = [
  'http://127.0.0.1:9000/hook',
  'http://localhost',
  'http://169.254.169.254/latest/meta-data',
  'https://[::1]:8443/',
  'HTTPS://EXAMPLE.org/Path',
  'https://b\u00fccher.example/\u00e4?q=\u{1f3cb}',
  'https://user:word@example.org/',
  `https://example.org/${'a'.repeat(2048 - 20)}`,
];

for (const url of addresses) {
  test(`the address ${url.slice(0, 60)} is taken and echoed to the byte, wherever it points`, async () => {
    const organization = await newOrganization(service);
    const { status, body } = await configure(organization, url);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(member(body, 'webhook_url'), url);
    assert.equal(await urlOf(organization), url);
    assert.equal((await readRow(organization)).url, url);
  });
}

const refused: [string, unknown, string][] = [
  ['no address at all', undefined, 'missing'],
  ['null', null, 'string_type'],
  ['a number', 7, 'string_type'],
  ['another scheme', 'ftp://example.org/', 'url_parsing'],
  ['a script', 'javascript:alert(1)', 'url_parsing'],
  ['a file', 'file:///etc/passwd', 'url_parsing'],
  ['a bare host', 'example.org/hook', 'url_parsing'],
  ['a scheme without a host', 'https://', 'url_parsing'],
  ['a port out of range', 'http://example.org:99999/', 'url_parsing'],
  ['a space', 'https://example.org/a b', 'url_parsing'],
  ['a line end', 'https://example.org/\r\nx-evil: 1', 'url_parsing'],
  ['a tab inside the host', 'https://exam\tple.org/', 'url_parsing'],
  ['a NUL', 'https://example.org/\0', 'string_unicode'],
  ['2,049 characters', `https://example.org/${'a'.repeat(2048 - 19)}`, 'string_too_long'],
];

for (const [what, url, fault] of refused) {
  test(`an address is not changed to ${what}`, async () => {
    const organization = await newOrganization(service);
    assert.equal((await configure(organization, 'https://example.org/')).status, 200);
    const before = await readRow(organization);
    const field = fault === 'missing' ? 'webhook_url missing' : `webhook_url ${fault}`;
    assertEventApiInvalid(await configure(organization, url), field);
    assert.deepEqual(await readRow(organization), before);
  });
}

test('an empty address removes it and its secrets', async () => {
  const organization = await newOrganization(service);
  await configure(organization, 'https://example.org/');
  const { status, body } = await configure(organization, '');
  assert.equal(status, 200);
  assert.equal(member(body, 'webhook_url'), '');
  assert.equal(member(body, 'secret'), '');
  assert.equal(await urlOf(organization), '');
  assert.deepEqual(await readRow(organization), {
    url: '',
    secret: null,
    previous: null,
    until: null,
    disabledAt: null,
  });
});

test('another address comes with another secret, and the old one signs along for a day', async () => {
  const organization = await newOrganization(service);
  const first = textMember((await configure(organization, 'https://example.org/1')).body, 'secret');
  const beforeMs = service.clock.now().getTime();
  const second = textMember((await configure(organization, 'https://example.org/2')).body, 'secret');
  assert.notEqual(second, first);
  const row = await readRow(organization);
  assert.equal(row.secret, second);
  assert.equal(row.previous, first);
  const overlapMs = (row.until?.getTime() ?? 0) - beforeMs;
  assert.ok(overlapMs >= dayMs && overlapMs < dayMs + 10_000, String(overlapMs));
});

test('a new address is tried again after the old one was gone', async () => {
  const organization = await newOrganization(service);
  await configure(organization, 'https://example.org/1');
  await service.sql`update organizations set webhook_disabled_at = now() where id = ${organization.id}`;
  await configure(organization, 'https://example.org/1');
  assert.equal((await readRow(organization)).disabledAt, null);
});

test('a secret is rotated, and the old one is good for another 24 hours', async () => {
  const organization = await newOrganization(service);
  const first = textMember((await configure(organization, 'https://example.org/')).body, 'secret');
  const beforeMs = service.clock.now().getTime();
  const { status, body } = await rotateSecret(organization);
  assert.equal(status, 200);
  assert.deepEqual(fieldsOf(body), ['previous_valid_until', 'secret']);
  assert.match(textMember(body, 'secret'), /^whsec_/);
  const untilMs = Date.parse(textMember(body, 'previous_valid_until'));
  assert.ok(untilMs >= beforeMs + dayMs && untilMs < beforeMs + dayMs + 10_000);
  const row = await readRow(organization);
  assert.equal(row.previous, first);
  assert.equal(row.secret, member(body, 'secret'));
  assert.equal(row.until?.getTime(), untilMs);
  assert.equal(row.url, 'https://example.org/');
});

test('without an address there is no secret to rotate', async () => {
  const organization = await newOrganization(service);
  assertEventApiProblem(await rotateSecret(organization), 409, 'webhook-not-configured');
  assert.equal((await readRow(organization)).secret, null);
});

test('one organization changes nothing of another', async () => {
  const [mine, other] = [await newOrganization(service), await newOrganization(service)];
  await configure(other, 'https://other.example/');
  const before = await readRow(other);
  await configure(mine, 'https://mine.example/');
  await rotateSecret(mine);
  await configure(mine, '');
  assert.deepEqual(await readRow(other), before);
});

test('an address that is set on one node is known on another', async () => {
  const other = await startTestService({ beside: service });
  const organization = await newOrganization(service);
  assert.equal(await urlOf(organization, other), '');
  await configure(organization, 'https://example.org/');
  assert.equal(await urlOf(organization), 'https://example.org/');
  await eventually(async () => (await urlOf(organization, other)) === 'https://example.org/');
});

test('of secrets and of the path of an address nothing gets into the audit trail', async () => {
  const organization = await newOrganization(service);
  const { body } = await configure(organization, 'https://user:word@example.org/token-in-path');
  const { body: rotated } = await rotateSecret(organization);
  const entries = await service.sql<{ action: string; details: unknown }[]>`
    select action, details from audit_entries
    where details ->> 'organizationId' = ${organization.id} order by id`;
  assert.deepEqual(
    entries.map(({ action }) => action),
    ['organization.created', 'webhook.configured', 'webhook_secret.rotated'],
  );
  const text = JSON.stringify(entries);
  for (const secret of [textMember(body, 'secret'), textMember(rotated, 'secret'), 'word', 'token-in-path']) {
    assert.ok(!text.includes(secret), secret);
  }
  assert.ok(text.includes('example.org'));
});
