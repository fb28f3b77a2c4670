import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Tier, tiers } from '@irontrack/contract/organizations.ts';
import { createMemoryCounters } from '../cache/memory-counters.ts';
import type { Organization } from '../http/key-guard.ts';
import { createTierLimits, tierLimitReached } from './tier-limits.ts';

const startMs = Date.parse('2026-01-31T09:30:00Z');

function setUp() {
  let nowMs = startMs;
  const clock = () => new Date(nowMs);
  const limits = createTierLimits(createMemoryCounters(clock), clock);
  return {
    limits,
    at: (milliseconds: number) => {
      nowMs = startMs + milliseconds;
    },
  };
}

function organization(tier: Tier, id = 'one'): Organization {
  const at = new Date(startMs);
  const none = { webhookUrl: '', isWebhookDisabled: false };
  return { id, name: 'Gym', tier, ...none, createdAt: at, updatedAt: at };
}

for (const [tier, { eventsPerMinute }] of Object.entries(tiers)) {
  test(`a ${tier} organization may send ${eventsPerMinute} events in a window, and not one more`, async () => {
    const { limits } = setUp();
    // parser: the keys of the table are the tiers.
    const sender = organization(tier as Tier);
    for (let count = 1; count <= eventsPerMinute; count += 1) {
      const taken = await limits.take(sender);
      assert.ok(taken.isGranted);
      assert.equal(taken.remaining, eventsPerMinute - count);
    }
    const refused = await limits.take(sender);
    assert.deepEqual(refused, {
      isGranted: false,
      limit: eventsPerMinute,
      remaining: 0,
      resetsAtMs: startMs + 60_000,
    });
  });
}

test('the 101st event is refused however slowly it comes, until the window is over', async () => {
  const { limits, at } = setUp();
  const free = organization('free');
  for (let count = 0; count < 100; count += 1) {
    at(count * 599);
    assert.ok((await limits.take(free)).isGranted);
  }
  at(59_999);
  assert.ok(!(await limits.take(free)).isGranted);
  at(60_000);
  const taken = await limits.take(free);
  assert.ok(taken.isGranted);
  assert.equal(taken.remaining, 99);
  assert.equal(taken.resetsAtMs, startMs + 120_000);
});

test('a window begins with its first event, not with the minute of the clock', async () => {
  const { limits, at } = setUp();
  const free = organization('free');
  at(30_000);
  assert.equal((await limits.allowanceOf(free)).resetsAtMs, startMs + 90_000);
  await limits.take(free);
  at(89_000);
  assert.equal((await limits.allowanceOf(free)).remaining, 99);
  at(90_000);
  assert.equal((await limits.allowanceOf(free)).remaining, 100);
});

test('asking what is left takes nothing', async () => {
  const { limits } = setUp();
  const free = organization('free');
  for (let count = 0; count < 200; count += 1) assert.equal((await limits.allowanceOf(free)).remaining, 100);
});

test('an event that is given back can be taken again, and no more than were taken', async () => {
  const { limits } = setUp();
  const free = organization('free');
  for (let count = 0; count < 100; count += 1) await limits.take(free);
  limits.giveBack(free);
  assert.ok((await limits.take(free)).isGranted);
  assert.ok(!(await limits.take(free)).isGranted);
  const other = organization('free', 'other');
  limits.giveBack(other);
  assert.equal((await limits.allowanceOf(other)).remaining, 100);
});

test('one organization does not use up what another may send', async () => {
  const { limits } = setUp();
  for (let count = 0; count < 101; count += 1) await limits.take(organization('free'));
  assert.ok((await limits.take(organization('free', 'other'))).isGranted);
});

test('a tier that is raised within the window counts what was sent already', async () => {
  const { limits } = setUp();
  for (let count = 0; count < 101; count += 1) await limits.take(organization('free'));
  assert.equal((await limits.take(organization('pro'))).remaining, 899);
  assert.equal((await limits.take(organization('free'))).remaining, 0);
});

test('a clock that is set back by an hour locks nobody out', async () => {
  const { limits, at } = setUp();
  const free = organization('free');
  for (let count = 0; count < 101; count += 1) await limits.take(free);
  at(-3_600_000);
  assert.ok((await limits.take(free)).isGranted);
});

test('a refusal says in how many whole seconds to come again', async () => {
  const { limits, at } = setUp();
  const free = organization('free');
  for (let count = 0; count < 100; count += 1) await limits.take(free);
  for (const [milliseconds, seconds] of [
    [0, '60'],
    [100, '60'],
    [59_100, '1'],
    [59_999, '1'],
  ] as const) {
    at(milliseconds);
    const problem = tierLimitReached(await limits.take(free), new Date(startMs + milliseconds));
    assert.equal(problem.code, 'event-limit-reached');
    assert.equal(problem.headers['retry-after'], seconds);
  }
});
