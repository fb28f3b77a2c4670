import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Problem } from '../problem.ts';
import { createFailureLog } from './failure-log.ts';

function open(overAfterMs: number) {
  const lines: { level: string; sentence: string; members: object }[] = [];
  const at = (level: string) => (members: object, sentence: string) =>
    void lines.push({ level, sentence, members });
  const log = { error: at('error'), warn: at('warn'), info: at('info') };
  return { lines, report: createFailureLog(log, () => performance.now(), overAfterMs) };
}

const away = new Problem('database-unavailable');

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!isTrue() && performance.now() < deadline) await wait(10);
}

test('an outage is told when it begins and when it is over, however many requests it fails and however long', async () => {
  const { lines, report } = open(2_000);
  for (let count = 0; count < 10; count += 1) {
    report(away, `r${count}`, '/api/v1/access/me');
    await wait(20);
  }
  assert.deepEqual(
    lines.map(({ sentence }) => sentence),
    ['The database is away: requests are answered 503.'],
  );
  await until(() => lines.length > 1);
  const last = lines.at(-1);
  assert.ok(last !== undefined && 'requests' in last.members && 'lastedMs' in last.members);
  assert.match(last.sentence, /The outage is over/);
  assert.equal(last.members.requests, 10);
  assert.ok(Number(last.members.lastedMs) >= 170);
  report(away, 'later', undefined);
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['warn', 'info', 'warn'],
  );
});

test('each surprise has a line of its own, also during an outage, and mere load has none', () => {
  const { lines, report } = open(60_000);
  report(away, 'a', undefined);
  report(new Error('surprise'), 'b', '/x');
  report(new Error('surprise'), 'c', '/x');
  for (const code of ['overloaded', 'hash-queue-full', 'ingest-queue-full', 'not-ready'] as const)
    report(new Problem(code), 'd', '/x');
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['warn', 'error', 'error'],
  );
});
