import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertEventApiProblem, callWithKey, type TestOrganization } from '../support/organizations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  startTestService,
  type TestService,
  textMember,
} from '../support/service.ts';

const keyStatus = async (organization: Pick<TestOrganization, 'apiKey'>, at: TestService) =>
  (await callWithKey(at, organization, '/api/keys')).status;

const generate = (json: unknown, at: TestService) => call(at, '/api/keys/generate', { json });

test('a service that leaves keys to superusers asks for one, and refuses others', async () => {
  const closed = await startTestService({ environment: { KEY_SIGNUP: 'admin' } });
  const json = { organization_name: 'Gym' };
  assertEventApiProblem(await generate(json, closed), 401, 'not-authenticated');
  const person = await enter(closed);
  const refused = await call(closed, '/api/keys/generate', { json, bearer: person.accessToken });
  assertEventApiProblem(refused, 403, 'not-permitted');
  const superuser = await enterAsSuperuser(closed);
  for (const who of [{ bearer: superuser.accessToken }, { cookies: superuser.cookies }]) {
    const { status, body } = await call(closed, '/api/keys/generate', { json, ...who });
    assert.equal(status, 201, JSON.stringify(body));
    assert.equal(await keyStatus({ apiKey: textMember(body, 'api_key') }, closed), 200);
  }
  const [entry] = await closed.sql`
    select actor_id::text as actor from audit_entries where action = 'organization.created' order by id desc`;
  assert.equal(entry?.actor, superuser.id);
});

test('hundreds of keys are made in a row on the machine itself', async () => {
  const limited = await startTestService({ environment: { RATE_LIMIT: 'on' } });
  const statuses = new Set<number>();
  for (let batch = 0; batch < 20; batch += 1) {
    const answers = await Promise.all(
      Array.from({ length: 25 }, () => generate({ organization_name: 'Gym' }, limited)),
    );
    for (const { status } of answers) statuses.add(status);
  }
  assert.deepEqual([...statuses], [201]);
});

test('an address elsewhere gets 30 keys, and another its own', async () => {
  const limited = await startTestService({
    environment: { RATE_LIMIT: 'on', TRUSTED_PROXIES: '127.0.0.1', KEY_SIGNUP: 'open' },
  });
  const from = (address: string) =>
    call(limited, '/api/keys/generate', {
      json: { organization_name: 'Gym' },
      headers: { 'x-forwarded-for': address },
    });
  for (let count = 0; count < 30; count += 1) assert.equal((await from('203.0.113.7')).status, 201);
  const refused = await from('203.0.113.7');
  assertEventApiProblem(refused, 429, 'too-many-attempts');
  assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  assert.equal((await from('203.0.113.8')).status, 201);
  // One subscriber has a whole /64.
  for (let count = 0; count < 30; count += 1) await from(`2001:db8:1:2::${count + 1}`);
  assert.equal((await from('2001:db8:1:2:ffff::1')).status, 429);
  assert.equal((await from('2001:db8:1:3::1')).status, 201);
});
