import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnectionGate, NoConnectionFree } from './connection-gate.ts';

const now = () => performance.now();

test('as many as there are connections go in at once, the others in order as places become free', async () => {
  const waits: number[] = [];
  const gate = createConnectionGate({
    places: 2,
    mostWaiting: 10,
    maxWaitMs: 60_000,
    now,
    onWait: (waitMs) => void waits.push(waitMs),
  });
  assert.equal(gate.enter(1), undefined);
  assert.equal(gate.enter(1), undefined);
  const order: string[] = [];
  const third = gate.enter(1)?.then(() => order.push('third'));
  const fourth = gate.enter(1)?.then(() => order.push('fourth'));
  assert.deepEqual([gate.running, gate.waiting], [2, 2]);
  gate.leave(1);
  await third;
  assert.deepEqual([gate.running, gate.waiting], [2, 1]);
  gate.leave(1);
  await fourth;
  assert.deepEqual(order, ['third', 'fourth']);
  gate.leave(1);
  gate.leave(1);
  assert.deepEqual([gate.running, gate.waiting, gate.oldestWaitMs], [0, 0, 0]);
  assert.equal(waits.length, 2);
});

test('who needs more places than are free is not passed by those who need fewer', async () => {
  const gate = createConnectionGate({ places: 4, mostWaiting: 10, maxWaitMs: 60_000, now });
  assert.equal(gate.enter(1), undefined);
  const order: string[] = [];
  const large = gate.enter(4)?.then(() => order.push('large'));
  const small = gate.enter(1)?.then(() => order.push('small'));
  assert.deepEqual([gate.running, gate.waiting], [1, 2]);
  gate.leave(1);
  await large;
  assert.deepEqual([gate.running, gate.waiting], [1, 1]);
  gate.leave(4);
  await small;
  assert.deepEqual(order, ['large', 'small']);
});

test('one more than may wait is refused at once', () => {
  const gate = createConnectionGate({ places: 1, mostWaiting: 1, maxWaitMs: 60_000, now });
  assert.equal(gate.enter(1), undefined);
  gate.enter(1)?.catch(() => undefined);
  assert.throws(() => gate.enter(1), NoConnectionFree);
  assert.equal(gate.waiting, 1);
});

test('who has waited too long is refused and leaves the queue; who came later has his own time', async () => {
  const gate = createConnectionGate({ places: 1, mostWaiting: 10, maxWaitMs: 1500, now });
  assert.equal(gate.enter(1), undefined);
  const beganAt = now();
  const early = gate.enter(1);
  early?.catch(() => undefined);
  await sleep(200);
  const late = gate.enter(1);
  late?.catch(() => undefined);
  assert.ok(gate.oldestWaitMs >= 150);
  await assert.rejects(early ?? Promise.resolve(), NoConnectionFree);
  assert.ok(now() - beganAt >= 1490);
  await assert.rejects(late ?? Promise.resolve(), (error: unknown) => {
    assert.ok(error instanceof NoConnectionFree);
    assert.ok(error.waitedMs >= 1490, `${error.waitedMs}`);
    return true;
  });
  assert.equal(gate.waiting, 0);
  gate.leave(1);
  assert.equal(gate.enter(1), undefined);
});

test('when everybody is refused nobody waits any longer', async () => {
  const gate = createConnectionGate({ places: 1, mostWaiting: 10, maxWaitMs: 60_000, now });
  assert.equal(gate.enter(1), undefined);
  const waiting = [gate.enter(1), gate.enter(1)];
  gate.refuseAll(new Error('gone'));
  for (const each of waiting) await assert.rejects(each ?? Promise.resolve(), /gone/);
  assert.equal(gate.waiting, 0);
  gate.leave(1);
  assert.equal(gate.running, 0);
});
