import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { declareCounterTests } from '../../src/cache/counters.conformance.ts';
import type { Counters } from '../../src/cache/counters.ts';
import { createMemoryCounters } from '../../src/cache/memory-counters.ts';
import { createValkeyCounters } from '../../src/cache/valkey/counters.ts';
import type { ValkeyLink } from '../../src/cache/valkey/link.ts';
import { startValkey, valkeyIsMissing } from '../support/valkey.ts';
import { eventually, newNames, openLink } from './link.ts';

const pass = async (milliseconds: number) => {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
};

describe('counted in Valkey', { skip: valkeyIsMissing }, async () => {
  if (valkeyIsMissing !== false) return;
  const valkey = await startValkey();
  const names = newNames();
  const counted = { valkey: 0, process: 0 };
  const countersOf = (link: ValkeyLink): Counters =>
    createValkeyCounters({
      link,
      names: () => names,
      local: createMemoryCounters(() => new Date()),
      onCounted: (where) => {
        counted[where] += 1;
      },
    });
  const { link, reports } = await openLink(valkey.url, names);
  const { link: other } = await openLink(valkey.tcpUrl, names);
  assert.deepEqual([link.isUp, other.isUp], [true, true], JSON.stringify(reports));

  declareCounterTests(async () => {
    await eventually(() => link.isUp && other.isUp, 'both links are up');
    return { counters: countersOf(link), others: [countersOf(other)], pass };
  });

  test('all of that was counted in Valkey', () => {
    assert.ok(counted.valkey > 30);
    assert.equal(counted.process, 0);
  });

  test('every key expires, has the prefix of the installation and shows nothing of a person', async () => {
    const counters = countersOf(link);
    const limit = { name: 'sign-in:pair', points: 3, windowMs: 60_000 };
    await counters.take({ limit, subject: '203.0.113.7 bea@example.org' });
    const keys = (await valkey.cli('keys', '*')).split('\n');
    assert.ok(keys.length > 10);
    for (const key of keys) {
      assert.ok(key.startsWith(`${names.prefix}:count:`), key);
      assert.doesNotMatch(key, /bea|example|@|203\.0/);
      assert.ok(Number(await valkey.cli('pttl', key)) > 0, key);
    }
  });

  test('the scripts are sent again to a server that forgot them', async () => {
    const counters = countersOf(link);
    await valkey.cli('script', 'flush');
    const limit = { name: 'forgotten', points: 1, windowMs: 60_000 };
    const before = counted.process;
    assert.equal((await counters.take({ limit, subject: 'a' })).isGranted, true);
    assert.equal((await counters.take({ limit, subject: 'a' })).isGranted, false);
    assert.equal(counted.process, before);
  });

  test('while Valkey is away each process counts for itself, at once, and together again when it is back', async () => {
    const counters = countersOf(link);
    const second = countersOf(other);
    const limit = { name: 'away', points: 2, windowMs: 60_000 };
    const claim = { limit, subject: 'somebody' };
    await counters.take(claim);
    await second.take(claim);
    assert.equal((await counters.take(claim)).isGranted, false);
    await valkey.kill();
    await eventually(() => !link.isUp && !other.isUp, 'the loss is noticed');
    const startedAt = performance.now();
    for (const each of [counters, second]) {
      const granted = [await each.take(claim), await each.take(claim), await each.take(claim)];
      assert.deepEqual(
        granted.map(({ isGranted }) => isGranted),
        [true, true, false],
      );
      assert.equal((await each.read(claim)).used, 2);
      await each.giveBack([claim]);
      assert.equal((await each.takeEach([claim]))[0]?.isGranted, true);
    }
    assert.ok(performance.now() - startedAt < 3_000, 'nobody waited for it');
    await valkey.start();
    await eventually(() => link.isUp && other.isUp, 'both links are up again', 10_000);
    assert.equal((await counters.take(claim)).used, 1);
    assert.equal((await second.take(claim)).used, 2);
    assert.deepEqual(
      reports.map(({ isUp }) => isUp),
      [false, true],
      'told once each',
    );
  });

  test('a server that stands still is given up after half a second, and counted without', async () => {
    const counters = countersOf(link);
    const claim = { limit: { name: 'still', points: 5, windowMs: 60_000 }, subject: 'somebody' };
    assert.equal((await counters.take(claim)).used, 1);
    valkey.signal('SIGSTOP');
    try {
      const startedAt = performance.now();
      const counts = await Promise.all(Array.from({ length: 10 }, () => counters.take(claim)));
      const tookMs = performance.now() - startedAt;
      assert.equal(counts.filter(({ isGranted }) => isGranted).length, 5, 'this process begins at zero');
      assert.ok(tookMs < 5_000, `${tookMs} ms`);
      assert.equal(link.isUp, false);
    } finally {
      valkey.signal('SIGCONT');
    }
    await eventually(() => link.isUp && other.isUp, 'both links are up again', 10_000);
  });
});
