import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { watchForSilence } from './silence.ts';

test('who answers now and then is left alone, who does not at all is told of once', async () => {
  const told: number[] = [];
  let asked = 0;
  let answersEach = 3;
  const stop = watchForSilence({
    everyMs: 10,
    mostUnanswered: 3,
    ask: async () => {
      asked += 1;
      if (asked % answersEach !== 0) throw new Error('No answer.');
    },
    onSilent: (silentMs) => void told.push(silentMs),
  });
  while (asked < 20) await pause(10);
  assert.deepEqual(told, []);
  answersEach = Number.POSITIVE_INFINITY;
  while (told.length === 0) await pause(10);
  const last = asked;
  await pause(100);
  assert.deepEqual(told, [30]);
  assert.equal(asked, last, 'it is asked no more');
  stop();
});

test('a watch that was ended asks and tells nothing', async () => {
  let asked = 0;
  const stop = watchForSilence({
    everyMs: 10,
    mostUnanswered: 1,
    ask: async () => {
      asked += 1;
    },
    onSilent: () => assert.fail('it told of somebody who answers'),
  });
  while (asked < 2) await pause(10);
  stop();
  const last = asked;
  await pause(60);
  assert.equal(asked, last);
});
