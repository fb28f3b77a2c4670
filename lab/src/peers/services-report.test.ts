import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceRun } from './compare-services.ts';
import { renderServicesReport } from './services-report.ts';
import { fixedRate, hashing, makeReport, makeRounds, makeRun } from './testing/made-up-runs.ts';

function render(runs: readonly ServiceRun[], rounds = 3) {
  return renderServicesReport(makeReport(runs, { rounds }), 'made-up');
}

function rowOf(markdown: string, service: string): string[] {
  const line = markdown.split('\n').find((text) => text.startsWith(`| ${service} | `)) ?? '';
  return line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, ''));
}

/** Without the table that says what each service is. */
function measured(markdown: string): string {
  return markdown.slice(markdown.indexOf('### '));
}

test('a ratio is taken within a round, so that a machine that drifts does not move it', () => {
  const { markdown } = render([...makeRounds('ours'), ...makeRounds('theirs', { ratePerS: 500 })]);
  const [, rate, ratio] = rowOf(measured(markdown), 'theirs');
  assert.equal(rate, '**385** (294-500)');
  assert.equal(ratio, '**2.00** (2.00-2.00)');
  assert.match(markdown, /Most a second: ours; /);
});

test('whole answers that every round counts alike are no certainty', () => {
  // Twenty in four seconds and four more that were under way; eighteen of the other, and as many under way.
  const count = (service: string, counted: number) =>
    [0, 1, 2].map((round) =>
      makeRun(service, { task: hashing, round, durationS: 4, ratePerS: counted / 4, ok: counted + 4 }),
    );
  const { markdown } = render([...count('ours', 20), ...count('theirs', 18)]);
  assert.equal(rowOf(measured(markdown), 'theirs')[2], '**1.11** (0.909-1.33)');
  assert.match(markdown, /Most a second: ours, not told apart from theirs/);
});

test('who answers nobody in time has no rate but a sentence, and nobody is compared with it', () => {
  const late = { ratePerS: 0, ok: 4, due: 4, task: hashing, p99Us: null };
  const { markdown } = render([...makeRounds('ours', { task: hashing }), ...makeRounds('late', late)], 3);
  assert.doesNotMatch(markdown, /NaN|Infinity/);
  const [, rate, ratio] = rowOf(measured(markdown), 'late');
  assert.equal(rate, 'none in time');
  assert.equal(ratio, '-');
  assert.match(markdown, /^\* late, 3 of 3 runs: nobody was answered before it was over/m);
  assert.match(markdown, /Most a second: ours;/);
});

test('who answers nobody at all has no times either', () => {
  const dead = {
    ...{ ratePerS: 0, ok: 0, failed: 40, due: 40, meanUs: null, p90Us: null, p99Us: null },
    cpuUsPerRequest: null,
    faults: [
      {
        kind: 'target',
        sentence: 'Not one right answer in 40 requests: 40 status.',
        weight: 'invalid' as const,
      },
    ],
  };
  const { markdown } = render([...makeRounds('ours'), ...makeRounds('dead', dead)]);
  assert.doesNotMatch(markdown, /NaN|Infinity|null/);
  assert.deepEqual(rowOf(measured(markdown), 'dead').slice(1, 5), ['no right answer', '-', '-', '-']);
  assert.match(markdown, /^\* dead, 3 of 3 runs: Not one right answer/m);
  assert.doesNotMatch(measured(markdown), /Most a second/);
});

test('a P99 of few answers is not shown, and judges nobody', () => {
  const few = { task: hashing, ok: 100, ratePerS: 12 };
  const { markdown } = render([...makeRounds('ours', few), ...makeRounds('theirs', few)]);
  assert.equal(rowOf(measured(markdown), 'ours')[5], '- (300 answers)');
  assert.doesNotMatch(markdown, /Shortest P99/);
});

test('the times of a closed loop are called those of an overload, and rank nobody', () => {
  const { markdown } = render([...makeRounds('ours'), ...makeRounds('theirs')]);
  assert.match(markdown, /times are those of an overload/);
  assert.doesNotMatch(markdown, /Shortest P99/);
  assert.match(markdown, /Most a second: ours, not told apart from theirs/);
});

test('who does not keep the rate is said to, and is not ranked', () => {
  const faults = [
    {
      kind: 'rate',
      sentence: 'Only 66 % of the requests due at 600/s were answered in time.',
      weight: 'invalid' as const,
    },
  ];
  const { markdown } = render([
    ...makeRounds('ours', { task: fixedRate }),
    ...makeRounds('theirs', { task: fixedRate, p99Us: 9000 }),
    ...makeRounds('slow', { task: fixedRate, p99Us: 1, faults }),
  ]);
  assert.match(markdown, /^\* slow, 3 of 3 runs: Only 66 %/m);
  assert.match(markdown, /Shortest P99: ours;/);
  assert.equal(rowOf(measured(markdown), 'theirs')[2], '**3.00** (3.00-3.00)');
});

test('of a single round it says that it is nothing to quote', () => {
  const { markdown } = render([makeRun('ours'), makeRun('theirs', { ratePerS: 250 })], 1);
  assert.match(markdown, /nothing to quote/);
  assert.deepEqual(rowOf(measured(markdown), 'theirs').slice(1, 3), ['**250**', '4.00']);
  assert.match(markdown, /Most a second: ours, not told apart from theirs/);
});

test('each task has a chart in a file that the page shows', () => {
  const { markdown, charts } = render([
    ...makeRounds('ours'),
    ...makeRounds('<theirs>', { ratePerS: 500 }),
    ...makeRounds('ours', { task: fixedRate }),
  ]);
  assert.deepEqual(
    charts.map(({ name }) => name),
    ['made-up-all-of-them-me-max.svg', 'made-up-all-of-them-me-600.svg'],
  );
  for (const { name, svg } of charts) {
    assert.ok(markdown.includes(`](${name})`));
    assert.match(svg, /^<svg /);
    assert.match(svg, /(?:answers a second|P99, ms) \(line: least to most\)</);
    assert.doesNotMatch(svg, /<theirs>|NaN/);
  }
});

test('says what a service that did not start said, once', () => {
  const refusal = { service: 'theirs', section: 'All of them', reason: 'It has\nno port.' };
  const report = makeReport(makeRounds('ours'), { refusals: [refusal, refusal] });
  const { markdown } = renderServicesReport(report, 'made-up');
  assert.equal(markdown.match(/theirs did not start: It has no port\./g)?.length, 1);
});

test('what was stopped says so, and what was not says nothing of it', () => {
  const report = makeReport(makeRounds('ours'));
  assert.doesNotMatch(renderServicesReport(report, 'made-up').markdown, /Not finished/);
  const { markdown } = renderServicesReport({ ...report, isUnfinished: true }, 'made-up');
  assert.match(markdown, /^\*\*Not finished: below is what was measured before it ended\./m);
});
