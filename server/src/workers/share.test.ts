import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shareOf } from './share.ts';

const sharesOf = (total: number, workers: number) =>
  Array.from({ length: workers }, (_, place) => shareOf(total, workers, place));

test('shares differ by one at most, add up to the total, and nobody has none', () => {
  assert.deepEqual(sharesOf(4, 1), [4]);
  assert.deepEqual(sharesOf(4, 2), [2, 2]);
  assert.deepEqual(sharesOf(3, 2), [2, 1]);
  assert.deepEqual(sharesOf(7, 3), [3, 2, 2]);
  assert.deepEqual(sharesOf(1, 3), [1, 1, 1]);
  for (let workers = 1; workers <= 64; workers += 1) {
    for (let total = 1; total <= 64; total += 1) {
      const sum = sharesOf(total, workers).reduce((left, right) => left + right);
      assert.equal(sum, Math.max(total, workers), `${total} over ${workers}`);
    }
  }
});
