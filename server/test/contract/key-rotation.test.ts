import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { assertInstant, eventually, fieldsOf } from '../support/expectations.ts';
import {
  assertEventApiInvalid,
  assertEventApiProblem,
  callWithKey,
  newOrganization,
  type TestOrganization,
} from '../support/organizations.ts';
import { call, member, startTestService, type TestService, textMember } from '../support/service.ts';

const service = await startTestService();

const keyStatus = async (organization: Pick<TestOrganization, 'apiKey'>, at: TestService = service) =>
  (await callWithKey(at, organization, '/api/keys')).status;

async function rotate(organization: TestOrganization, at: TestService = service): Promise<TestOrganization> {
  const { status, body } = await callWithKey(at, organization, '/api/keys/rotate', { method: 'POST' });
  assert.equal(status, 200, JSON.stringify(body));
  return { ...organization, apiKey: textMember(body, 'api_key') };
}

test('a rotated key is dead at once, and the new one works', async () => {
  const old = await newOrganization(service);
  assert.equal(await keyStatus(old), 200);
  const { status, body } = await callWithKey(service, old, '/api/keys/rotate', { method: 'POST' });
  assert.equal(status, 200);
  assert.deepEqual(fieldsOf(body), [
    'api_key',
    'organization_id',
    'organization_name',
    'rotated_at',
    'warning',
  ]);
  assert.equal(member(body, 'organization_id'), old.id);
  assert.equal(member(body, 'organization_name'), old.name);
  assertInstant(member(body, 'rotated_at'));
  const apiKey = textMember(body, 'api_key');
  assert.notEqual(apiKey, old.apiKey);
  assert.equal(await keyStatus(old), 401);
  assert.equal(await keyStatus({ apiKey }), 200);
  assertEventApiProblem(
    await callWithKey(service, old, '/api/keys/rotate', { method: 'POST' }),
    401,
    'api-key-refused',
  );
});

test('a node that rotates a key does not wait to hear of it', async () => {
  const deaf = await startTestService();
  await deaf.sql`alter table api_keys disable trigger api_keys_announce_update`;
  const old = await newOrganization(deaf);
  assert.equal(await keyStatus(old, deaf), 200);
  const next = await rotate(old, deaf);
  assert.equal(await keyStatus(old, deaf), 401);
  assert.equal(await keyStatus(next, deaf), 200);
});

test('a rotation takes no fields', async () => {
  const organization = await newOrganization(service);
  const request = { json: { organization_name: 'Other' } };
  assertEventApiInvalid(
    await callWithKey(service, organization, '/api/keys/rotate', request),
    'organization_name extra_forbidden',
  );
  assert.equal(await keyStatus(organization), 200);
  assert.equal((await callWithKey(service, organization, '/api/keys/rotate', { json: {} })).status, 200);
});

test('of many rotations of one key at once exactly one succeeds', async () => {
  const organization = await newOrganization(service);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () =>
      callWithKey(service, organization, '/api/keys/rotate', { method: 'POST' }),
    ),
  );
  const statuses = answers.map(({ status }) => status).toSorted();
  assert.deepEqual(statuses, [200, ...Array(7).fill(401)]);
  const [row] = await service.sql`
    select count(*)::int as count from api_keys where organization_id = ${organization.id} and revoked_at is null`;
  assert.equal(row?.count, 1);
});

test('an old key is dead on every node within a second of the answer, and known ones stay good', async () => {
  const other = await startTestService({ beside: service });
  const bystander = await newOrganization(service);
  for (let round = 0; round < 5; round += 1) {
    const old = await newOrganization(service);
    for (const node of [service, other]) {
      assert.equal(await keyStatus(old, node), 200);
      assert.equal(await keyStatus(bystander, node), 200);
    }
    const next = await rotate(old, round % 2 === 0 ? service : other);
    const deadline = Date.now() + 1_000;
    while ((await keyStatus(old, service)) !== 401 || (await keyStatus(old, other)) !== 401) {
      assert.ok(Date.now() < deadline, 'The old key lives on after a second.');
    }
    for (const node of [service, other]) {
      assert.equal(await keyStatus(next, node), 200);
      assert.equal(await keyStatus(bystander, node), 200);
      assert.equal(await keyStatus(old, node), 401);
    }
  }
});

test('nobody gets in with an old key once its rotation was answered, however many requests were under way', async () => {
  for (let round = 0; round < 10; round += 1) {
    const old = await newOrganization(service);
    let isOver = false;
    const late: number[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      for (let count = 0; count < 6; count += 1) {
        const wasOver = isOver;
        const status = await keyStatus(old);
        if (wasOver) late.push(status);
      }
    });
    const rotated = rotate(old).then(() => {
      isOver = true;
    });
    await Promise.all([...clients, rotated]);
    late.push(await keyStatus(old));
    assert.deepEqual([...new Set(late)], [401]);
  }
});

test('a key that is revoked, or an organization that is deleted, by hand in SQL is felt', async () => {
  const revoked = await newOrganization(service);
  const deleted = await newOrganization(service);
  const bystander = await newOrganization(service);
  for (const organization of [revoked, deleted, bystander]) assert.equal(await keyStatus(organization), 200);
  await service.sql`update api_keys set revoked_at = now() where organization_id = ${revoked.id}`;
  await service.sql`delete from organizations where id = ${deleted.id}`;
  await eventually(async () => (await keyStatus(revoked)) === 401 && (await keyStatus(deleted)) === 401);
  assert.equal(await keyStatus(bystander), 200);
});

test("a key that was nobody's works once it is somebody's", async () => {
  const { id } = await newOrganization(service);
  const apiKey = `zap_test_${'b'.repeat(43)}`;
  assert.equal(await keyStatus({ apiKey }), 401);
  const hash = createHash('sha256').update(apiKey).digest();
  await service.sql`insert into api_keys (hash, organization_id, created_at) values (${hash}, ${id}, now())`;
  // That a key is nobody's is remembered for 30 s.
  service.clock.advance(31_000);
  assert.equal(await keyStatus({ apiKey }), 200);
});

test('a node that cannot hear of changes asks the database for every key', async () => {
  const node = await startTestService();
  const organization = await newOrganization(node);
  const second = await newOrganization(node);
  for (const each of [organization, second]) assert.equal(await keyStatus(each, node), 200);
  await node.sql.begin(async (tx) => {
    const killed = await tx`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and application_name = 'irontrack' and query ilike any
        (array['listen %', 'select pg_notify(%'])`;
    assert.ok(killed.length > 0);
    await tx`update api_keys set revoked_at = now() where organization_id = ${organization.id}`;
  });
  await eventually(async () => (await keyStatus(organization, node)) === 401);
  assert.equal(await keyStatus(second, node), 200);
  await node.sql`update api_keys set revoked_at = now() where organization_id = ${second.id}`;
  await eventually(async () => (await keyStatus(second, node)) === 401);
});

test('while the database is away a key is neither good nor bad, and is good again afterwards', async () => {
  const node = await startTestService();
  const organization = await newOrganization(node);
  assert.equal(await keyStatus(organization, node), 200);
  const [row] = await node.sql`select current_database() as name`;
  const name = String(row?.name);
  const { sql } = service;
  await sql`alter database ${sql(name)} with allow_connections false`;
  await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name}`;
  await eventually(async () => (await keyStatus(organization, node)) === 503);
  const answer = await callWithKey(node, organization, '/api/keys');
  assertEventApiProblem(answer, 503, 'database-unavailable');
  assert.ok(Number(answer.headers.get('retry-after')) >= 1);
  const refused = await call(node, '/api/keys/generate', { json: { organization_name: 'Gym' } });
  assertEventApiProblem(refused, 503, 'database-unavailable');
  await sql`alter database ${sql(name)} with allow_connections true`;
  await eventually(async () => (await keyStatus(organization, node)) === 200);
});
