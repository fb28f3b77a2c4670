import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declareCounterTests } from './counters.conformance.ts';
import { createMemoryCounters } from './memory-counters.ts';

function setUp() {
  let nowMs = Date.parse('2026-01-31T09:30:00Z');
  const counters = createMemoryCounters(() => new Date(nowMs));
  return {
    counters,
    others: [],
    pass: async (milliseconds: number) => {
      nowMs += milliseconds;
    },
  };
}

declareCounterTests(async () => setUp());

const limit = { name: 'sign-in', points: 1, windowMs: 60_000 };

test('what is counted in this process is known at once', () => {
  const { counters } = setUp();
  const claim = { limit, subject: 'somebody' };
  assert.deepEqual(counters.take(claim), { isGranted: true, used: 1, endsInMs: 60_000 });
  assert.deepEqual(counters.takeEach([claim]), [{ isGranted: false, used: 1, endsInMs: 60_000 }]);
});

test('a clock that is set back by an hour locks nobody out', async () => {
  const { counters, pass } = setUp();
  const claim = { limit, subject: 'somebody' };
  counters.take(claim);
  await pass(-3_600_000);
  assert.ok(counters.take(claim).isGranted);
});

test('windows that are over do not pile up', async () => {
  const { counters, pass } = setUp();
  for (let minute = 0; minute < 10; minute += 1) {
    for (let index = 0; index < 1_000; index += 1) counters.take({ limit, subject: `${minute} ${index}` });
    await pass(60_000);
  }
  assert.ok(counters.size <= 2_000, `${counters.size}`);
});

test('a window that is begun anew is the last of its limit to be given up, wherever its predecessor stood', async () => {
  let nowMs = Date.parse('2026-01-31T09:30:00Z');
  const counters = createMemoryCounters(() => new Date(nowMs), 3);
  const take = (subject: string) => counters.take({ limit, subject }).isGranted;
  for (const subject of ['x', 'y', 'again']) take(subject);
  nowMs += limit.windowMs;
  for (const subject of ['again', 'b', 'c']) assert.ok(take(subject));
  assert.equal(counters.size, 3);
  assert.equal(take('again'), false);
  assert.ok(take('d'));
  assert.equal(counters.size, 3);
  assert.equal(take('b'), false);
  assert.ok(take('again'));
});

test('a limit holds so many windows and no more: the one that began first is given up', () => {
  const counters = createMemoryCounters(() => new Date('2026-01-31T09:30:00Z'), 1_000);
  const other = { limit: { ...limit, name: 'refresh' }, subject: 'somebody' };
  counters.take(other);
  for (let index = 0; index < 5_000; index += 1) counters.take({ limit, subject: `${index}` });
  assert.equal(counters.size, 1_001);
  assert.equal(counters.take({ limit, subject: '4999' }).isGranted, false);
  assert.equal(counters.take({ limit, subject: '4000' }).isGranted, false);
  assert.equal(counters.read({ limit, subject: '3999' }).used, 0);
  assert.equal(counters.take(other).isGranted, false, 'other limits keep theirs');
});
