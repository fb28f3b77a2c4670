import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findMedianRun } from './median-run.ts';
import { createRandom, drawNormal } from './random.ts';
import { durationForP99, judgeSamples, judgeStability, samplingCvOfP99 } from './stability.ts';
import { quantileOf, stddevOf } from './summary.ts';

const runs = (means: number[], p99s: number[]) =>
  means.map((meanUs, index) => ({ meanUs, p99Us: p99s[index] ?? 0 }));

test('Runs that agree within 3 % in the mean and 5 % in P99 are stable', () => {
  const agreeing = judgeStability(runs([100, 101, 99, 100, 102], [500, 510, 490, 505, 495]));
  assert.equal(agreeing.stable, true);
  assert.ok((agreeing.meanCv ?? 1) < 0.03);
  assert.equal(judgeStability(runs([100, 110, 95, 100, 102], [500, 510, 490, 505, 495])).stable, false);
  assert.equal(judgeStability(runs([100, 101, 99, 100, 102], [500, 600, 490, 505, 495])).stable, false);
});

test('One run shows nothing about stability', () => {
  assert.deepEqual(judgeStability(runs([100], [500])), { meanCv: null, p99Cv: null, stable: false });
});

test('Runs whose P99 may not be judged are stable by their mean alone', () => {
  const judged = judgeStability([
    { meanUs: 100, p99Us: null },
    { meanUs: 101, p99Us: 900 },
  ]);
  assert.equal(judged.stable, true);
  assert.equal(judged.p99Cv, null);
});

test('A P99 is judged from 1,500 samples on, and the sentence says how long that takes', () => {
  assert.deepEqual(judgeSamples(1_500), { enough: true });
  const judged = judgeSamples(150, 5);
  assert.equal(judged.enough, false);
  assert.match(judged.sentence ?? '', /150 samples varies by 15 % .* at least 1500 \(300 s at this rate\)/);
  assert.doesNotMatch(judgeSamples(0, 0).sentence ?? '', /Infinity|NaN/);
  assert.equal(durationForP99(1_000), 2);
});

test('The computed sampling error of a P99 is the one that sampling shows', () => {
  const random = createRandom(11);
  const p99s = Array.from({ length: 400 }, () => {
    const sample = Array.from({ length: 1_500 }, () => Math.exp(0.5 * drawNormal(random)));
    return quantileOf(
      sample.sort((left, right) => left - right),
      0.99,
    );
  });
  const seen = stddevOf(p99s) / Math.exp(0.5 * 2.3263);
  assert.ok(Math.abs(seen / samplingCvOfP99(1_500) - 1) < 0.15, `${seen}`);
});

test('The median run is a whole run; of an even number the worse of the middle two', () => {
  assert.equal(findMedianRun([5, 1, 3]), 2);
  assert.equal(findMedianRun([4, 1, 2, 3]), 3);
  assert.equal(findMedianRun([4, 1, 2, 3], 'lower'), 2);
  assert.equal(findMedianRun([7, 7, 7]), 0);
  assert.throws(() => findMedianRun([]), RangeError);
});
