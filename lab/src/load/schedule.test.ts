import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArrivals, type Schedule } from './schedule.ts';

function dueTimes(schedule: Schedule, count: number): number[] {
  const arrivals = createArrivals(schedule);
  return Array.from({ length: count }, () => {
    const due = arrivals.dueUs;
    arrivals.advance();
    return due;
  });
}

const table: readonly { ratePerS: number; number: number; dueUs: number }[] = [
  { ratePerS: 1, number: 0, dueUs: 0 },
  { ratePerS: 1, number: 3, dueUs: 3_000_000 },
  { ratePerS: 1000, number: 1, dueUs: 1000 },
  { ratePerS: 3, number: 3, dueUs: 1_000_000 },
  { ratePerS: 3, number: 300_000, dueUs: 100_000_000_000 },
  { ratePerS: 0.5, number: 2, dueUs: 4_000_000 },
  { ratePerS: 7, number: 700_000, dueUs: 100_000_000_000 },
];

for (const { ratePerS, number, dueUs } of table) {
  test(`request ${number} of ${ratePerS} a second is due after ${dueUs} us`, () => {
    const arrivals = createArrivals({ ratePerS, arrivals: 'constant', seed: 1 });
    while (arrivals.number < number) arrivals.advance();
    assert.equal(arrivals.dueUs, dueUs);
  });
}

test('Poisson arrivals keep the rate, and their gaps vary as much as they are long', () => {
  const times = dueTimes({ ratePerS: 1000, arrivals: 'poisson', seed: 7 }, 50_000);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  assert.ok(Math.abs(mean - 1000) < 25, `mean gap ${mean} us`);
  assert.ok(Math.abs(deviation / mean - 1) < 0.03, `deviation ${deviation} us`);
  assert.ok(gaps.every((gap) => gap >= 0));
});

test('a seed repeats its arrivals, another seed has others', () => {
  const schedule: Schedule = { ratePerS: 100, arrivals: 'poisson', seed: 3 };
  assert.deepEqual(dueTimes(schedule, 100), dueTimes(schedule, 100));
  assert.notDeepEqual(dueTimes(schedule, 100), dueTimes({ ...schedule, seed: 4 }, 100));
});

test('a rate of 0, below or without end is refused', () => {
  for (const ratePerS of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => createArrivals({ ratePerS, arrivals: 'constant', seed: 1 }), RangeError);
  }
});
