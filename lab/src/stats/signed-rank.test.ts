import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapMedian } from './bootstrap.ts';
import { signedRankInterval } from './signed-rank.ts';

test('The interval is the one of the published table: ten values at 95 % leave out eight means at each end', () => {
  // Hollander and Wolfe, table A.4: P(T+ <= 8) = 0.024 for n = 10, so means 9 and 47 of 55 are the ends.
  const values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const means = values.flatMap((left, index) => values.slice(index).map((right) => (left + right) / 2));
  means.sort((left, right) => left - right);
  const interval = signedRankInterval(values, 0.05);
  assert.equal(interval.low, means[8]);
  assert.equal(interval.high, means[46]);
  assert.equal(interval.estimate, 5.5);
});

test('Too few values give no interval rather than one that claims too much', () => {
  assert.equal(signedRankInterval([1, 2, 3], 0.01).low, Number.NEGATIVE_INFINITY);
  assert.ok(Number.isFinite(signedRankInterval([1, 2, 3, 4, 5, 6, 7, 8], 0.01).low));
});

test('One value that is nonsense moves the estimate little', () => {
  const sane = [0.09, 0.1, 0.11, 0.1, 0.09, 0.1, 0.11, 0.1, 0.1, 0.1];
  const { estimate } = signedRankInterval([...sane.slice(1), 50], 0.01);
  assert.ok(Math.abs(estimate - 0.1) < 0.01);
});

test('The bootstrap is repeatable and its interval holds the median', () => {
  const values = [5, 1, 4, 2, 3, 9, 7];
  const first = bootstrapMedian(values, 0.99);
  assert.deepEqual(first, bootstrapMedian(values, 0.99));
  assert.equal(first.median, 4);
  assert.ok(first.low >= 1 && first.low < 4 && first.high > 4 && first.high <= 9);
  assert.deepEqual(bootstrapMedian([3], 0.99), { median: 3, low: 3, high: 3 });
});
