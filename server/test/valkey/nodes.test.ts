import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { callWithKey, newOrganization } from '../support/organizations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  type SignedIn,
  signIn,
  startTestService,
  type TestService,
  textMember,
} from '../support/service.ts';
import { startValkey, valkeyIsMissing } from '../support/valkey.ts';
import { eventually } from './link.ts';

const meStatus = async (person: Pick<SignedIn, 'accessToken'>, at: TestService) =>
  (await call(at, '/api/v1/access/me', { bearer: person.accessToken })).status;

async function metric(node: TestService, name: string): Promise<number> {
  const { body } = await call(node, '/metrics');
  const line = String(body)
    .split('\n')
    .find((text) => text.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}
const isUp = async (node: TestService) => (await metric(node, 'valkey_up')) === 1;

describe('two nodes that share Valkey', { skip: valkeyIsMissing }, async () => {
  if (valkeyIsMissing !== false) return;
  const valkey = await startValkey();
  const proxy = await startCuttingProxy(valkey.port);
  const one = await startTestService({ environment: { VALKEY_URL: valkey.url } });
  const two = await startTestService({
    environment: { VALKEY_URL: `redis://127.0.0.1:${proxy.port}/0` },
    beside: one,
  });
  const nodes = [one, two];
  const superuser = await enterAsSuperuser(one);
  const allUp = () =>
    eventually(async () => (await isUp(one)) && (await isUp(two)), 'both nodes have Valkey', 20_000);

  const end = (person: SignedIn, at: TestService) =>
    call(at, '/api/v1/auth/logout', { method: 'POST', bearer: person.accessToken, json: {} });

  /** Somebody whom both nodes know by heart. */
  async function enterEverywhere(): Promise<SignedIn> {
    const person = await enter(one);
    for (const node of [...nodes, ...nodes]) assert.equal(await meStatus(person, node), 200);
    return person;
  }

  async function refusedByAll(person: SignedIn, withinMs = 5_000): Promise<void> {
    for (const node of nodes) {
      await eventually(
        async () => (await meStatus(person, node)) === 401,
        'the session is refused',
        withinMs,
      );
    }
  }

  test('a node takes from Valkey what the other has read', async () => {
    const hits = () => metric(two, 'cache_reads_total{cache="session_shared",result="hit"}');
    const before = await hits();
    const person = await enter(one);
    assert.equal(await meStatus(person, one), 200);
    await eventually(async () => (await valkey.cli('dbsize')) !== '0', 'it is stored');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(await meStatus(person, two), 200);
    assert.equal(await hits(), before + 1);
    const dump = await Promise.all(
      (await valkey.cli('keys', '*'))
        .split('\n')
        .map(async (key) => `${key} ${await valkey.cli('get', key)}`),
    );
    assert.ok(!dump.join('\n').includes('example.org'), 'no e-mail lies in Valkey');
  });

  test('a revocation, a role and a rotated key on one node are felt by the other', async (t) => {
    const delays: number[] = [];
    async function feel(at: () => Promise<boolean>): Promise<void> {
      const startedAt = performance.now();
      await eventually(at, 'the other node feels it', 5_000);
      delays.push(performance.now() - startedAt);
    }
    for (let round = 0; round < 20; round += 1) {
      const [here, there] = round % 2 === 0 ? [one, two] : [two, one];
      const person = await enterEverywhere();
      const change = {
        method: 'PATCH',
        bearer: superuser.accessToken,
        json: { roleSlug: 'fitness-trainer' },
      };
      assert.equal((await call(here, `/api/v1/roles/${person.email}/assign`, change)).status, 200);
      await feel(async () => {
        const { body } = await call(there, '/api/v1/access/me', { bearer: person.accessToken });
        return member(body, 'roleSlug') === 'fitness-trainer';
      });
      assert.ok((await end(person, here)).status < 300);
      assert.equal(await meStatus(person, here), 401, 'at once where it was done');
      await feel(async () => (await meStatus(person, there)) === 401);
      const organization = await newOrganization(here);
      assert.equal((await callWithKey(there, organization, '/api/keys')).status, 200);
      const rotated = await callWithKey(here, organization, '/api/keys/rotate', { method: 'POST' });
      assert.notEqual(textMember(rotated.body, 'api_key'), organization.apiKey);
      assert.equal((await callWithKey(here, organization, '/api/keys')).status, 401);
      await feel(async () => (await callWithKey(there, organization, '/api/keys')).status === 401);
    }
    delays.sort((a, b) => a - b);
    t.diagnostic(`felt after ${delays[30]?.toFixed(1)} ms in the median, ${delays[58]?.toFixed(1)} ms P97`);
  });

  test('what is ended on a node that is cut off from Valkey is refused by the other, and stays so', async () => {
    for (const how of ['cut', 'swallow'] as const) {
      await allUp();
      const here = await enterEverywhere();
      const there = await enterEverywhere();
      proxy[how]();
      if (how === 'cut') await eventually(async () => !(await isUp(two)), 'the loss is noticed');
      assert.ok((await end(here, two)).status < 300);
      assert.ok((await end(there, one)).status < 300);
      await refusedByAll(here);
      await refusedByAll(there);
      const startedAt = performance.now();
      const later = await enter(two);
      assert.equal(await meStatus(later, two), 200);
      assert.ok(performance.now() - startedAt < 15_000, 'nobody hangs');
      proxy.restore();
      await eventually(() => isUp(two), 'the link is back', 10_000);
      await refusedByAll(here, 50);
      await refusedByAll(there, 50);
      assert.equal(await meStatus(later, one), 200);
    }
  });

  for (const [what, strike, heal] of [
    ['killed', () => valkey.kill(), () => valkey.start()],
    ['stopped in its tracks', async () => valkey.signal('SIGSTOP'), async () => valkey.signal('SIGCONT')],
    ['emptied', () => valkey.cli('flushall'), async () => undefined],
  ] as const) {
    test(`Valkey ${what} under load: nobody is turned away, and no session that was ended comes back`, async (t) => {
      await allUp();
      const ended: SignedIn[] = [];
      const regulars = await Promise.all(Array.from({ length: 8 }, () => enterEverywhere()));
      const statuses = new Map<number, number>();
      let longestMs = 0;
      let isOver = false;

      async function timed(run: () => Promise<number>): Promise<void> {
        const startedAt = performance.now();
        const status = await run();
        longestMs = Math.max(longestMs, performance.now() - startedAt);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      const load = regulars.map(async (person, index) => {
        for (let round = 0; !isOver; round += 1) {
          const at = nodes[(index + round) % 2] ?? one;
          await timed(() => meStatus(person, at));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
      const churn = nodes.map(async (at, index) => {
        const other = nodes[1 - index] ?? one;
        while (!isOver) {
          const person = await enter(at);
          await timed(() => meStatus(person, other));
          await timed(async () => ((await end(person, at)).status < 300 ? 200 : 500));
          ended.push(person);
        }
      });
      const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
      await wait(300);
      await strike();
      await wait(1_500);
      await heal();
      const healedAt = performance.now();
      await allUp();
      const backMs = performance.now() - healedAt;
      await wait(300);
      isOver = true;
      await Promise.all([...load, ...churn]);
      assert.deepEqual([...statuses.keys()], [200], JSON.stringify([...statuses]));
      assert.ok(ended.length > 4, `${ended.length} sessions ended`);
      for (const person of ended) await refusedByAll(person, 2_000);
      assert.ok(longestMs < 10_000, `${longestMs} ms`);
      t.diagnostic(
        `${statuses.get(200)} answers, the longest after ${longestMs.toFixed(0)} ms; back after ${backMs.toFixed(0)} ms`,
      );
    });
  }

  test('a key of the cache that is lost in Valkey revives nobody', async () => {
    await allUp();
    const person = await enterEverywhere();
    assert.ok((await end(person, one)).status < 300);
    await valkey.cli('flushall');
    await refusedByAll(person);
    const back = await signIn(two, person);
    assert.equal(await meStatus(back, one), 200);
  });
});
