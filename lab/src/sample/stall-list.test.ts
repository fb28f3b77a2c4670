import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countRequestsHurt, listStalls, shareBlocked } from './stall-list.ts';

test('only gaps of 20 ms and more are stalls, in the order of time, each with its stack', () => {
  const stalls = listStalls([
    { startS: 2, lengthMs: 20 },
    { startS: 1, lengthMs: 100, stack: ['burn (a.ts:1)'] },
    { startS: 3, lengthMs: 19.9 },
  ]);
  assert.deepEqual(stalls, [
    { startS: 1, lengthMs: 100, requestsHurt: null, stack: ['burn (a.ts:1)'] },
    { startS: 2, lengthMs: 20, requestsHurt: null, stack: [] },
  ]);
});

test('a request is hurt when it was under way or due in the stall, not before and not after', () => {
  const requests = [
    { dueS: 0.5, doneS: 0.99 },
    { dueS: 0.98, doneS: 1.15 },
    { dueS: 1.05, doneS: 1.11 },
    { dueS: 1.2, doneS: 1.21 },
  ];
  assert.equal(countRequestsHurt({ startS: 1, lengthMs: 100 }, { kind: 'requests', requests }), 2);
});

test('from seconds it is the requests due in the stall, also across the edge of a second', () => {
  const series = [
    { second: 0, due: 1000 },
    { second: 1, due: 500 },
  ];
  assert.equal(countRequestsHurt({ startS: 0.9, lengthMs: 200 }, { kind: 'seconds', series }), 150);
  assert.equal(countRequestsHurt({ startS: 5, lengthMs: 200 }, { kind: 'seconds', series }), 0);
});

test('the share blocked counts stalls only', () => {
  const gaps = [
    { startS: 0, lengthMs: 100 },
    { startS: 1, lengthMs: 10 },
  ];
  assert.equal(shareBlocked(gaps, 2), 0.05);
  assert.equal(shareBlocked(gaps, 0), 0);
});
