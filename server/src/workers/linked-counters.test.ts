import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declareCounterTests } from '../cache/counters.conformance.ts';
import { createMemoryCounters } from '../cache/memory-counters.ts';
import { Problem } from '../problem.ts';
import { type Endpoint, openLink } from './link.ts';
import { createCountingCalls, createLinkedCounters } from './linked-counters.ts';
import type { SupervisorCalls } from './messages.ts';

/** Two ends of one channel, in this process; what crosses it is JSON as between processes. */
function createChannel(onMessage: () => void): [Endpoint, Endpoint] {
  const listeners: ((message: unknown) => void)[][] = [[], []];
  const endOf = (own: number, other: number): Endpoint => ({
    send(message) {
      onMessage();
      const text = JSON.stringify(message);
      setImmediate(() => {
        for (const listener of listeners[other] ?? []) listener(JSON.parse(text));
      });
    },
    onMessage: (listener) => void listeners[own]?.push(listener),
  });
  return [endOf(0, 1), endOf(1, 0)];
}

/** A supervisor and two workers that count together. */
function setUp() {
  let nowMs = Date.parse('2026-01-31T09:30:00Z');
  let messages = 0;
  const counted = createMemoryCounters(() => new Date(nowMs));
  const open = () => {
    const [supervisor, worker] = createChannel(() => {
      messages += 1;
    });
    openLink(supervisor, { ...createCountingCalls(counted) });
    return createLinkedCounters(openLink<SupervisorCalls>(worker, {}), () => nowMs);
  };
  return {
    counters: open(),
    others: [open()],
    pass: async (milliseconds: number) => {
      nowMs += milliseconds;
    },
    messages: () => messages,
  };
}

declareCounterTests(async () => setUp());

test('a large limit is taken a hundredth at a time, never exceeded, and nearly all of it granted', async () => {
  const { counters, others, pass, messages } = setUp();
  const everybody = [counters, ...others];
  const claim = { limit: { name: 'event', points: 10_000, windowMs: 60_000 }, subject: 'an organization' };
  let granted = 0;
  for (let round = 0; round < 600; round += 1) {
    // Unevenly: one worker has ten times as many as the other.
    const counts = await Promise.all(
      Array.from({ length: 22 }, (_, index) => everybody[index % 11 === 0 ? 1 : 0]?.take(claim)),
    );
    granted += counts.filter((count) => count?.isGranted).length;
  }
  assert.ok(granted <= 10_000, `${granted}`);
  assert.ok(granted >= 9_800, `${granted}`);
  // A hundred leases, a question and an answer each, and refusals after them.
  const spent = messages();
  assert.ok(spent < 6_000, `${spent} messages`);
  await pass(60_001);
  assert.equal((await counters.take(claim)).isGranted, true);
});

test('points that are given back to a worker that took them ahead can be taken again', async () => {
  const { counters } = setUp();
  const claim = { limit: { name: 'event', points: 1_000, windowMs: 60_000 }, subject: 'an organization' };
  for (let taken = 0; taken < 1_000; taken += 1) assert.equal((await counters.take(claim)).isGranted, true);
  assert.equal((await counters.take(claim)).isGranted, false);
  await counters.giveBack([claim, claim]);
  assert.equal((await counters.take(claim)).isGranted, true);
  assert.equal((await counters.take(claim)).isGranted, true);
  assert.equal((await counters.take(claim)).isGranted, false);
});

test('while the supervisor does not answer whoever is to be counted is told to come back', async () => {
  const [, worker] = createChannel(() => undefined);
  const counters = createLinkedCounters(openLink<SupervisorCalls>(worker, {}), () => 0);
  const exact = { limit: { name: 'sign-in', points: 10, windowMs: 60_000 }, subject: 'somebody' };
  const leased = { ...exact, limit: { ...exact.limit, points: 1_000 } };
  const asked = [
    counters.take(exact),
    counters.take(leased),
    counters.takeEach([exact]),
    counters.read(exact),
  ];
  for (const outcome of await Promise.allSettled(asked)) {
    assert.ok(outcome.status === 'rejected' && outcome.reason instanceof Problem);
    assert.equal(outcome.reason.code, 'overloaded');
    assert.equal(outcome.reason.headers['retry-after'], '2');
  }
  await counters.giveBack([exact]);
});
