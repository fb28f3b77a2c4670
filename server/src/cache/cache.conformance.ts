/** What `cache.ts` promises, as tests that every implementation has to pass. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cache } from './cache.ts';
import type { Soon } from './counters.ts';

interface Entry {
  text: string;
}

/** A load that is under way until it is told how it ends, and knows when and how often it was asked for. */
function createLoad() {
  const { promise, resolve, reject } = Promise.withResolvers<Entry | undefined>();
  const { promise: started, resolve: start } = Promise.withResolvers<void>();
  const load = { calls: 0, started, resolve, reject, run: () => promise };
  load.run = () => {
    load.calls += 1;
    start();
    return promise;
  };
  return load;
}

const found = (text: string) => async () => ({ text });

async function unexpected(): Promise<Entry> {
  throw new Error('It was loaded although it should have been known.');
}

/** What every level of cache promises, also one that holds nothing in this process. */
export type CacheLevel = Pick<Cache<Entry>, 'read' | 'drop' | 'clear' | 'suspend' | 'resume'>;

/**
 * @param createLevel makes an empty level that is not suspended
 * @param settle waits until what was said to it so far is done
 */
export function declareLevelTests(
  createLevel: () => Soon<CacheLevel>,
  settle: (level: CacheLevel) => Promise<void>,
): void {
  test('what was read once is known without another load', async () => {
    const level = await createLevel();
    await level.read('a', found('one'));
    await settle(level);
    assert.deepEqual(await level.read('a', unexpected), { text: 'one' });
    assert.deepEqual(await level.read('b', found('two')), { text: 'two' });
  });

  for (const forget of ['drop', 'clear', 'resume'] as const) {
    test(`after a ${forget} the value is loaded anew`, async () => {
      const level = await createLevel();
      await level.read('a', found('old'));
      await settle(level);
      level[forget]('a');
      assert.deepEqual(await level.read('a', found('new')), { text: 'new' });
      await settle(level);
      level.drop('b');
      await settle(level);
      await level.read('a', found('new'));
      await settle(level);
      assert.deepEqual(await level.read('a', unexpected), { text: 'new' });
    });

    test(`what was being loaded at a ${forget} is answered and never known`, async () => {
      const level = await createLevel();
      const load = createLoad();
      const waiting = level.read('a', load.run);
      await load.started;
      level[forget]('a');
      load.resolve({ text: 'old' });
      assert.deepEqual(await waiting, { text: 'old' });
      await settle(level);
      assert.deepEqual(await level.read('a', found('new')), { text: 'new' });
    });
  }

  test('a missing value and an error are not kept', async () => {
    const level = await createLevel();
    assert.equal(await level.read('a', async () => undefined), undefined);
    await assert.rejects(
      level.read('a', async () => {
        throw new Error('the database is away');
      }),
      /the database is away/,
    );
    await settle(level);
    assert.deepEqual(await level.read('a', found('one')), { text: 'one' });
  });

  test('while it is suspended every read loads, and afterwards what was read before or meanwhile is forgotten', async () => {
    const level = await createLevel();
    await level.read('a', found('before'));
    await settle(level);
    level.suspend();
    assert.deepEqual(await level.read('a', found('during')), { text: 'during' });
    assert.deepEqual(await level.read('a', found('later')), { text: 'later' });
    const load = createLoad();
    const meanwhile = level.read('b', load.run);
    await load.started;
    level.resume();
    await settle(level);
    load.resolve({ text: 'meanwhile' });
    await meanwhile;
    await settle(level);
    assert.deepEqual(await level.read('a', found('after')), { text: 'after' });
    assert.deepEqual(await level.read('b', found('after')), { text: 'after' });
    await settle(level);
    assert.deepEqual(await level.read('a', unexpected), { text: 'after' });
  });
}

/** @param createCache makes an empty cache of at most `capacity` entries */
export function declareCacheTests(createCache: (capacity: number) => Soon<Cache<Entry>>): void {
  test('a cache that was asked for nothing knows nothing', async () => {
    const cache = await createCache(10);
    assert.equal(cache.peek('a'), undefined);
    assert.equal(cache.size, 0);
  });

  test('a value that was read once is known without another load', async () => {
    const cache = await createCache(10);
    const first = await cache.read('a', found('one'));
    assert.deepEqual(first, { text: 'one' });
    assert.equal(await cache.read('a', unexpected), first);
    assert.equal(cache.peek('a'), first);
    assert.equal(cache.peek('b'), undefined);
    assert.equal(cache.size, 1);
  });

  test('callers that miss at the same time share one load', async () => {
    const cache = await createCache(10);
    const load = createLoad();
    const readers = Array.from({ length: 20 }, () => cache.read('a', load.run));
    assert.equal(cache.peek('a'), undefined);
    await load.started;
    load.resolve({ text: 'one' });
    const values = await Promise.all(readers);
    assert.equal(load.calls, 1);
    assert.equal(new Set(values).size, 1);
    assert.deepEqual(values[0], { text: 'one' });
  });

  test('loads of different keys do not wait for each other', async () => {
    const cache = await createCache(10);
    const load = createLoad();
    const slow = cache.read('a', load.run);
    assert.deepEqual(await cache.read('b', found('two')), { text: 'two' });
    load.resolve({ text: 'one' });
    assert.deepEqual(await slow, { text: 'one' });
  });

  test('a dropped value is loaded anew, and only that one', async () => {
    const cache = await createCache(10);
    await cache.read('a', found('old'));
    await cache.read('b', found('other'));
    cache.drop('a');
    assert.equal(cache.peek('a'), undefined);
    assert.deepEqual(cache.peek('b'), { text: 'other' });
    assert.deepEqual(await cache.read('a', found('new')), { text: 'new' });
  });

  test('dropping what is not there does nothing', async () => {
    const cache = await createCache(10);
    cache.drop('a');
    cache.clear();
    assert.equal(cache.size, 0);
  });

  for (const forget of ['drop', 'clear', 'suspend', 'resume'] as const) {
    test(`what was being loaded at a ${forget} is answered to those who waited and not kept`, async () => {
      const cache = await createCache(10);
      const load = createLoad();
      const waiting = cache.read('a', load.run);
      await load.started;
      cache[forget]('a');
      load.resolve({ text: 'old' });
      assert.deepEqual(await waiting, { text: 'old' });
      assert.equal(cache.peek('a'), undefined);
      assert.equal(cache.size, 0);
    });

    test(`a caller that comes after a ${forget} does not get what was being loaded before it`, async () => {
      const cache = await createCache(10);
      const before = createLoad();
      const after = createLoad();
      const early = cache.read('a', before.run);
      await before.started;
      cache[forget]('a');
      const late = cache.read('a', after.run);
      await after.started;
      after.resolve({ text: 'new' });
      assert.deepEqual(await late, { text: 'new' });
      before.resolve({ text: 'old' });
      assert.deepEqual(await early, { text: 'old' });
      assert.notDeepEqual(cache.peek('a'), { text: 'old' });
    });
  }

  test('an old load that fails late does not disturb the load that took its place', async () => {
    const cache = await createCache(10);
    const before = createLoad();
    const after = createLoad();
    const early = cache.read('a', before.run);
    await before.started;
    cache.drop('a');
    const late = cache.read('a', after.run);
    await after.started;
    before.reject(new Error('too late'));
    await assert.rejects(early, /too late/);
    const joined = cache.read('a', unexpected);
    after.resolve({ text: 'new' });
    assert.deepEqual(await Promise.all([late, joined]), [{ text: 'new' }, { text: 'new' }]);
    assert.deepEqual(cache.peek('a'), { text: 'new' });
  });

  test('a missing value is not kept', async () => {
    const cache = await createCache(10);
    assert.equal(await cache.read('a', async () => undefined), undefined);
    assert.equal(cache.size, 0);
    assert.deepEqual(await cache.read('a', found('one')), { text: 'one' });
  });

  test('an error is told to everybody who waited, and not kept', async () => {
    const cache = await createCache(10);
    const load = createLoad();
    const readers = [cache.read('a', load.run), cache.read('a', load.run)];
    await load.started;
    load.reject(new Error('the database is away'));
    for (const outcome of await Promise.allSettled(readers)) {
      assert.equal(outcome.status, 'rejected');
      assert.match(String(outcome.reason), /the database is away/);
    }
    assert.equal(load.calls, 1);
    assert.equal(cache.size, 0);
    assert.deepEqual(await cache.read('a', found('one')), { text: 'one' });
  });

  test('clear forgets everything', async () => {
    const cache = await createCache(10);
    await cache.read('a', found('one'));
    await cache.read('b', found('two'));
    cache.clear();
    assert.equal(cache.size, 0);
    assert.equal(cache.peek('a'), undefined);
    assert.deepEqual(await cache.read('b', found('new')), { text: 'new' });
  });

  test('while it is suspended nothing is kept or shared', async () => {
    const cache = await createCache(10);
    await cache.read('a', found('before'));
    cache.suspend();
    assert.equal(cache.peek('a'), undefined);
    const load = createLoad();
    const readers = [cache.read('a', load.run), cache.read('a', load.run)];
    assert.equal(load.calls, 2);
    load.resolve({ text: 'during' });
    assert.deepEqual(await Promise.all(readers), [{ text: 'during' }, { text: 'during' }]);
    assert.equal(cache.peek('a'), undefined);
    assert.equal(cache.size, 0);
  });

  test('after it is resumed it keeps again, and nothing of what was read before or meanwhile', async () => {
    const cache = await createCache(10);
    await cache.read('a', found('before'));
    cache.suspend();
    const load = createLoad();
    const meanwhile = cache.read('a', load.run);
    cache.resume();
    load.resolve({ text: 'meanwhile' });
    await meanwhile;
    assert.equal(cache.peek('a'), undefined);
    assert.deepEqual(await cache.read('a', found('after')), { text: 'after' });
    assert.deepEqual(cache.peek('a'), { text: 'after' });
  });

  test('it holds no more than its capacity, and what was used last stays', async () => {
    const cache = await createCache(3);
    for (const key of ['a', 'b', 'c']) await cache.read(key, found(key));
    assert.deepEqual(cache.peek('a'), { text: 'a' });
    for (const key of ['d', 'e']) {
      await cache.read(key, found(key));
      assert.equal(cache.size, 3);
    }
    assert.deepEqual(cache.peek('a'), { text: 'a' });
    assert.equal(cache.peek('b'), undefined);
    for (let index = 0; index < 1_000; index += 1) await cache.read(`key ${index}`, found('x'));
    assert.equal(cache.size, 3);
  });

  test('it counts what it knew and what it had to load', async () => {
    const cache = await createCache(10);
    await cache.read('a', found('one'));
    await cache.read('a', unexpected);
    cache.peek('a');
    assert.deepEqual({ ...cache.counts }, { hits: 2, misses: 1 });
  });
}
