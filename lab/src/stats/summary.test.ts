import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantileOf, summarize } from './summary.ts';

test('A summary has the figures that NumPy gives for the same numbers', () => {
  // numpy: mean, std(ddof=1), median, percentile([25, 75]) of the list
  const summary = summarize([4, 1, 3, 2, 100]);
  assert.equal(summary.min, 1);
  assert.equal(summary.max, 100);
  assert.equal(summary.mean, 22);
  assert.ok(Math.abs(summary.stddev - 43.617656975128774) < 1e-12);
  assert.equal(summary.median, 3);
  assert.equal(summary.iqr, 2);
});

test('Outliers are counted beyond one standard deviation and beyond the fences', () => {
  assert.deepEqual(summarize([4, 1, 3, 2, 100]).outliers, [1, 1]);
  assert.deepEqual(summarize([1, 2, 3, 4, 5]).outliers, [2, 0]);
  assert.deepEqual(summarize([7, 7, 7]).outliers, [0, 0]);
});

test('A single value has no spread, and none has no summary', () => {
  assert.equal(summarize([5]).stddev, 0);
  assert.throws(() => summarize([]), RangeError);
});

test('Quartiles lie between their neighbours', () => {
  assert.equal(quantileOf([1, 2, 3, 4], 0.25), 1.75);
  assert.equal(quantileOf([1, 2, 3, 4], 1), 4);
});
