import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdmission, nextLevel, watchDatabase, watchEventLoop } from './admission.ts';

test('the costly are refused from half of a limit on, the normal from three quarters, the cheap from four times', () => {
  assert.deepEqual(
    [0, 0.49, 0.5, 0.74, 0.75, 3.99, 4, 100].map((pressure) => nextLevel(0, pressure)),
    [0, 0, 1, 1, 2, 2, 3, 3],
  );
});

test('a class is let in again when the pressure is below half of what had it refused, one class at a look', () => {
  assert.equal(nextLevel(1, 0.3), 1);
  assert.equal(nextLevel(1, 0.25), 1);
  assert.equal(nextLevel(1, 0.24), 0);
  assert.equal(nextLevel(3, 2), 3);
  assert.equal(nextLevel(3, 1.9), 2);
  assert.equal(nextLevel(3, 0), 2);
  assert.equal(nextLevel(2, 4), 3);
});

test('pressure counts once it lasts for two looks, and what is under way is told with its reason', async (t) => {
  let share = 0;
  const said: (string | undefined)[] = [];
  const admission = createAdmission({
    pressures: [
      { name: 'event-loop', read: () => 0 },
      { name: 'database', read: () => share },
    ],
    refusePassword: () => undefined,
    onRefused: () => assert.fail('nobody asked'),
    onChange: (reason) => void said.push(reason),
  });
  admission.start();
  t.after(admission.stop);
  const letIn = () => (['password', 'costly', 'normal', 'cheap', 'exempt'] as const).map(admission.admits);
  const reaches = async (level: number) => {
    while (admission.level !== level) await sleep(10);
  };
  assert.deepEqual(letIn(), [true, true, true, true, true]);
  share = 0.6;
  await reaches(1);
  assert.deepEqual(letIn(), [false, false, true, true, true]);
  share = 5;
  await reaches(3);
  assert.deepEqual(letIn(), [false, false, false, false, true]);
  share = 0;
  await reaches(0);
  assert.deepEqual(letIn(), [true, true, true, true, true]);
  assert.deepEqual(said, ['database', undefined]);
});

test('one long pause is no pressure', async (t) => {
  const readings = [0, 50, 0, 50, 0];
  const admission = createAdmission({
    pressures: [{ name: 'event-loop', read: () => readings.shift() ?? 0 }],
    refusePassword: () => undefined,
    onRefused: () => undefined,
    onChange: () => assert.fail('it was taken for pressure'),
  });
  admission.start();
  t.after(admission.stop);
  while (readings.length > 0) await sleep(10);

  assert.equal(admission.admits('costly'), true);
});

test('the event loop is late by the time beyond the look, and never when it is turned off', () => {
  let nowMs = 0;
  let workedMs = 0;
  const watch = (maxDelayMs: number) =>
    watchEventLoop(
      maxDelayMs,
      () => nowMs,
      () => workedMs,
    );
  const watched = watch(1000);
  const unwatched = watch(0);
  nowMs = 100;
  workedMs = 100;
  assert.equal(watched.read(), 0);
  nowMs = 700;
  workedMs = 400;
  assert.equal(watched.read(), 0.5);
  assert.equal(unwatched.read(), 0);
});

test('an event loop that others keep from working is not taken for one that has too much to do', () => {
  let nowMs = 0;
  let workedMs = 0;
  const watched = watchEventLoop(
    1000,
    () => nowMs,
    () => workedMs,
  );
  nowMs = 2100;
  workedMs = 20;
  assert.equal(watched.read(), 0.08);
});

test('a database queue is as full as its number or its time says, whichever is more', () => {
  const load = { waiting: 0, oldestWaitMs: 0 };
  const pressure = watchDatabase({ mostWaiting: 100, maxWaitMs: 1000 }, () => [load]);
  assert.equal(pressure.read(), 0);
  load.waiting = 60;
  load.oldestWaitMs = 200;
  assert.equal(pressure.read(), 0.6);
  load.oldestWaitMs = 900;
  assert.equal(pressure.read(), 0.9);
});
