import assert from 'node:assert/strict';
import { test } from 'node:test';
import { intervalOfMean, intervalOfRatio } from './mean-interval.ts';

test('the interval of three values is the one of the tables', () => {
  const interval = intervalOfMean([9, 10, 11]);
  assert.equal(interval?.mean, 10);
  assert.ok(Math.abs((interval?.high ?? 0) - (10 + 4.303 / Math.sqrt(3))) < 1e-9);
});

test('one value shows no spread, so it has no interval', () => {
  assert.equal(intervalOfMean([1]), undefined);
  assert.equal(intervalOfRatio([{ a: 1, b: 2 }]), undefined);
});

test('a ratio is read from pairs, whatever slowed both of a pair down', () => {
  const interval = intervalOfRatio([
    { a: 1, b: 2 },
    { a: 10, b: 20 },
    { a: 3, b: 6 },
  ]);
  assert.ok(Math.abs((interval?.mean ?? 0) - 2) < 1e-9);
  assert.ok(Math.abs((interval?.high ?? 0) - (interval?.low ?? 0)) < 1e-9);
  assert.equal(
    intervalOfRatio([
      { a: 0, b: 1 },
      { a: 1, b: 1 },
    ]),
    undefined,
  );
});
