import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, judge, readRetryAfter, retryDelaysMs } from './outcome.ts';

const answered = (statusCode: number, more: Partial<Answer> = {}): Answer => ({
  statusCode,
  error: statusCode < 300 ? null : `answered ${statusCode}`,
  durationMs: 1,
  ...more,
});

test('a failed delivery is tried again after 30 s, 1 min, 5 min, 15 min and 1 h, and then no more', () => {
  const delays = [0, 1, 2, 3, 4].map((attempts) => judge(answered(500), attempts, 0).retryInMs / 1000);
  assert.deepEqual(delays, [30, 60, 300, 900, 3600]);
  assert.deepEqual(judge(answered(500), 5, 0), { kind: 'failed', retryInMs: 0, pauseMs: 0 });
});

test('jitter makes a wait up to a fifth longer and never shorter', () => {
  for (const [attempts, delay] of retryDelaysMs.entries()) {
    assert.equal(judge(answered(500), attempts, 0).retryInMs, delay);
    assert.ok(judge(answered(500), attempts, 0.999_999).retryInMs <= delay * 1.2);
  }
});

test('every 2xx is a success, every redirect a failure', () => {
  for (const status of [200, 201, 202, 204, 299])
    assert.equal(judge(answered(status), 0, 0).kind, 'delivered');
  for (const status of [300, 301, 302, 304, 307, 308])
    assert.equal(judge(answered(status), 0, 0).kind, 'retry');
});

test('410 ends the delivery at once, whichever attempt it was', () => {
  for (const attempts of [0, 3, 5]) assert.equal(judge(answered(410), attempts, 0).kind, 'gone');
});

test('Retry-After of 429 and 503 is waited for, by the whole address; that of other answers is not', () => {
  for (const status of [429, 503]) {
    const outcome = judge(answered(status, { retryAfterMs: 120_000 }), 0, 0);
    assert.deepEqual(outcome, { kind: 'retry', retryInMs: 120_000, pauseMs: 120_000 });
    assert.equal(judge(answered(status, { retryAfterMs: 1_000 }), 0, 0).retryInMs, 30_000);
    assert.equal(judge(answered(status, { retryAfterMs: 1e12 }), 0, 0).pauseMs, 86_400_000);
  }
  assert.deepEqual(judge(answered(500, { retryAfterMs: 120_000 }), 0, 0), {
    kind: 'retry',
    retryInMs: 30_000,
    pauseMs: 0,
  });
});

test('Retry-After is read as seconds or as a date', () => {
  const now = new Date('2026-11-21T10:00:00Z');
  assert.equal(readRetryAfter('7', now), 7_000);
  assert.equal(readRetryAfter('Sat, 21 Nov 2026 10:01:00 GMT', now), 60_000);
  assert.equal(readRetryAfter('Sat, 21 Nov 2026 09:00:00 GMT', now), 0);
  for (const given of ['99999999999', '9'.repeat(400)]) {
    const retryAfterMs = readRetryAfter(given, now) ?? 0;
    assert.equal(judge(answered(429, { retryAfterMs }), 0, 0).pauseMs, 86_400_000);
  }
  for (const given of [undefined, '', 'soon', '-3', '1.5'])
    assert.equal(readRetryAfter(given, now), undefined);
});
