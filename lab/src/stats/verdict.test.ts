import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decide, findNextLook, type MeasuredPair } from './verdict.ts';

const jitter = [0.01, -0.012, 0.004, -0.007, 0.009, 0.002, -0.003, -0.01, 0.006, -0.001];
const pairsAt = (ratio: number, spread = 1): MeasuredPair[] =>
  jitter.map((noise) => ({ a: 100, b: 100 * ratio * Math.exp(noise * spread) }));
const options = { measure: 'mean' };

test('Ten pairs that agree are decided: slower, faster and same', () => {
  assert.equal(decide(pairsAt(1.1), options).verdict, 'slower');
  assert.equal(decide(pairsAt(0.9), options).verdict, 'faster');
  assert.equal(decide(pairsAt(1), options).verdict, 'same');
});

test('A change that is certain but within the band is "same"', () => {
  const change = decide(pairsAt(1.01, 0.1), options);
  assert.ok(change.low > 0);
  assert.equal(change.verdict, 'same');
});

test('The change is a share of the time before, with the truth in its interval', () => {
  const change = decide(pairsAt(1.2), options);
  assert.ok(Math.abs(change.change - 0.2) < 0.01);
  assert.ok(change.low < 0.2 && change.high > 0.2);
  assert.equal(change.confidence, 0.99);
  assert.equal(change.morePairs, undefined);
});

test('Pairs that disagree cannot tell, and say about how many more it takes', () => {
  const change = decide(pairsAt(1.05, 12), options);
  assert.equal(change.verdict, "can't tell");
  assert.ok((change.morePairs ?? 0) >= 1);
  const calmer = decide(pairsAt(1.05, 8), options);
  assert.ok((calmer.morePairs ?? 0) <= (change.morePairs ?? 0));
});

test('Fewer than ten pairs never decide, however clear they look', () => {
  const change = decide(pairsAt(3).slice(0, 9), options);
  assert.equal(change.verdict, "can't tell");
  assert.equal(change.morePairs, 1);
  assert.ok(Number.isFinite(change.low) && Number.isFinite(change.high));
});

test('A side that measured nothing is refused instead of compared', () => {
  assert.throws(() => decide([], options), RangeError);
  assert.throws(() => decide([{ a: 0, b: 1 }], options), RangeError);
  assert.throws(() => decide([{ a: 1, b: Number.NaN }], options), RangeError);
});

test('Swapping the sides swaps the verdict', () => {
  const turned = { slower: 'faster', faster: 'slower', same: 'same', "can't tell": "can't tell" };
  const positive = fc.double({ min: 0.01, max: 100, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(fc.record({ a: positive, b: positive }), { minLength: 1, maxLength: 30 }),
      (pairs) => {
        const forth = decide(pairs, options);
        const back = decide(
          pairs.map(({ a, b }) => ({ a: b, b: a })),
          options,
        );
        // The band is 3 % up and log-symmetric down, so that both directions are judged alike.
        assert.equal(back.verdict, turned[forth.verdict]);
        assert.ok(forth.low <= forth.change && forth.change <= forth.high);
      },
    ),
  );
});

test('It is asked after 10, 20 and 30 pairs', () => {
  assert.deepEqual([0, 10, 20, 30].map(findNextLook), [10, 20, 30, undefined]);
});
