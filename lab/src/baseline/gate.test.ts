import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMachine } from '../result/machine.ts';
import type { BenchResult, MicroRow } from '../result/result.ts';
import { describeGate, judgeAgainstBaseline } from './gate.ts';

const row = (name: string, us: number, change: Partial<MicroRow> = {}): MicroRow => ({
  name,
  minUs: us,
  maxUs: us,
  meanUs: us,
  stddevUs: 0,
  medianUs: us,
  iqrUs: us * 0.02,
  outliers: [0, 0],
  opsPerS: 1e6 / us,
  rounds: 100,
  iterations: 1,
  ...change,
});

const resultOf = (...rows: MicroRow[]): BenchResult => ({
  format: 'irontrack-lab',
  version: 1,
  labVersion: '0.1.0',
  name: 'baseline',
  createdAt: '2026-01-31T09:30:00.000Z',
  command: [],
  source: null,
  configHash: '',
  machine: readMachine(),
  doctor: null,
  kind: 'bench',
  rows,
});

const gate = { mostAbove: 2 };
const stateOf = (before: MicroRow, now: MicroRow) =>
  judgeAgainstBaseline(resultOf(before), resultOf(now), gate).rows[0]?.state;

test('Exactly three times the baseline still passes, and a little more does not', () => {
  assert.equal(stateOf(row('a', 100), row('a', 300, { medianUs: 100 })), 'ok');
  assert.equal(stateOf(row('a', 100), row('a', 300.1, { medianUs: 100 })), 'failed');
});

test('A median that moved beyond 20 % and beyond the noise of the baseline is remarked on, either way', () => {
  assert.equal(stateOf(row('a', 100), row('a', 119)), 'ok');
  assert.equal(stateOf(row('a', 100), row('a', 125)), 'slower');
  assert.equal(stateOf(row('a', 100), row('a', 75)), 'faster');
  // An IQR of 30 % is a deviation of 22 %, and three of them are 67 %.
  assert.equal(stateOf(row('a', 100, { iqrUs: 30 }), row('a', 160)), 'ok');
  assert.equal(stateOf(row('a', 100, { iqrUs: 30 }), row('a', 170)), 'slower');
});

test('A few outliers move the mean and not the remark', () => {
  assert.equal(stateOf(row('a', 100), row('a', 150, { medianUs: 101 })), 'ok');
});

test('The last line is one verdict sentence with every name that failed', () => {
  const before = resultOf(row('a', 100), row('b', 100), row('c', 100));
  const now = resultOf(row('a', 400), row('b', 100), row('c', 1_000));
  const lines = describeGate(judgeAgainstBaseline(before, now, gate), gate)
    .trimEnd()
    .split('\n');
  assert.equal(lines.at(-1), 'Regression: the mean of "a", "c" is more than 200 % above the baseline.');
  assert.match(
    lines[0] ?? '',
    /^FAILED +a +mean 100 us -> 400 us {2}\+300 % \(4\.0 times\), median \+300 %$/,
  );
  assert.match(lines[1] ?? '', /^ok +b +mean 100 us -> 100 us {2}0 %, median 0 %$/);
});
