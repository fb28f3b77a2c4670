import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSlope, judgeCount, judgeQuarters, judgeSlope, type Point } from './soak-verdict.ts';

/** An hour of readings, one a minute. */
function readings(valueAt: (minute: number) => number): Point[] {
  return Array.from({ length: 60 }, (_, minute): Point => [minute / 60, valueAt(minute)]);
}

/** Between -1 and 1, the same each time, and without a trend. */
const noise = (minute: number) => Math.sin(minute * 12.9898) * Math.cos(minute * 78.233);

/** As a heap that is collected every seven minutes, by what is left of that in the least of a minute. */
const sawtooth = (minute: number) => 400 + (minute % 7) * 2;

test('a straight line has its slope, and an interval around nothing else', () => {
  const slope = findSlope(readings((minute) => 100 + minute / 2));
  assert.deepEqual(
    [slope.perHour, slope.low, slope.high].map((value) => value.toFixed(6)),
    ['30.000000', '30.000000', '30.000000'],
  );
});

test('a quarter of wild readings does not move the slope', () => {
  const slope = findSlope(readings((minute) => (minute % 5 === 0 ? 5_000 : 100 + minute / 2)));
  assert.ok(Math.abs(slope.perHour - 30) < 10, `${slope.perHour}`);
});

test('memory that goes up and down is flat, and so is a level one with noise', () => {
  assert.equal(judgeSlope(readings(sawtooth), 20).finding, 'flat');
  assert.equal(
    judgeSlope(
      readings((minute) => 400 + 5 * noise(minute)),
      20,
    ).finding,
    'flat',
  );
});

test('a leak shows through the noise of a collector', () => {
  const verdict = judgeSlope(
    readings((minute) => sawtooth(minute) + minute),
    20,
  );
  assert.equal(verdict.finding, 'grows');
  assert.ok(verdict.low > 0 && verdict.perHour > 40 && verdict.perHour < 80, JSON.stringify(verdict));
});

test('what grows while it warms up and is level then is flat', () => {
  assert.equal(
    judgeSlope(
      readings((minute) => 400 + 10 * Math.min(minute, 20)),
      20,
    ).finding,
    'flat',
  );
});

test('an interval on both sides of the limit cannot be told, nor can a few minutes', () => {
  assert.equal(
    judgeSlope(
      readings((minute) => 400 + 80 * noise(minute)),
      20,
    ).finding,
    'cannot be told',
  );
  assert.equal(judgeSlope(readings((minute) => minute).slice(0, 4), 20).finding, 'cannot be told');
  assert.equal(
    judgeQuarters(readings((minute) => minute).slice(0, 4), (first) => first).finding,
    'cannot be told',
  );
  assert.equal(judgeCount([1, 2, 3], 0).finding, 'cannot be told');
});

test('latency that doubles grows; one bad minute or a bad start does not make it', () => {
  const limitOf = (first: number) => first * 1.25 + 0.5;
  const judge = (valueAt: (minute: number) => number) => judgeQuarters(readings(valueAt), limitOf).finding;
  assert.equal(
    judge((minute) => 2 + minute / 30 + 0.2 * noise(minute)),
    'grows',
  );
  assert.equal(
    judge((minute) => (minute === 50 ? 400 : 2 + 0.2 * noise(minute))),
    'flat',
  );
  assert.equal(
    judge((minute) => (minute < 3 ? 20 : 2 + 0.2 * noise(minute))),
    'flat',
  );
  assert.equal(
    judge((minute) => 2 + minute / 600),
    'flat',
  );
});

test('descriptors that only ever rise grow; those that come and go do not', () => {
  const values = (valueAt: (minute: number) => number) => readings(valueAt).map(([, value]) => value);
  assert.equal(
    judgeCount(
      values((minute) => 300 + minute),
      10,
    ).finding,
    'grows',
  );
  assert.equal(
    judgeCount(
      values((minute) => 300 + 100 * noise(minute)),
      10,
    ).finding,
    'flat',
  );
});
