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
  assert.equal(gate.enter(), undefined);
  assert.equal(gate.enter(), undefined);
  const order: string[] = [];
  const third = gate.enter()?.then(() => order.push('third'));
  const fourth = gate.enter()?.then(() => order.push('fourth'));
  assert.deepEqual([gate.running, gate.waiting], [2, 2]);
  gate.leave();
  await third;
  assert.deepEqual([gate.running, gate.waiting], [2, 1]);
  gate.leave();
  await fourth;
  assert.deepEqual(order, ['third', 'fourth']);
  gate.leave();
  gate.leave();
  assert.deepEqual([gate.running, gate.waiting, gate.oldestWaitMs], [0, 0, 0]);
  assert.equal(waits.length, 2);
});

test('one more than may wait is refused at once', () => {
  const gate = createConnectionGate({ places: 1, mostWaiting: 1, maxWaitMs: 60_000, now });
  assert.equal(gate.enter(), undefined);
  gate.enter()?.catch(() => undefined);
  assert.throws(() => gate.enter(), NoConnectionFree);
  assert.equal(gate.waiting, 1);
});

test('who has waited too long is refused and leaves the queue; who came later has his own time', async () => {
  const gate = createConnectionGate({ places: 1, mostWaiting: 10, maxWaitMs: 1500, now });
  assert.equal(gate.enter(), undefined);
  const beganAt = now();
  const early = gate.enter();
  early?.catch(() => undefined);
  await sleep(200);
  const late = gate.enter();
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
  gate.leave();
  assert.equal(gate.enter(), undefined);
});

test('when everybody is refused nobody waits any longer', async () => {
  const gate = createConnectionGate({ places: 1, mostWaiting: 10, maxWaitMs: 60_000, now });
  assert.equal(gate.enter(), undefined);
  const waiting = [gate.enter(), gate.enter()];
  gate.refuseAll(new Error('gone'));
  for (const each of waiting) await assert.rejects(each ?? Promise.resolve(), /gone/);
  assert.equal(gate.waiting, 0);
  gate.leave();
  assert.equal(gate.running, 0);
});
