import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pieceNames } from '../../experiments/auth/piece-names.ts';
import { cpuOf, rateOf, readFigures } from './figures.ts';
import type { VerdictWord } from './finding.ts';
import { judgeHypotheses } from './hypotheses.ts';
import { makePlan } from './plan.ts';
import { makeReport } from './report.ts';
import type { State } from './state.ts';
import {
  addPieces,
  example,
  makePings,
  measure,
  prepareStates,
  profile,
  type Seen,
} from './testing/made-up-state.ts';
import { writeMarkdown, writePage } from './write-report.ts';

const plan = makePlan({ isQuick: true });
const newState = prepareStates();

function judge(state: State, number: number) {
  const finding = judgeHypotheses(readFigures(plan, state)).find((each) => each.number === number);
  assert.ok(finding !== undefined);
  return finding;
}

function expectVerdict(number: number, verdict: VerdictWord, fill: (state: State) => void): void {
  const state = newState();
  fill(state);
  const finding = judge(state, number);
  assert.equal(finding.verdict, verdict, finding.measured.join(' '));
  assert.ok(finding.measured.length > 0);
}

test('nothing measured is nothing judged', () => {
  for (const { verdict } of judgeHypotheses(readFigures(plan, newState())))
    assert.equal(verdict, 'cannot tell');
});

const signing = (token: number, hash: number) => (state: State) =>
  profile(state, 'signin', 'step-0', { functions: { signToken: token, hashOnLoop: hash } });

test('signatures dominate only when they take more than the password', () => {
  expectVerdict(2, 'holds', signing(660, 110));
  expectVerdict(2, 'holds in part', signing(200, 700));
  expectVerdict(2, 'does not hold', signing(10, 950));
  expectVerdict(2, 'cannot tell', signing(10, 0));
  // A second of samples, one a millisecond, does not tell these apart.
  expectVerdict(2, 'cannot tell', signing(460, 440));
});

test('a contradiction is explained from the figures of the run', () => {
  const state = newState();
  signing(10, 950)(state);
  addPieces(state, {
    [pieceNames.rsaSign]: 500,
    [pieceNames.rsaSignPem]: 900,
    [pieceNames.hashOneLane]: 60_000,
  });
  const { why } = judge(state, 2);
  assert.match(why ?? '', /500 .s here and the hash 60\.0 ms, 120 times as much/);
});

test('a hash on the loop blocks it when stalls show, and threads help when pings no longer wait', () => {
  const fill =
    (before: Seen, after: Seen, p99: [number, number], pingsARun = 1000) =>
    (state: State) => {
      profile(state, 'signup', 'step-0', before);
      profile(state, 'signup', 'step-1', after);
      for (const [step, p99Us] of p99.entries())
        for (const round of [1, 2, 3]) {
          const run = makePings(p99Us * (1 + round / 5), pingsARun);
          state.add({ kind: 'run', group: 'bystander', variant: `step-${step}`, round, run });
        }
    };
  const blocked = { stallMs: 150, blockedShare: 0.5 };
  expectVerdict(1, 'holds', fill(blocked, {}, [150_000, 3000]));
  expectVerdict(1, 'holds in part', fill(blocked, {}, [150_000, 120_000]));
  expectVerdict(1, 'holds in part', fill(blocked, { stallMs: 90, blockedShare: 0.4 }, [150_000, 3000]));
  expectVerdict(1, 'does not hold', fill({}, {}, [3000, 3000]));
  // A stall that the hash had no part in.
  expectVerdict(1, 'does not hold', fill({ ...blocked, stalledIn: 'walk' }, {}, [150_000, 3000]));
  // Nobody signed up while it was looked at; too few pings for a P99.
  expectVerdict(1, 'cannot tell', fill({ answered: 0 }, {}, [3000, 3000]));
  expectVerdict(1, 'cannot tell', fill(blocked, {}, [150_000, 3000], 400));
});

test('keeping verified tokens counts when the CPU of a request falls beyond chance', () => {
  const fill = (rsa: number, ed25519: number, left: number, after: number) => (state: State) => {
    addPieces(state, { [pieceNames.rsaVerify]: rsa, [pieceNames.ed25519Verify]: ed25519 });
    profile(state, 'me', 'step-5', { functions: { verifyToken: left } });
    measure(state, 'me', 'step-4', 200);
    measure(state, 'me', 'step-5', after);
  };
  expectVerdict(3, 'holds', fill(30, 130, 0, 100));
  expectVerdict(3, 'holds in part', fill(30, 130, 0, 200));
  expectVerdict(3, 'holds in part', fill(130, 130, 0, 100));
  expectVerdict(3, 'does not hold', fill(130, 130, 100, 200));
  // It fell, but by less than half of a verification: something else was saved.
  expectVerdict(3, 'holds in part', fill(30, 130, 0, 180));
});

test('whether Ed25519 alone makes /me faster is told from the step that changes nothing else', () => {
  const fill = (ed25519PerS: number) => (state: State) => {
    addPieces(state, { [pieceNames.rsaVerify]: 30, [pieceNames.ed25519Verify]: 130 });
    profile(state, 'me', 'step-5', {});
    measure(state, 'me', 'step-4', 200);
    measure(state, 'me', 'step-5', 100);
    measure(state, 'me-max', 'step-0', 100, 4000);
    measure(state, 'me-max', 'step-2', 100, ed25519PerS);
  };
  const say = (ed25519PerS: number) => {
    const state = newState();
    fill(ed25519PerS)(state);
    return judge(state, 3).measured.join(' ');
  };
  assert.match(
    say(2600),
    /Ed25519 instead of RSA, nothing else that it uses changed: 0\.650 times .* was that of its cache/,
  );
  assert.doesNotMatch(say(4400), /that of its cache/);
});

test('an interval that leaves both open is no verdict, for no hypothesis', () => {
  const noisy = (group: string, variant: string, cpuUs: readonly number[]) => (state: State) => {
    for (const [index, us] of cpuUs.entries()) {
      const run = { ...example, cpuUsPerRequest: us };
      state.add({ kind: 'run', group, variant, round: index + 1, run });
    }
  };
  expectVerdict(3, 'cannot tell', (state) => {
    addPieces(state, { [pieceNames.rsaVerify]: 30, [pieceNames.ed25519Verify]: 130 });
    profile(state, 'me', 'step-5', { functions: { other: 900 } });
    noisy('me', 'step-4', [200, 300, 150])(state);
    noisy('me', 'step-5', [100, 290, 190])(state);
  });
  expectVerdict(4, 'cannot tell', (state) => {
    const pieces = { [pieceNames.listWalk]: 110, [pieceNames.listStringify]: 60 };
    addPieces(state, { ...pieces, [pieceNames.listCompiled]: 50 });
    noisy('list', 'step-5', [300, 400, 200])(state);
    noisy('list', 'step-6', [200, 420, 210])(state);
  });
  expectVerdict(5, 'cannot tell', (state) => {
    measure(state, 'ping', 'quiet', 30);
    measure(state, 'ping', 'logged', 50);
    noisy('me', 'step-6', [60, 90, 40])(state);
    noisy('me', 'me-logged', [90, 70, 80])(state);
  });
});

test('the first pass dominates when it is the longer one and doing without it saves CPU', () => {
  const fill = (walk: number, write: number, after: number) => (state: State) => {
    const pieces = { [pieceNames.listWalk]: walk, [pieceNames.listStringify]: write };
    addPieces(state, { ...pieces, [pieceNames.listCompiled]: 50 });
    measure(state, 'list', 'step-5', 300);
    measure(state, 'list', 'step-6', after);
  };
  expectVerdict(4, 'holds', fill(110, 60, 200));
  expectVerdict(4, 'holds in part', fill(110, 60, 300));
  expectVerdict(4, 'holds in part', fill(60, 110, 200));
  expectVerdict(4, 'does not hold', fill(60, 110, 310));
});

test('the log has a fixed cost when it is about the same on both endpoints', () => {
  const fill = (onPing: number, onMe: number) => (state: State) => {
    measure(state, 'ping', 'quiet', 30);
    measure(state, 'ping', 'logged', 30 + onPing);
    measure(state, 'me', 'step-6', 60);
    measure(state, 'me', 'me-logged', 60 + onMe);
  };
  expectVerdict(5, 'holds', fill(20, 22));
  expectVerdict(5, 'holds in part', fill(20, 80));
  expectVerdict(5, 'cannot tell', fill(0, 20));
});

test('four lanes are worse when they give fewer sign-ins or take more CPU, whatever the machine drifts', () => {
  const fill = (cpu: number, rate: number) => (state: State) => {
    measure(state, 'lanes', 'lanes-1', 100, 20);
    measure(state, 'lanes', 'lanes-4', cpu, rate);
  };
  expectVerdict(6, 'holds', fill(110, 20));
  expectVerdict(6, 'holds', fill(100, 15));
  expectVerdict(6, 'does not hold', fill(100, 30));
  expectVerdict(6, 'does not hold', fill(100, 20));
  expectVerdict(6, 'cannot tell', (state) => measure(state, 'lanes', 'lanes-1', 100, 20));
});

test('whole answers that every round counts alike are no certainty', () => {
  const count = (state: State, variant: string, counted: number) => {
    for (const round of [1, 2, 3]) {
      const run = { ...example, durationS: 4, ok: counted + 4, ratePerS: counted / 4, cpuUsPerRequest: 100 };
      state.add({ kind: 'run', group: 'lanes', variant, round, run });
    }
  };
  expectVerdict(6, 'cannot tell', (state) => {
    count(state, 'lanes-1', 16);
    count(state, 'lanes-4', 16);
  });
  const state = newState();
  count(state, 'lanes-1', 16);
  count(state, 'lanes-4', 16);
  const { low, high } = readFigures(plan, state).ratio('lanes', 'lanes-1', 'lanes-4', rateOf) ?? {};
  assert.deepEqual([low?.toFixed(2), high?.toFixed(2)], ['0.80', '1.25']);
});

test('the halves of a round that was interrupted are not compared', () => {
  const state = newState();
  measure(state, 'statements', 'one-by-one', 100);
  for (const round of [1, 2, 3]) {
    const run = { ...example, startedAt: new Date(Date.parse(example.startedAt) + 3_600_000).toISOString() };
    state.add({ kind: 'run', group: 'statements', variant: 'pipelined', round, run });
  }
  assert.equal(readFigures(plan, state).ratio('statements', 'one-by-one', 'pipelined', cpuOf), undefined);
});

test('sending both statements at once helped when one way is faster beyond chance', () => {
  const fill = (pipelined: number, parallel: number) => (state: State) => {
    measure(state, 'statements', 'one-by-one', 100, 1000);
    measure(state, 'statements', 'pipelined', 100, pipelined);
    measure(state, 'statements', 'parallel', 100, parallel);
  };
  expectVerdict(7, 'holds', fill(1000, 900));
  expectVerdict(7, 'does not hold', fill(1300, 900));
  expectVerdict(7, 'cannot tell', (state) => measure(state, 'statements', 'one-by-one', 100));
});

test('a round that something disturbed is named below its table, and stays in the figures', () => {
  const state = newState();
  const meanUs = [180_000, 1_080_000, 190_000];
  for (const [index, us] of meanUs.entries()) {
    const run = { ...example, response: { ...example.response, meanUs: us } };
    state.add({ kind: 'run', group: 'signup', variant: 'step-0', round: index + 1, run });
    state.add({ kind: 'run', group: 'signup', variant: 'step-1', round: index + 1, run: example });
  }
  const figures = readFigures(plan, state);
  const markdown = writeMarkdown(makeReport({ figures, findings: [], command: 'again' }));
  assert.match(
    markdown,
    /^\* 0 baseline: .*Its round 2 has a mean of 1\.08 s, 5\.68 times that of the middle one/m,
  );
  assert.doesNotMatch(markdown, /^\* 1 hash off the loop: .*Its round/m);
});

test('a report names what fell short of its rate, and nothing measured becomes markup', () => {
  const state = newState();
  const run = { ...example, deliveredShare: 0.4 };
  for (const round of [1, 2]) state.add({ kind: 'run', group: 'me', variant: 'step-0', round, run });
  const figures = readFigures(plan, state);
  const parts = makeReport({
    figures,
    findings: judgeHypotheses(figures),
    command: 'npx irontrack-lab reproduce --folder <b>|*',
  });
  const markdown = writeMarkdown(parts);
  assert.match(markdown, /^\* 0 baseline: Only 40 % of the requests due/m);
  assert.match(markdown, /\| core 0 \|/);
  assert.match(markdown, /quick run/);
  const page = writePage(parts);
  assert.match(page, /--folder &lt;b&gt;/);
  assert.doesNotMatch(page, /<script/);
});
