import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceRun } from '../peers/compare-services.ts';
import { fixedRate, makeRounds } from '../peers/testing/made-up-runs.ts';
import { chooseRuntimes, type Setting } from './choose-runtime.ts';

const settings: readonly Setting[] = [
  { section: 'one', workers: 1, path: 'direct' },
  { section: 'two', workers: 2, path: 'direct' },
  { section: 'one behind nginx', workers: 1, path: 'nginx' },
];

function runsOf(name: string, section: string, ratePerS: number, over: Partial<ServiceRun> = {}) {
  return [
    ...makeRounds(name, { section, ratePerS, ...over }),
    ...makeRounds(name, { section, task: fixedRate, ...over }),
  ];
}

function choose(runs: readonly ServiceRun[], cores = 8): string {
  const services = [...new Set(runs.map(({ service }) => service))].map((name) => ({ name }));
  return chooseRuntimes({ runs, services, refusals: [], machine: { cores } }, settings).join('\n');
}

test('names who is clearly ahead in each wish, and says when nobody is', () => {
  const text = choose([...runsOf('node', 'one', 1000), ...runsOf('bun', 'one', 600, { rssMb: 60 })]);
  assert.match(text, /^\| most answers a second \| node \|$/m);
  assert.match(text, /^\* Most answers a second: take node, clearly ahead in 1 of 1 settings\.$/m);
  assert.match(text, /^\* Least memory at full rate: take bun, /m);
  assert.match(text, /^\* Shortest P99 at the given rate: these rounds tell nobody apart/m);
});

test('says what more workers and a proxy make of the rate', () => {
  const gain = choose([
    ...runsOf('node', 'one', 1000),
    ...runsOf('node', 'two', 1700),
    ...runsOf('node', 'one behind nginx', 400),
  ]);
  assert.match(gain, /More workers than 1, times the answers a second: node 1\.70 \(two\)\. Take more/);
  assert.doesNotMatch(gain, /cores for workers/);
  assert.match(gain, /of the direct way: node 0\.400 \(one behind nginx\)/);
  const none = choose([...runsOf('node', 'one', 1000), ...runsOf('node', 'two', 1050)], 2);
  assert.match(none, /stay with 1 .*With 2 cores for workers, database and load/);
});

test('who is left alone, or has too few answers for a P99, wins nothing', () => {
  const alone = choose(runsOf('node', 'one', 1000));
  assert.match(alone, /^\| most answers a second \| cannot tell \|$/m);
  const few = choose([...runsOf('node', 'one', 1000, { ok: 9 }), ...runsOf('bun', 'one', 600, { ok: 9 })]);
  assert.match(few, /^\* Shortest P99 at the given rate: cannot be told, for too few answers/m);
  assert.match(few, /^\| most answers a second \| node \|$/m);
});

test('runs that missed their rate win nothing, and are told', () => {
  const faults = [{ kind: 'rate', sentence: 'Only half.', weight: 'invalid' as const }];
  const text = choose([
    ...runsOf('node', 'one', 1000),
    ...runsOf('bun', 'one', 9000, { rssMb: 1, faults }),
    ...runsOf('deno', 'one', 500),
  ]);
  assert.match(text, /^\| most answers a second \| node \|$/m);
  assert.match(text, /^\* Not bun, as it stands: it missed its rate or failed in 6 of 6 runs\.$/m);
});

test('without runs there is nothing to choose', () => {
  assert.equal(choose([]), '');
});
