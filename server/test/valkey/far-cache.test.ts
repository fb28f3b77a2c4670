import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { declareCacheTests, declareLevelTests } from '../../src/cache/cache.conformance.ts';
import { createMemoryCache } from '../../src/cache/memory-cache.ts';
import { createMemoryCounters } from '../../src/cache/memory-counters.ts';
import { createTieredCache } from '../../src/cache/tiered-cache.ts';
import { createValkeyCounters } from '../../src/cache/valkey/counters.ts';
import { createFarCache } from '../../src/cache/valkey/far-cache.ts';
import type { ValkeyLink } from '../../src/cache/valkey/link.ts';
import type { ValkeyNames } from '../../src/cache/valkey/names.ts';
import { examplesIn, readDocument, sectionOf } from '../docs/document.ts';
import { startValkey, type TestValkey, valkeyIsMissing } from '../support/valkey.ts';
import { eventually, newNames, openLink } from './link.ts';

interface Entry {
  text: string;
}

const roundTrip = async (link: ValkeyLink) => void (await link.run(['PING']));

async function openFar(link: ValkeyLink, names: ValkeyNames) {
  const far = createFarCache<Entry>('test', { link, names: () => names, version: '1.2.3', randomBytes });
  far.resume();
  await roundTrip(link);
  return far;
}

const found = (text: string) => async () => ({ text });
async function unexpected(): Promise<Entry> {
  throw new Error('It was loaded although it should have been known.');
}

describe('the level in Valkey alone', { skip: valkeyIsMissing }, async () => {
  if (valkeyIsMissing !== false) return;
  const valkey = await startValkey();
  const { link } = await openLink(valkey.url, newNames());
  declareLevelTests(
    () => openFar(link, newNames()),
    () => roundTrip(link),
  );
});

describe('both levels together', { skip: valkeyIsMissing }, async () => {
  if (valkeyIsMissing !== false) return;
  const valkey = await startValkey();
  const { link } = await openLink(valkey.url, newNames());
  const openTiered = async (capacity: number) =>
    createTieredCache(createMemoryCache<Entry>('test', capacity), await openFar(link, newNames()));
  declareCacheTests(openTiered);
  declareLevelTests(
    () => openTiered(10),
    () => roundTrip(link),
  );
});

describe('a level that two nodes share', { skip: valkeyIsMissing }, async () => {
  if (valkeyIsMissing !== false) return;
  const valkey = await startValkey();
  const { link: linkOfOne, reports } = await openLink(valkey.url, newNames());
  const { link: linkOfTwo } = await openLink(valkey.tcpUrl, newNames());
  const links = [linkOfOne, linkOfTwo];
  const settle = async () => void (await Promise.all(links.map(roundTrip)));

  async function openNodes() {
    const names = newNames();
    const farOfOne = await openFar(linkOfOne, names);
    const farOfTwo = await openFar(linkOfTwo, names);
    const one = createTieredCache(createMemoryCache<Entry>('test', 100), farOfOne);
    const two = createTieredCache(createMemoryCache<Entry>('test', 100), farOfTwo);
    return { names, one, two, farOfOne, farOfTwo };
  }

  test('what one has loaded the other need not', async () => {
    const { one, two, farOfTwo } = await openNodes();
    await one.read('a', found('one'));
    await settle();
    assert.deepEqual(await two.read('a', unexpected), { text: 'one' });
    assert.deepEqual({ ...farOfTwo.counts }, { hits: 1, misses: 0 });
    assert.deepEqual(two.peek('a'), { text: 'one' });
  });

  test('what one drops leaves the memory of the other by itself, whoever had loaded it', async () => {
    assert.ok(linkOfTwo.isTracking, 'this server tells');
    const { one, two } = await openNodes();
    for (const [first, second] of [
      [one, two],
      [two, one],
    ] as const) {
      await first.read('a', found('old'));
      await settle();
      await second.read('a', unexpected);
      assert.ok(one.peek('a') !== undefined && two.peek('a') !== undefined);
      second.drop('a');
      await eventually(() => first.peek('a') === undefined, 'the one that loaded it forgets');
      await first.read('a', found('new'));
      await settle();
      await second.read('a', unexpected);
      first.drop('a');
      await eventually(() => second.peek('a') === undefined, 'the one that looked it up forgets');
    }
  });

  test('a reader with the row of before a change cannot store it after the change was announced', async () => {
    const { one, two } = await openNodes();
    const { promise, resolve } = Promise.withResolvers<Entry>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const slow = one.read('a', () => {
      ask();
      return promise;
    });
    await asked;
    // Committed and announced by the other, whose news has not reached this one yet.
    two.drop('a');
    await settle();
    resolve({ text: 'of before' });
    assert.deepEqual(await slow, { text: 'of before' });
    await settle();
    assert.deepEqual(await two.read('a', found('of after')), { text: 'of after' });
  });

  test('a reader that comes late does not overwrite what was stored after the change', async () => {
    const { one, two } = await openNodes();
    const { promise, resolve } = Promise.withResolvers<Entry>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const slow = one.read('a', () => {
      ask();
      return promise;
    });
    await asked;
    two.drop('a');
    await two.read('a', found('of after'));
    await settle();
    resolve({ text: 'of before' });
    await slow;
    await settle();
    // The slow one's own memory hears of the change by PostgreSQL; what is shared is what was stored after it.
    one.drop('b');
    assert.equal((await two.read('a', unexpected))?.text, 'of after');
    const third = await openFar(linkOfOne, newNames());
    assert.equal((await third.read('a', found('of nobody')))?.text, 'of nobody', 'installations do not meet');
  });

  test('a node that could not hear of changes takes nothing from before', async () => {
    const { one, two } = await openNodes();
    await one.read('a', found('of before'));
    await settle();
    two.suspend();
    // Changed meanwhile, and nobody dropped it: the node that did was cut off as well.
    two.resume();
    await settle();
    assert.deepEqual(await two.read('a', found('of after')), { text: 'of after' });
  });

  test('emptying Valkey by hand empties the memory of both', async () => {
    const { one, two } = await openNodes();
    await one.read('a', found('old'));
    await settle();
    await two.read('a', unexpected);
    await valkey.cli('flushall');
    await eventually(() => one.peek('a') === undefined && two.peek('a') === undefined, 'both forget');
    assert.deepEqual(await one.read('a', found('new')), { text: 'new' });
    await settle();
    assert.deepEqual(await two.read('a', unexpected), { text: 'new' });
  });

  test('fifty thousand drops at once are no reason to lose the link', async () => {
    const { one, two } = await openNodes();
    await two.read('key 49999', found('old'));
    const losses = linkOfOne.losses;
    for (let index = 0; index < 50_000; index += 1) one.drop(`key ${index}`);
    assert.deepEqual(await one.read('key 49999', found('new')), { text: 'new' });
    assert.equal(linkOfOne.losses, losses);
    await eventually(() => two.peek('key 49999') === undefined, 'the other has heard of the last');
  });

  test('what lies in Valkey tells nothing of it, and what others put there is not believed', async () => {
    const { names, one, farOfTwo } = await openNodes();
    await one.read('secret@example.org', found('secret@example.org'));
    await one.read('b', found('another'));
    await settle();
    const prefix = `${names.prefix}:1.2.3:test:`;
    const [stored, another] = await Promise.all(
      ['secret@example.org', 'b'].map((key) => valkey.cli('get', prefix + key)),
    );
    assert.ok(stored !== undefined && another !== undefined && stored.startsWith('V'));
    assert.doesNotMatch(stored, /secret|example/);
    // A value of another key, in the right epoch; one that was altered; nonsense; a number.
    const altered = stored.slice(0, -8) + (stored.endsWith('AAAA====') ? 'BBBBBBBB' : 'AAAAAAA=');
    const epoch = stored.slice(1, stored.indexOf(' '));
    for (const forged of [stored, altered, `V${epoch} `, `V${epoch} {"text":"forged"}`, '7']) {
      await valkey.cli('set', `${prefix}b`, forged);
      assert.deepEqual(await farOfTwo.read('b', found('from the database')), { text: 'from the database' });
    }
    assert.ok(Number(await valkey.cli('pttl', `${prefix}secret@example.org`)) > 0);
  });

  test('a lost link empties the memory at once, and what was stored through it is not read again', async () => {
    const { one, two } = await openNodes();
    await one.read('a', found('old'));
    await settle();
    await two.read('a', unexpected);
    await killConnections(valkey);
    await eventually(() => one.peek('a') === undefined && two.peek('a') === undefined, 'both forget');
    await eventually(() => linkOfOne.isUp && linkOfTwo.isUp, 'both links are up again');
    await settle();
    assert.deepEqual(await one.read('a', found('new')), { text: 'new' });
    assert.deepEqual(await two.read('a', found('new')), { text: 'new' });
  });

  test('while Valkey is away or stands still, reads load, at most half a second late', async () => {
    const { one, two } = await openNodes();
    for (const end of ['SIGSTOP', 'SIGKILL'] as const) {
      await eventually(() => linkOfOne.isUp && linkOfTwo.isUp, 'both links are up');
      await settle();
      if (end === 'SIGKILL') await valkey.kill();
      else valkey.signal(end);
      const startedAt = performance.now();
      for (const node of [one, two]) {
        node.drop('a');
        assert.deepEqual(await node.read('a', found(end)), { text: end });
        node.drop('a');
        assert.deepEqual(await node.read('a', found(`${end} again`)), { text: `${end} again` });
      }
      assert.ok(performance.now() - startedAt < 8_000);
      if (end === 'SIGKILL') await valkey.start();
      else valkey.signal('SIGCONT');
    }
    await eventually(() => linkOfOne.isUp && linkOfTwo.isUp, 'both links are up again');
    assert.deepEqual(
      reports.map(({ isUp }) => isUp),
      reports.map((_, index) => index % 2 === 1),
      'each loss and each return is told once',
    );
  });
});

async function killConnections(valkey: TestValkey): Promise<void> {
  await valkey.cli('client', 'kill', 'type', 'normal', 'skipme', 'yes');
  await valkey.cli('client', 'kill', 'type', 'pubsub', 'skipme', 'yes');
}

describe('a server that grants us no more than it must', { skip: valkeyIsMissing }, async () => {
  if (valkeyIsMissing !== false) return;
  const [rule = ''] = examplesIn(sectionOf(readDocument('docs/operations.md'), 'Valkey'), '');
  const words = rule.trim().split(/\s+/);

  for (const [what, refused] of [
    ['all that docs/operations.md lists', ''],
    ['all but CLIENT TRACKING', '+client|tracking'],
  ] as const) {
    test(`a user who may do ${what} is enough`, async () => {
      const valkey = await startValkey();
      assert.equal(await valkey.cli(...words.filter((word) => word !== refused)), 'OK');
      const names = newNames();
      const url = valkey.url.replace('unix://', 'unix://irontrack:a-long-password@');
      const { link, reports } = await openLink(`${url}?db=2`, names);
      assert.deepEqual([link.isUp, link.isTracking], [true, refused === ''], JSON.stringify(reports));
      const far = await openFar(link, names);
      await far.read('a', found('one'));
      await roundTrip(link);
      assert.deepEqual(await far.read('a', unexpected), { text: 'one' });
      far.drop('a');
      assert.deepEqual(await far.read('a', found('two')), { text: 'two' });
      const counters = createValkeyCounters({
        link,
        names: () => names,
        local: createMemoryCounters(() => new Date()),
        onCounted: (where) => assert.equal(where, 'valkey'),
      });
      const claim = { limit: { name: 'one', points: 1, windowMs: 60_000 }, subject: 'somebody' };
      assert.deepEqual((await counters.takeEach([claim]))[0]?.isGranted, true);
      await counters.giveBack([claim]);
      assert.equal((await counters.take(claim)).used, 1);
      assert.equal(await link.run(['PUBLISH', `${names.prefix}:news`, 'x']), 1);
      await assert.rejects(link.run(['FLUSHALL']), /NOPERM|did not answer/);
    });
  }
});
