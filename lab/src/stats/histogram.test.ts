import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { build } from 'hdr-histogram-js';
import { bucketBoundsUs, createHistogram, decodeHistogram } from './histogram.ts';

/** Nanosecond steps from 1 us to about an hour, dense at both ends. */
const microseconds = fc
  .double({ min: 0, max: 31.7, noNaN: true })
  .map((exponent) => Math.round(2 ** exponent * 1000) / 1000);
const samples = fc.array(microseconds, { minLength: 1, maxLength: 400 });
const shares = [0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1];

function recordAll(values: readonly number[], precisionBits?: number) {
  const histogram = createHistogram(precisionBits);
  for (const value of values) histogram.record(value);
  return histogram;
}

test('percentiles are those of hdr-histogram-js to within a bucket', () => {
  fc.assert(
    fc.property(samples, (values) => {
      const ours = recordAll(values);
      const theirs = build({
        highestTrackableValue: 2 ** 46,
        numberOfSignificantValueDigits: 5,
        bitBucketSize: 32,
        useWebAssembly: false,
      });
      for (const value of values) theirs.recordValue(Math.round(value * 1000));
      for (const share of shares) {
        const expected = theirs.getValueAtPercentile(share * 100) / 1000;
        const error = Math.abs(ours.percentileUs(share) - expected) / expected;
        assert.ok(
          error < 1 / 256,
          `P${share * 100} of ${values}: ${ours.percentileUs(share)}, not ${expected}`,
        );
      }
    }),
    { numRuns: 40 },
  );
});

test('a percentile is the value of that rank to within half a bucket, and its ends are exact', () => {
  fc.assert(
    fc.property(samples, fc.integer({ min: 5, max: 12 }), (values, bits) => {
      const histogram = recordAll(values, bits);
      const sorted = values.toSorted((a, b) => a - b);
      for (const [rank, value] of sorted.entries()) {
        const found = histogram.percentileUs((rank + 1) / sorted.length);
        assert.ok(Math.abs(found - value) <= value / 2 ** bits / 2 + 1e-9, `${found} for ${value}`);
      }
      assert.equal(histogram.percentileUs(0), sorted[0]);
      assert.equal(histogram.percentileUs(1), sorted.at(-1));
    }),
  );
});

test('mean, deviation, minimum and maximum are of the values, not of the buckets', () => {
  const histogram = recordAll([10.5, 20.25, 400, 1_000_000]);
  const mean = (10.5 + 20.25 + 400 + 1_000_000) / 4;
  const squares = [10.5, 20.25, 400, 1_000_000].map((value) => (value - mean) ** 2);
  assert.equal(histogram.count, 4);
  assert.equal(histogram.minUs, 10.5);
  assert.equal(histogram.maxUs, 1_000_000);
  assert.ok(Math.abs(histogram.meanUs - mean) < 1e-6);
  assert.ok(Math.abs(histogram.stddevUs - Math.sqrt(squares.reduce((a, b) => a + b) / 4)) < 1e-3);
});

test('an encoded histogram decodes to the same figures, also through JSON', () => {
  fc.assert(
    fc.property(samples, (values) => {
      const before = recordAll(values);
      const after = decodeHistogram(JSON.parse(JSON.stringify(before.encode())));
      for (const share of shares) assert.equal(after.percentileUs(share), before.percentileUs(share));
      assert.deepEqual(after.encode().buckets, before.encode().buckets);
      assert.equal(after.count, before.count);
      assert.ok(Math.abs(after.meanUs - before.meanUs) <= 1e-9 * before.meanUs);
    }),
  );
});

test('adding histograms is the same as recording everything into one', () => {
  fc.assert(
    fc.property(samples, samples, (first, second) => {
      const sum = recordAll(first);
      sum.add(recordAll(second));
      const whole = recordAll([...first, ...second]);
      assert.deepEqual(sum.encode().buckets, whole.encode().buckets);
      assert.equal(sum.minUs, whole.minUs);
      assert.equal(sum.maxUs, whole.maxUs);
      assert.ok(Math.abs(sum.stddevUs - whole.stddevUs) <= 1e-6 * whole.maxUs);
    }),
  );
});

test('every bucket begins where the one before it ends', () => {
  for (const bits of [1, 8]) {
    for (let index = 1; index < 46 << bits; index++) {
      assert.equal(bucketBoundsUs(index, bits).fromUs, bucketBoundsUs(index - 1, bits).toUs);
    }
  }
});

test('nothing, nonsense and the very large are counted and break nothing', () => {
  const histogram = createHistogram();
  assert.equal(histogram.percentileUs(0.5), 0);
  assert.equal(histogram.meanUs, 0);
  for (const value of [0, -5, Number.NaN, 1e-9, 1e15]) histogram.record(value);
  assert.equal(histogram.count, 5);
  assert.equal(histogram.minUs, 0);
  assert.equal(histogram.maxUs, 1e15);
  assert.deepEqual(
    histogram.encode().buckets.map(([, count]) => count),
    [4, 1],
  );
  histogram.reset();
  assert.deepEqual(histogram.encode(), createHistogram().encode());
});

test('refuses to add another precision, an impossible one and a bucket that does not exist', () => {
  assert.throws(() => createHistogram(8).add(createHistogram(7)), RangeError);
  assert.throws(() => createHistogram(13), RangeError);
  const encoded = { ...createHistogram().encode(), buckets: [[46 << 8, 1]] satisfies [number, number][] };
  assert.throws(() => decodeHistogram(encoded), RangeError);
});

test('counts what took a given time or longer', () => {
  const histogram = recordAll([1, 10, 100, 1000]);
  assert.equal(histogram.countFrom(0), 4);
  assert.equal(histogram.countFrom(64), 2);
  assert.equal(histogram.countFrom(5000), 0);
});
