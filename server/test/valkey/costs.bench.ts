/**
 * What each level of cache and each way of counting costs, what the limits add to a sign-in, and how soon a revocation is
 * felt elsewhere: `node server/test/valkey/costs.bench.ts`. It starts a Valkey and a PostgreSQL of its own.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createMemoryCache } from '../../src/cache/memory-cache.ts';
import { createMemoryCounters } from '../../src/cache/memory-counters.ts';
import { createTieredCache } from '../../src/cache/tiered-cache.ts';
import { createValkeyCounters } from '../../src/cache/valkey/counters.ts';
import { createFarCache } from '../../src/cache/valkey/far-cache.ts';
import { seal, unseal } from '../../src/cache/valkey/seal.ts';
import { openDatabase } from '../../src/database/database.ts';
import { type LiveSession, selectLiveSession } from '../../src/sessions/callers.sql.ts';
import { createTestDatabase } from '../support/database.ts';
import { call, enter, signUp, startTestService, type TestService } from '../support/service.ts';
import { startValkey } from '../support/valkey.ts';
import { newNames, openLink } from './link.ts';

const rounds = 7;
const quantile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
const ordered = (values: readonly number[]) => values.toSorted((a, b) => a - b);

interface Work {
  name: string;
  times: number;
  run: (index: number) => unknown;
  /** So many at once; 1 without. */
  atOnce?: number;
}

/**
 * Microseconds each, in alternation: median and quartiles of the rounds, and the median of what this process computed. On a
 * busy machine only the second tells much.
 */
async function compare(works: readonly Work[], say: (line: string) => void): Promise<void> {
  const figures = new Map(works.map(({ name }) => [name, { wall: [0], cpu: [0] }]));
  for (const { wall, cpu } of figures.values()) for (const list of [wall, cpu]) list.pop();
  for (let round = 0; round <= rounds; round += 1) {
    for (const { name, times, run, atOnce = 1 } of works) {
      const usedBefore = process.threadCpuUsage();
      const startedAt = performance.now();
      for (let index = 0; index < times; index += atOnce) {
        const answers = Array.from({ length: atOnce }, (_, offset) => run(index + offset));
        if (answers[0] instanceof Promise) await Promise.all(answers);
      }
      // The first round warms up.
      if (round === 0) continue;
      const used = process.threadCpuUsage(usedBefore);
      figures.get(name)?.wall.push(((performance.now() - startedAt) * 1000) / times);
      figures.get(name)?.cpu.push((used.user + used.system) / times);
    }
  }
  for (const [name, { wall, cpu }] of figures) {
    const sorted = ordered(wall);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(sorted, share).toFixed(2));
    say(
      `${name.padEnd(44)} ${middle} us (${low}-${high}), computing ${quantile(ordered(cpu), 0.5).toFixed(2)}`,
    );
  }
}

// Before any test, so that its PostgreSQL outlives them all.
const base = await startTestService();

test('a look-up on each level', async (t) => {
  const valkey = await startValkey();
  const names = newNames();
  const { link } = await openLink(valkey.url, names);
  const { link: byTcp } = await openLink(valkey.tcpUrl, names);
  const needs = { names: () => names, version: '1.0.0', randomBytes };
  const far = createFarCache<LiveSession>('session', { link, ...needs });
  const farByTcp = createFarCache<LiveSession>('session', { link: byTcp, ...needs });
  for (const each of [farByTcp, far]) {
    each.resume();
    await link.run(['PING']);
    await byTcp.run(['PING']);
  }
  const near = createTieredCache(createMemoryCache<LiveSession>('session', 10_000), far);
  const session = { userId: '01890a5d-ac96-774b-bcce-b302099a8057', endsAtMs: 1_800_000_000_000 };
  const find = async () => session;
  const keys = Array.from({ length: 1_000 }, (_, index) => `key-${index}`);
  for (const key of keys) await near.read(key, find);
  await link.run(['PING']);
  const keyOf = (index: number) => keys[index % keys.length] ?? '';

  const service = base;
  const person = await enter(service);
  const [row] = await service.sql`select id from sessions where user_id = ${person.id}`;
  const id = String(row?.id);
  const address = await createTestDatabase();
  const queue = { mostWaiting: 1_000, maxWaitMs: 5_000 };
  const database = openDatabase({
    address: {
      ...address,
      database: String((await service.sql`select current_database() as name`)[0]?.name),
    },
    poolSize: 5,
    timeoutMs: 5_000,
    queue,
    onWait: () => undefined,
    onRefused: () => undefined,
  });
  t.after(() => database.close());
  const sealingKey = randomBytes(32);
  const text = JSON.stringify({ ...session, name: 'x'.repeat(150) });
  const sealed = seal(sealingKey, 'place', text, randomBytes(16));
  const unexpected = async () => assert.fail('It was loaded.');
  await compare(
    [
      { name: 'memory of the process', times: 100_000, run: (index) => near.peek(keyOf(index)) },
      {
        name: 'Valkey, Unix socket, one after the other',
        times: 1_000,
        run: (i) => far.read(keyOf(i), unexpected),
      },
      {
        name: 'Valkey, TCP, one after the other',
        times: 1_000,
        run: (i) => farByTcp.read(keyOf(i), unexpected),
      },
      {
        name: 'Valkey, Unix socket, 50 at once',
        times: 2_000,
        atOnce: 50,
        run: (i) => far.read(keyOf(i), unexpected),
      },
      { name: 'PostgreSQL, one after the other', times: 500, run: () => selectLiveSession(database.sql, id) },
      {
        name: 'PostgreSQL, 50 at once',
        times: 1_000,
        atOnce: 50,
        run: () => selectLiveSession(database.sql, id),
      },
      {
        name: 'a miss: lease, load of nothing, store',
        times: 500,
        run: (i) => far.read(`${randomBytes(6).toString('hex')}${i}`, find),
      },
      { name: 'seal', times: 5_000, run: () => seal(sealingKey, 'place', text, randomBytes(16)) },
      { name: 'unseal', times: 5_000, run: () => unseal(sealingKey, 'place', sealed) },
    ],
    (line) => t.diagnostic(line),
  );
});

test('a decision of a limit', async (t) => {
  const valkey = await startValkey();
  const names = newNames();
  const { link } = await openLink(valkey.url, names);
  const memory = createMemoryCounters(() => new Date());
  const counters = createValkeyCounters({
    link,
    names: () => names,
    local: memory,
    onCounted: () => undefined,
  });
  const claim = (name: string, index: number) => ({
    limit: { name, points: 1_000_000_000, windowMs: 60_000 },
    subject: `somebody-${index % 100}@example.org`,
  });
  const three = (index: number) => ['address', 'pair', 'account'].map((name) => claim(name, index));
  const same = claim('event', 7);
  await compare(
    [
      { name: 'memory, one limit', times: 50_000, run: (index) => memory.take(claim('one', index)) },
      {
        name: 'memory, the three of a sign-in',
        times: 20_000,
        run: (index) => memory.takeEach(three(index)),
      },
      {
        name: 'Valkey, one limit, one after the other',
        times: 1_000,
        run: (index) => counters.take(claim('one', index)),
      },
      {
        name: 'Valkey, the three of a sign-in',
        times: 1_000,
        run: (index) => counters.takeEach(three(index)),
      },
      {
        name: 'Valkey, one subject, 100 at once',
        times: 20_000,
        atOnce: 100,
        run: () => counters.take(same),
      },
    ],
    (line) => t.diagnostic(line),
  );
});

test('what the limits add to a sign-in with a cheap hash', async (t) => {
  const valkey = await startValkey();
  const off = base;
  const inMemory = await startTestService({ environment: { RATE_LIMIT: 'on' }, beside: off });
  const shared = await startTestService({
    environment: { RATE_LIMIT: 'on', VALKEY_URL: valkey.url },
    beside: off,
  });
  const { email, password } = await signUp(off);
  const signIn = async (at: TestService) => {
    const { status } = await call(at, '/api/v1/auth/login', { json: { email, password } });
    assert.equal(status, 200);
  };
  await compare(
    [
      { name: 'sign-in, limits off', times: 60, run: () => signIn(off) },
      { name: 'sign-in, limits in memory', times: 60, run: () => signIn(inMemory) },
      { name: 'sign-in, limits in Valkey', times: 60, run: () => signIn(shared) },
    ],
    (line) => t.diagnostic(line),
  );
});

test('how soon a revocation is felt on the other node', async (t) => {
  const valkey = await startValkey();
  const environment = { VALKEY_URL: valkey.url };
  const one = await startTestService({ environment, beside: base });
  const two = await startTestService({ environment, beside: one });
  const delays: number[] = [];
  for (let round = 0; round < 1_000; round += 1) {
    const person = await enter(one);
    const ask = async () => (await call(two, '/api/v1/access/me', { bearer: person.accessToken })).status;
    assert.equal(await ask(), 200);
    const done = await call(one, '/api/v1/auth/logout', {
      method: 'POST',
      bearer: person.accessToken,
      json: {},
    });
    assert.ok(done.status < 300);
    const startedAt = performance.now();
    while ((await ask()) !== 401) assert.ok(performance.now() - startedAt < 10_000);
    delays.push(performance.now() - startedAt);
  }
  const sorted = ordered(delays);
  const [middle, high, highest] = [0.5, 0.99, 1].map((share) => quantile(sorted, share).toFixed(1));
  t.diagnostic(
    `1000 revocations: refused elsewhere ${middle} ms after the answer in the median, P99 ${high}, at most ${highest}`,
  );
});
