import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom, drawNormal } from './random.ts';

test('One seed gives the same numbers again, another seed others', () => {
  const draw = (seed: number) => Array.from({ length: 20 }, createRandom(seed));
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  assert.equal(new Set([1, 2, 3, 4].flatMap(draw)).size, 80);
});

test('Numbers are spread evenly over their range, also for neighbouring seeds', () => {
  const bins = Array.from({ length: 10 }, () => 0);
  for (let seed = 0; seed < 1_000; seed += 1) {
    const random = createRandom(seed);
    for (let draw = 0; draw < 100; draw += 1) {
      const bin = Math.floor(random() * 10);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
  }
  // Chi-squared with 9 degrees of freedom: 33.7 is one in 10,000.
  const chiSquared = bins.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  assert.ok(chiSquared < 33.7, `${chiSquared}`);
});

test('Normal numbers have mean 0 and deviation 1', () => {
  const random = createRandom(5);
  const values = Array.from({ length: 20_000 }, () => drawNormal(random));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
  assert.ok(Math.abs(mean) < 0.03);
  assert.ok(Math.abs(variance - 1) < 0.05);
});
