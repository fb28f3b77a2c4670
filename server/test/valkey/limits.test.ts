import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { tiers } from '@irontrack/contract/organizations.ts';
import { attemptLimits } from '../../src/accounts/attempt-limits.ts';
import { signupLimits } from '../../src/api-keys/signup-limit.ts';
import { post } from '../support/events.ts';
import { assertEventApiProblem, callWithKey, newOrganization } from '../support/organizations.ts';
import {
  call,
  goodPassword,
  member,
  signUp,
  startTestService,
  type TestService,
} from '../support/service.ts';
import { startValkey, valkeyIsMissing } from '../support/valkey.ts';
import { eventually } from './link.ts';

describe('limits that two nodes count together', { skip: valkeyIsMissing }, async () => {
  if (valkeyIsMissing !== false) return;
  const valkey = await startValkey({ requirepass: 'Valkey-Secret-1' });
  const environment = {
    RATE_LIMIT: 'on',
    TRUSTED_PROXIES: '127.0.0.1',
    VALKEY_URL: valkey.url.replace('unix://', 'unix://:Valkey-Secret-1@'),
  };
  const one = await startTestService({ environment });
  const two = await startTestService({
    environment: { ...environment, VALKEY_URL: `redis://:Valkey-Secret-1@127.0.0.1:${valkey.port}` },
    beside: one,
  });
  const nodes = [one, two];
  const nodeOf = (index: number) => nodes[index % nodes.length] ?? one;

  let serial = 0;
  function newAddress(): string {
    serial += 1;
    return `203.0.${serial >> 8}.${serial & 255}`;
  }
  const signIn = (node: TestService, email: string, address: string, password = 'Wrong-Password-1') =>
    call(node, '/api/v1/auth/login', {
      json: { email, password },
      headers: { 'x-forwarded-for': address },
    });

  async function metric(node: TestService, name: string): Promise<number> {
    const { body } = await call(node, '/metrics');
    const line = String(body)
      .split('\n')
      .find((text) => text.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1));
  }

  test('both nodes have reached Valkey, and /health and /metrics say so', async () => {
    for (const node of nodes) {
      const { status, body } = await call(node, '/health');
      assert.deepEqual([status, member(body, 'cache_status')], [200, 'online']);
      assert.equal(await metric(node, 'valkey_up'), 1);
      assert.equal(member((await call(node, '/ready')).body, 'cache'), 'shared');
    }
  });

  test('the eleventh failed sign-in is refused wherever it arrives', async () => {
    const { pair } = attemptLimits['sign-in'];
    const { email } = await signUp(one);
    const address = newAddress();
    for (let index = 0; index < pair.points; index += 1) {
      assert.equal((await signIn(nodeOf(index), email, address)).status, 401, `attempt ${index + 1}`);
    }
    for (const node of nodes) {
      const refused = await signIn(node, email, address, goodPassword);
      assert.equal(refused.status, 429);
      const seconds = Number(refused.headers.get('retry-after'));
      assert.ok(seconds >= 1 && seconds <= pair.seconds, `${seconds} s`);
      assert.equal((await signIn(node, email, newAddress())).status, 401, 'from elsewhere');
    }
  });

  test('failures that arrive everywhere at once are counted exactly', async () => {
    const { pair } = attemptLimits['sign-in'];
    const { email } = await signUp(one);
    const address = newAddress();
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => signIn(nodeOf(index), email, address)),
    );
    assert.equal(answers.filter(({ status }) => status === 401).length, pair.points);
    assert.equal(answers.filter(({ status }) => status === 429).length, 30 - pair.points);
  });

  test('rightful sign-ins are not counted', async () => {
    const person = await signUp(one);
    const address = newAddress();
    for (let index = 0; index < 25; index += 1) {
      const { status } = await signIn(nodeOf(index), person.email, address, goodPassword);
      assert.equal(status, 200, `sign-in ${index + 1}`);
    }
  });

  test('the 101st event of a free organization in a minute is refused by both nodes', async () => {
    const organization = await newOrganization(one);
    const limit = tiers.free.eventsPerMinute;
    const answers = await Promise.all(
      Array.from({ length: limit - 2 }, (_, index) =>
        post(nodeOf(index), organization, { type: 'a.test', payload: {} }),
      ),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
    const faulty = await post(one, organization, { type: 'a.test', payload: 1 });
    assert.equal(faulty.status, 422);
    assert.equal(faulty.headers.get('x-ratelimit-remaining'), '2');
    for (const [index, remaining] of [
      [0, '1'],
      [1, '0'],
    ] as const) {
      const answer = await post(nodeOf(index), organization, { type: 'a.test', payload: {} });
      assert.deepEqual([answer.status, answer.headers.get('x-ratelimit-remaining')], [201, remaining]);
    }
    for (const node of nodes) {
      const refused = await post(node, organization, { type: 'a.test', payload: {} });
      assertEventApiProblem(refused, 429, 'event-limit-reached');
      assert.equal(refused.headers.get('x-ratelimit-remaining'), '0');
      const looked = await callWithKey(node, organization, '/api/keys');
      assert.equal(looked.headers.get('x-ratelimit-remaining'), '0');
      const batch = { events: [{ type: 'a.test', payload: {} }] };
      const { body } = await callWithKey(node, organization, '/api/events/batch', { json: batch });
      assert.match(JSON.stringify(body), /event-limit-reached/);
    }
    const [row] =
      await one.sql`select count(*)::int as stored from events where organization_id = ${organization.id}`;
    assert.equal(row?.stored, limit);
  });

  test('an address gets its 30 keys from both nodes together', async () => {
    const address = newAddress();
    const { points } = signupLimits.elsewhere;
    const openNodes = await Promise.all(
      [1, 2].map(() =>
        startTestService({ environment: { ...environment, KEY_SIGNUP: 'open' }, beside: one }),
      ),
    );
    const statuses: number[] = [];
    for (let index = 0; index <= points; index += 1) {
      const node = openNodes[index % 2] ?? one;
      const { status } = await call(node, '/api/keys/generate', {
        json: { organization_name: 'Gym' },
        headers: { 'x-forwarded-for': address },
      });
      statuses.push(status);
    }
    assert.deepEqual(statuses, [...Array.from({ length: points }, () => 201), 429]);
  });

  test('nothing that is counted shows in Valkey who it is, and everything expires', async () => {
    const keys = (await valkey.cli('keys', '*')).split('\n').filter((key) => key.includes(':count:'));
    assert.ok(keys.length > 20, `${keys.length} keys`);
    for (const key of keys) assert.match(key, /^irontrack:[0-9a-f]{16}:count:[a-z:-]+:[\w-]{22}$/);
    assert.ok(Number(await valkey.cli('pttl', keys[0] ?? '')) > 0);
  });

  test('without Valkey each node counts for itself and sign-ins go on; with it they count together again', async () => {
    const { pair } = attemptLimits['sign-in'];
    const person = await signUp(one);
    const address = newAddress();
    await valkey.kill();
    try {
      for (const node of nodes) {
        for (let index = 0; index < pair.points; index += 1) {
          assert.equal((await signIn(node, person.email, address)).status, 401, `attempt ${index + 1}`);
        }
        assert.equal((await signIn(node, person.email, address)).status, 429);
        assert.equal((await signIn(node, person.email, newAddress(), goodPassword)).status, 200);
        const ready = await call(node, '/ready');
        assert.deepEqual([ready.status, member(ready.body, 'cache')], [200, 'away']);
        const { status, body } = await call(node, '/health');
        assert.deepEqual([status, member(body, 'cache_status')], [503, 'offline']);
        assert.equal(await metric(node, 'valkey_up'), 0);
        assert.equal(await metric(node, 'valkey_losses_total'), 1);
      }
    } finally {
      await valkey.start();
    }
    await eventually(
      async () => (await metric(one, 'valkey_up')) + (await metric(two, 'valkey_up')) === 2,
      'back',
    );
    const next = newAddress();
    for (let index = 0; index < pair.points; index += 1) {
      assert.equal((await signIn(nodeOf(index), person.email, next)).status, 401);
    }
    assert.equal((await signIn(two, person.email, next)).status, 429);
  });
});
