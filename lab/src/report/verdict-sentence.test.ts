import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, Fault } from '../result/result.ts';
import { createHistogram } from '../stats/histogram.ts';
import {
  makeExampleBench,
  makeExampleCompare,
  makeExampleKnee,
  makeExampleResult,
} from './example-results.ts';
import { describeDoctor, makeDocument } from './report-document.ts';
import { makeScorecard } from './scorecard.ts';
import { judgeValidity } from './validity.ts';
import { describeVerdict } from './verdict-sentence.ts';

const result = makeExampleResult({ durationS: 4, runs: 2 });
const compare = makeExampleCompare(0.62);
const doubt: Fault = { kind: 'noise', weight: 'doubt', sentence: 'Neighbours took 12 % of the cores.' };

function change(over: Partial<Change>): Change {
  return {
    measure: 'mean',
    verdict: 'faster',
    change: -0.38,
    low: -0.41,
    high: -0.35,
    confidence: 0.99,
    ...over,
  };
}

function sentenceOf(...changes: Change[]): string {
  return describeVerdict({ ...compare, changes }).sentence;
}

test('the sentence of a compare says how much, how sure and what the tail did', () => {
  const tail = change({ measure: 'p99', verdict: 'same', change: 0, low: -0.01, high: 0.01 });
  assert.equal(
    sentenceOf(change({}), tail),
    'argon is 38 % faster than main, 99 % interval 35-41 %, tail unchanged',
  );
  assert.equal(
    sentenceOf(change({ verdict: 'slower', change: 0.1, low: 0.08, high: 0.12 })),
    'argon is 10 % slower than main, 99 % interval 8-12 %',
  );
  assert.equal(
    sentenceOf(change({ measure: 'cpu', change: -0.2, low: -0.22, high: -0.18 })),
    'argon takes 20 % less CPU a request than main, 99 % interval 18-22 %',
  );
  assert.equal(
    sentenceOf(change({ verdict: "can't tell", change: -0.01, low: -0.06, high: 0.04, morePairs: 12 })),
    "can't tell whether argon is faster than main: 99 % interval 6 % faster to 4 % slower; about 12 more pairs would tell",
  );
  assert.match(
    sentenceOf(change({ verdict: 'same', change: 0, low: -0.02, high: 0.01 })),
    /^argon is the same as main: 99 % interval 2 % faster to 1 % slower$/,
  );
});

test('a compare whose side differs from itself decides nothing', () => {
  const verdict = describeVerdict({ ...compare, canary: change({ verdict: 'slower', change: 0.07 }) });
  assert.equal(verdict.word, 'invalid');
  assert.match(verdict.sentence, /main against itself came out slower by 7 %/);
});

test('a run is valid, in doubt or invalid, in that order of weight', () => {
  assert.match(
    describeVerdict(result).sentence,
    /^GET \/me answered [\d,]+ requests\/s, P99 [\d.]+ \S+; the run is valid$/,
  );
  assert.match(
    describeVerdict({ ...result, faults: [doubt] }).sentence,
    /; in doubt: neighbours took 12 % of the cores$/,
  );
  const few: Fault = { kind: 'samples', weight: 'doubt', sentence: 'A P99 of 50 samples varies by 26 %.' };
  const moved: Fault = { kind: 'unstable', weight: 'doubt', sentence: '10 runs differ (mean by 80 %).' };
  assert.match(
    describeVerdict({ ...result, faults: [few, doubt, moved] }).sentence,
    /; in doubt: 10 runs differ \(mean by 80 %\)$/,
  );
  const missed: Fault = {
    kind: 'rate',
    weight: 'invalid',
    sentence: 'The generator delivered only 72 % of the rate.',
  };
  assert.deepEqual(describeVerdict({ ...result, faults: [doubt, missed] }), {
    tone: 'bad',
    word: 'invalid',
    sentence: 'invalid: the generator delivered only 72 % of the rate',
  });
  assert.match(
    describeVerdict({ ...result, load: { ...result.load, loop: 'closed' } }).sentence,
    /closed loop, which says how much but not how long/,
  );
});

test('a knee says the highest rate, or that none was low enough', () => {
  const knee = makeExampleKnee();
  assert.equal(describeVerdict(knee).sentence, 'GET /me keeps its P99 under 5 ms up to 4,500 requests/s');
  assert.match(
    describeVerdict({ ...knee, kneePerS: null }).sentence,
    /^no rate tried kept the P99 of GET \/me under 5 ms; the lowest was 500 requests\/s$/,
  );
  assert.match(
    describeVerdict({ ...knee, kneePerS: 5500 }).sentence,
    /to at least 5,500 requests\/s, the highest rate tried$/,
  );
});

test('the validity strip says in words what a fault, a missing sample or a late generator means', () => {
  const words = (over: Partial<typeof result>) =>
    Object.fromEntries(
      judgeValidity({ ...result, ...over }).map((mark) => [mark.name, `${mark.tone} ${mark.word}`]),
    );
  assert.deepEqual(words({}), {
    'Rate met': 'good met',
    Answers: 'good right',
    Stable: 'good stable',
    Machine: 'good quiet',
    Generator: 'good on time',
  });
  assert.equal(words({ faults: [doubt] }).Machine, 'doubt noisy');
  const [run] = result.runs;
  assert.ok(run !== undefined);
  assert.equal(words({ runs: [{ ...run, deliveredShare: 0.72 }] })['Rate met'], 'bad missed');
  const { lanes: _, ...unsampled } = run;
  assert.equal(words({ runs: [unsampled], doctor: null }).Machine, 'plain not known');
  assert.equal(words({ stability: { meanCv: 0.2, p99Cv: 0.3, stable: false } }).Stable, 'doubt unstable');
  const gone: Fault = { kind: 'target', weight: 'invalid', sentence: 'Not one right answer.' };
  const refused = words({
    runs: [{ ...run, ok: 0, failures: { connect: run.due }, response: createHistogram().encode() }],
    stability: { meanCv: null, p99Cv: null, stable: false },
    faults: [gone],
  });
  assert.equal(refused.Answers, 'bad errors');
  assert.equal(refused.Generator, 'good on time');
  const late = createHistogram();
  late.record(20_000);
  assert.equal(words({ runs: [{ ...run, lag: late.encode() }] }).Generator, 'doubt late');
});

test('every report quotes what doctor measured, or says that nobody did', () => {
  assert.deepEqual(describeDoctor(null), [
    { label: 'Limits', text: 'not measured: run irontrack-lab doctor' },
  ]);
  const text = describeDoctor(result.doctor)
    .map((fact) => fact.text)
    .join(' ');
  assert.match(text, /131,400 requests\/s.*36\.8.*82\.0.*0\.4 %/);
});

test('a scorecard of two single results claims no verdict, only what reads better or worse', () => {
  const after = makeExampleResult({ durationS: 4, runs: 2, workUs: 120, failedShare: 0.01 });
  const { verdict, rows } = makeScorecard(result, after);
  assert.match(verdict.sentence, /^one result each: no verdict; use compare\. Of 11 measures/);
  assert.equal(verdict.tone, 'plain');
  const row = (name: string) => rows.find((one) => one.measure === name) ?? assert.fail(name);
  assert.deepEqual([row('Mean').word, row('Mean').direction, row('Mean').tone], ['better', 'down', 'good']);
  assert.deepEqual([row('Errors').word, row('Errors').changeText], ['worse', 'new']);
  assert.equal(row('Right answers').word, 'unchanged');
  assert.equal(makeScorecard(makeExampleBench(), makeExampleBench(1.5)).rows[0]?.word, 'worse');
});

test('results that were not asked the same are not set side by side, and the sentence says what differs', () => {
  const other = { ...result, configHash: 'other', load: { ...result.load, ratePerS: 4000, connections: 8 } };
  assert.throws(() => makeDocument(result, other), {
    name: 'LabError',
    status: 5,
    message:
      /they differ in the rate \(2000, 4000\) and the connections \(64, 8\); measure both alike, or say --force/,
  });
  const served = { ...result, configHash: 'other', target: { ...result.target, server: 'node new.js' } };
  assert.throws(() => makeDocument(result, served), { message: /the command of the server/ });
  const forced = makeDocument(result, other, { force: true });
  assert.match(forced.notes[0]?.text ?? '', /Forced although they differ in the rate/);
  assert.throws(() => makeDocument(result, makeExampleKnee()), { message: /no measure in common/ });
  assert.throws(() => makeDocument(compare, compare), { message: /holds both sides already/ });
  const elsewhere = {
    ...result,
    machine: { ...result.machine, fingerprint: 'b', cpu: 'Other CPU', cores: 8 },
  };
  assert.match(
    makeDocument(result, elsewhere).notes[0]?.text ?? '',
    /different machines.*Other CPU, 8 cores/,
  );
});
