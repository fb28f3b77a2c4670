import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { decodeHistogram } from '../stats/histogram.ts';
import { startNullServer } from './null-server.ts';
import { simulateStalls } from './stalling-truth.ts';
import { runLoad, startServer } from './testing/load-run.ts';

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
  const load = { ratePerS: 5000, connections: 50, durationS: 4, timeoutS: 5 };
  const truth = simulateStalls({ ...stall, serviceUs: 15 }, load.ratePerS, load.durationS);
  let distance = Number.POSITIVE_INFINITY;
  // A neighbour that takes the server's core makes it truly slower, so the upper side gets three tries. The lower side
  // gets none: a generator that waits for answers before it counts would find a P90 of a fraction of a millisecond.
  for (let round = 0; round < 3 && distance > 0.25; round++) {
    const run = await runLoad(t, { url: server.url, load });
    const [response, service] = [decodeHistogram(run.response), decodeHistogram(run.service)];
    const off = [0.9, 0.99].map((share) => response.percentileUs(share) / truth.percentileUs(share) - 1);
    t.diagnostic(`P90 and P99 are off by ${off.map((part) => `${(part * 100).toFixed(1)} %`).join(' and ')}`);
    assert.ok(Math.min(...off) > -0.25, `off by ${off}`);
    assert.equal(run.due, 20_000);
    distance = Math.max(...off.map(Math.abs));
    if (distance > 0.25) continue;
    // From the write it looks as if hardly anybody waited: fifty at most were on their way in each stall.
    assert.ok(service.percentileUs(0.9) < response.percentileUs(0.9) / 2, `${service.percentileUs(0.9)} us`);
  }
  assert.ok(distance <= 0.25, `off by ${distance}`);
});

test('the most a saturated server does is what it answered until the end, not what it still owed then', async (t) => {
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
  const waiting: Socket[] = [];
  const { url } = await startServer(t, (socket) => waiting.push(socket));
  // 20 a second whatever is asked: the 40 connections are owed two seconds of answers when the three are over.
  const serving = setInterval(() => waiting.shift()?.write(answer), 50);
  t.after(() => clearInterval(serving));
  const load = { loop: 'closed', ratePerS: null, connections: 40, durationS: 3, timeoutS: 5 } as const;
  const run = await runLoad(t, { url, load });
  assert.ok(run.ok > 80, `${run.ok} answers`);
  assert.ok(run.ratePerS > 10 && run.ratePerS < 21, `${run.ratePerS}/s`);
});
