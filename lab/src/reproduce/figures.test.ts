import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFigures, shareSeen } from './figures.ts';
import { makePlan } from './plan.ts';
import { example, prepareStates, profile } from './testing/made-up-state.ts';

const plan = makePlan({ isQuick: true });
const newState = prepareStates();

test('the share of a core counts threads that ended between two readings', () => {
  const state = newState();
  const [lane = assert.fail('no lane')] = example.lanes ?? [];
  const run = { ...example, ratePerS: 5, cpuUsPerRequest: 190_000, lanes: [{ ...lane, serverCpu: 0.3 }] };
  state.add({ kind: 'run', group: 'lanes', variant: 'lanes-4', round: 1, run });
  assert.equal(readFigures(plan, state).cell('lanes', 'lanes-4')?.serviceCpu?.toFixed(2), '0.95');
});

test('a report ends when the last run did, however late it is written', () => {
  const state = newState();
  const run = { ...example, startedAt: '2026-01-01T00:10:00Z', durationS: 5 };
  state.add({ kind: 'run', group: 'me', variant: 'step-0', round: 1, run });
  assert.equal(readFigures(plan, state).measuredUntil, '2026-01-01T00:10:05.000Z');
});

test('what the samples of a profile missed is said', () => {
  const state = newState();
  profile(state, 'me', 'step-0', {});
  const [line = assert.fail('no profile')] = state.profiles;
  const node = (name: string, totalUs: number, children: typeof line.flame.children = []) => {
    return { name, where: 'native', totalUs, selfUs: 0, children };
  };
  const native = node('native I/O', 700, [node('seen by V8 as (idle)', 600)]);
  const main = node('main thread', 800, [node('handler', 100), native]);
  assert.equal(shareSeen({ ...line, flame: node('all CPU', 1000, [main]) }), 0.25);
  assert.equal(shareSeen(line), 1);
});
