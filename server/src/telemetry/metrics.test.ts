import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMetrics } from './metrics.ts';

async function openForTest(t: { after(fn: () => void): void }) {
  const log = { dropped: 0 };
  const metrics = openMetrics(log);
  t.after(metrics.close);
  const read = async () => {
    const samples = new Map<string, number>();
    for (const line of (await metrics.page.metrics()).split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const sample = /^([a-z0-9_]+(?:\{[^}]*\})?) (\S+)$/.exec(line);
      assert.ok(sample, `not a sample: ${line}`);
      assert.ok(!samples.has(sample[1] ?? ''), `twice: ${line}`);
      samples.set(sample[1] ?? '', Number(sample[2]));
    }
    return samples;
  };
  return { log, metrics, read };
}

test('requests are counted by method, route and status, in cumulative buckets, with their sum in seconds', async (t) => {
  const { metrics, read } = await openForTest(t);
  const series = metrics.requests.series('GET', '/ping', 200);
  for (const durationMs of [0.1, 0.5, 0.6, 3, 100_000]) series.observe(durationMs);
  metrics.requests.series('GET', '/ping', 503).observe(1);
  assert.equal(metrics.requests.series('GET', '/ping', 200), series);
  const samples = await read();
  const of = (suffix: string, le = '', status = 200) =>
    samples.get(
      `http_request_duration_seconds${suffix}{${le === '' ? '' : `le="${le}",`}method="GET",route="/ping",status="${status}"}`,
    );
  assert.equal(of('_bucket', '0.0005'), 2);
  assert.equal(of('_bucket', '0.001'), 3);
  assert.equal(of('_bucket', '0.0025'), 3);
  assert.equal(of('_bucket', '0.005'), 4);
  assert.equal(of('_bucket', '10'), 4);
  assert.equal(of('_bucket', '+Inf'), 5);
  assert.equal(of('_count'), 5);
  assert.ok(Math.abs((of('_sum') ?? 0) - 100.0042) < 1e-9);
  assert.equal(of('_count', '', 503), 1);
});

test('what lives elsewhere is read at every scrape', async (t) => {
  const { log, metrics, read } = await openForTest(t);
  const hashQueue = { running: 2, waiting: 7 };
  const session = { name: 'session', counts: { hits: 10, misses: 3 }, size: 5, bytes: 640 };
  const database = { load: () => ({ busy: 4, waiting: 1 }) };
  const backlog = { waiting: 9, oldestMs: 1_500, oldestXminAge: 12 };
  const deliveries = { underWay: 8, readBacklog: async () => backlog };
  metrics.observe({
    database,
    admission: { level: 2 },
    hashQueue,
    ingest: { depth: 6 },
    deliveries,
    replica: undefined,
    valkey: { isUp: true, losses: 2, counted: { valkey: 30, process: 4 } },
    caches: [session],
  });
  let samples = await read();
  assert.equal(samples.get('password_hash_running'), 2);
  assert.equal(samples.get('password_hash_waiting'), 7);
  assert.equal(samples.get('admission_level'), 2);
  assert.equal(samples.get('event_queue_depth'), 6);
  assert.equal(samples.get('valkey_up'), 1);
  assert.equal(samples.get('valkey_losses_total'), 2);
  assert.equal(samples.get('rate_limit_counts_total{counted_by="process"}'), 4);
  assert.equal(samples.get('webhook_attempts_under_way'), 8);
  assert.equal(samples.get('webhook_deliveries_waiting'), 9);
  assert.equal(samples.get('webhook_oldest_undelivered_seconds'), 1.5);
  assert.equal(samples.get('database_oldest_xmin_age'), 12);
  assert.equal(samples.get('database_connections_busy'), 4);
  assert.equal(samples.get('database_connections_waiting'), 1);
  assert.equal(samples.get('cache_entries{cache="session"}'), 5);
  assert.equal(samples.get('cache_bytes{cache="session"}'), 640);
  assert.equal(samples.get('cache_reads_total{cache="session",result="hit"}'), 10);
  hashQueue.waiting = 0;
  session.counts.hits = 11;
  log.dropped = 6;
  samples = await read();
  assert.equal(samples.get('password_hash_waiting'), 0);
  assert.equal(samples.get('cache_reads_total{cache="session",result="hit"}'), 11);
  assert.equal(samples.get('access_log_lines_dropped_total'), 6);
});

test('waits, refusals and reuses are counted where they happen', async (t) => {
  const { metrics, read } = await openForTest(t);
  metrics.hashWaited(300);
  metrics.limiterRefused('signin', 'account');
  metrics.refreshReused();
  const samples = await read();
  assert.equal(samples.get('password_hash_wait_seconds_bucket{le="0.25"}'), 0);
  assert.equal(samples.get('password_hash_wait_seconds_bucket{le="0.5"}'), 1);
  assert.equal(samples.get('rate_limit_refusals_total{call="signin",scope="account"}'), 1);
  assert.equal(samples.get('refresh_token_reuses_total'), 1);
});

test('the worst delay of the event loop is that since the last scrape', async (t) => {
  const { read } = await openForTest(t);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const until = performance.now() + 80;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.ok(((await read()).get('event_loop_delay_seconds{quantile="1"}') ?? 0) > 0.05);
  assert.equal((await read()).get('event_loop_delay_seconds{quantile="1"}'), 0);
  const utilization = (await read()).get('event_loop_utilization_ratio') ?? -1;
  assert.ok(utilization >= 0 && utilization <= 1);
});
