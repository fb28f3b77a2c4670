import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeHistogram } from '../stats/histogram.ts';
import { startNullServer } from './null-server.ts';
import { simulateStalls } from './stalling-truth.ts';
import { runLoad } from './testing/load-run.ts';

const stall = { periodMs: 1000, stallMs: 200 };

test('by arithmetic, 200 ms a second are a P90 of 100 ms and a P99 of 190 ms', () => {
  const truth = simulateStalls({ ...stall, serviceUs: 0.001 }, 5000, 10);
  assert.ok(truth.percentileUs(0.5) < 1);
  assert.ok(Math.abs(truth.percentileUs(0.9) - 100_000) < 1000, `P90 ${truth.percentileUs(0.9)}`);
  assert.ok(Math.abs(truth.percentileUs(0.99) - 190_000) < 1000, `P99 ${truth.percentileUs(0.99)}`);
});

test('what waits because the server stands still is measured from when it was due', async (t) => {
  const server = await startNullServer({ cores: null, stall });
  t.after(() => server.stop());
  const { url } = server;
  const run = await runLoad(t, {
    url,
    load: { ratePerS: 5000, connections: 50, durationS: 4, timeoutS: 5 },
  });
  const measured = decodeHistogram(run.response);
  const truth = simulateStalls({ ...stall, serviceUs: 15 }, 5000, 4);
  assert.equal(run.ok, 20_000);
  for (const share of [0.9, 0.99]) {
    const [found, expected] = [measured.percentileUs(share), truth.percentileUs(share)];
    assert.ok(Math.abs(found / expected - 1) < 0.25, `P${share * 100}: ${found} us, truly ${expected} us`);
  }
  // Fifty at most were on their way in each stall: to the server alone it looks as if hardly anybody waited.
  const service = decodeHistogram(run.service);
  assert.ok(service.percentileUs(0.9) < measured.percentileUs(0.9) / 2, `${service.percentileUs(0.9)} us`);
  assert.ok(run.deliveredShare > 0.99, `${run.deliveredShare} delivered`);
});
