import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HistogramLogReader } from 'hdr-histogram-js';
import { createHistogram } from './histogram.ts';
import { encodeHlog } from './hlog.ts';

test('hdr-histogram-js reads back what was written: tags, counts and percentiles', () => {
  const response = createHistogram();
  for (let value = 1; value <= 10_000; value++) response.record(value * 10);
  const log = encodeHlog(new Date('2026-01-02T03:04:05Z'), [
    { tag: 'response', startS: 0, lengthS: 10, histogram: response.encode() },
    { tag: 'own lag, ours', startS: 0, lengthS: 10, histogram: createHistogram().encode() },
  ]);
  const reader = new HistogramLogReader(log);
  const first = reader.nextIntervalHistogram();
  assert.equal(first?.tag, 'response');
  assert.equal(first?.totalCount, 10_000);
  assert.ok(Math.abs((first?.getValueAtPercentile(99) ?? 0) / 1000 - 99_000) < 99_000 * 0.005);
  const second = reader.nextIntervalHistogram();
  assert.equal(second?.tag, 'own-lag-ours');
  assert.equal(second?.totalCount, 0);
});
