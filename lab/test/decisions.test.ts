/** The goal of the deciding rule, on simulated noisy sessions; lab/bench/decide-simulation.ts has 2,000 of each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  burstyMachine,
  decidePlainly,
  sharedMachine,
  simulateDecisions,
  simulateSession,
} from '../src/stats/simulate.ts';
import { medianOf, stddevOf } from '../src/stats/summary.ts';

const sessions = 50;

for (const [name, model] of Object.entries({ shared: sharedMachine, bursty: burstyMachine })) {
  test(`Of 50 sessions without a change on a ${name} machine at most 2 % raise a false alarm`, () => {
    const rates = simulateDecisions({ model, change: 0, sessions });
    assert.ok(rates.found <= 0.02, `${rates.found}`);
  });

  test(`Of 50 sessions with +10 % on a ${name} machine at least 85 % are found, none the wrong way`, () => {
    const rates = simulateDecisions({ model, change: 0.1, sessions });
    assert.ok(rates.found >= 0.85, `${rates.found}`);
    assert.equal(rates.foundWrongWay, 0);
    assert.equal(rates.same, 0);
  });
}

test('The false alarms stay at 2 % over 2,000 sessions too, where the plain bootstrap has more', () => {
  const own = simulateDecisions({ model: sharedMachine, change: 0, sessions: 2_000 });
  assert.ok(own.found <= 0.02, `${own.found}`);
  const plain = simulateDecisions({
    model: sharedMachine,
    change: 0,
    sessions: 300,
    decideOnce: decidePlainly,
  });
  assert.ok(plain.found > 0.03, `${plain.found}`);
});

test('A quiet machine says "same" of no change, and never of +10 %', () => {
  const quiet = { ...sharedMachine, slowNoise: 0.02, blockNoise: 0.01 };
  assert.ok(simulateDecisions({ model: quiet, change: 0, sessions }).same >= 0.95);
  assert.equal(simulateDecisions({ model: quiet, change: 0.1, sessions }).same, 0);
});

test('The simulated machine is as noisy as it says', () => {
  const levels = Array.from({ length: 2_000 }, (_, seed) =>
    Math.log(simulateSession(sharedMachine, 0, seed).nextPair().a),
  );
  const expected = Math.hypot(sharedMachine.sessionDrift, sharedMachine.slowNoise, sharedMachine.blockNoise);
  assert.ok(Math.abs(stddevOf(levels) / expected - 1) < 0.06);
  assert.ok(Math.abs(medianOf(levels)) < 0.015);
});
