import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeExampleRun } from './example-results.ts';
import { mergeRuns } from './measures.ts';

test('the rate of merged runs counts no answer that came after its run was over', () => {
  const run = { ...makeExampleRun({ durationS: 2 }), ok: 14, ratePerS: 5 };
  assert.equal(mergeRuns([run, { ...run, ratePerS: 6 }]).ratePerS, 5.5);
});

test('the rate of merged runs weighs each by its length', () => {
  const run = makeExampleRun({ durationS: 1 });
  const runs = [
    { ...run, durationS: 1, ratePerS: 100 },
    { ...run, durationS: 3, ratePerS: 20 },
  ];
  assert.equal(mergeRuns(runs).ratePerS, 40);
});
