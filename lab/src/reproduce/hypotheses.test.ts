import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pieceNames } from '../../experiments/auth/piece-names.ts';
import { makeExampleRun } from '../report/example-results.ts';
import { readMachine } from '../result/machine.ts';
import type { FlameNode, MicroRow, RunMeasurement } from '../result/result.ts';
import { readFigures } from './figures.ts';
import { judgeHypotheses, type VerdictWord } from './hypotheses.ts';
import { makePlan } from './plan.ts';
import { makeReport } from './report.ts';
import { makeHead, openState, type State } from './state.ts';
import { writeMarkdown, writePage } from './write-report.ts';

const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-verdicts-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const plan = makePlan({ isQuick: true });
let files = 0;

function newState(): State {
  files += 1;
  const head = makeHead({
    labVersion: '0',
    startedAt: '2026-01-01T00:00:00Z',
    configHash: '0',
    isQuick: true,
    machine: readMachine(),
    source: null,
    serverCores: '0',
    generatorCores: '1',
    databaseCores: '0',
    versions: { Node: '26' },
  });
  return openState(join(folder, `${files}.jsonl`), head, { isFresh: true });
}

const example: RunMeasurement = { ...makeExampleRun({ durationS: 1 }), series: [] };

/** Three rounds that differ by a percent, on a machine that is slower in each. */
function measure(state: State, group: string, variant: string, cpuUs: number, ratePerS = 100): void {
  for (const round of [1, 2, 3]) {
    const drift = 1 + round / 5;
    const wobble = 1 + (round - 2) / 200;
    const run = {
      ...example,
      cpuUsPerRequest: cpuUs * drift * wobble,
      ratePerS: (ratePerS / drift) * wobble,
    };
    state.add({ kind: 'run', group, variant, round, run });
  }
}

interface Seen {
  /** CPU by function name. */
  functions?: Readonly<Record<string, number>>;
  stallMs?: number;
  blockedShare?: number;
}

function profile(state: State, group: string, variant: string, seen: Seen): void {
  const { functions = {}, stallMs, blockedShare = 0 } = seen;
  const children = Object.entries(functions).map(([name, us]): FlameNode => {
    return { name, where: 'a.ts:1', totalUs: us, selfUs: us, children: [] };
  });
  const stall = { startS: 0, lengthMs: stallMs ?? 0, requestsHurt: 1, stack: [] };
  state.add({
    kind: 'profile',
    group,
    variant,
    table: { cpuS: 1, wallS: 1, functions: [], packages: [] },
    stalls: stallMs === undefined ? [] : [stall],
    blockedShare,
    answered: 10,
    flame: { name: 'all CPU', where: '', totalUs: 1000, selfUs: 0, children },
  });
}

function addPieces(state: State, medians: Readonly<Record<string, number>>): void {
  const rows = Object.entries(medians).map(([name, medianUs]): MicroRow => {
    const row = { minUs: medianUs, maxUs: medianUs, meanUs: medianUs, stddevUs: 0, iqrUs: 0 };
    return { name, medianUs, ...row, outliers: [0, 0], opsPerS: 1, rounds: 5, iterations: 1 };
  });
  state.add({ kind: 'pieces', rows });
}

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
  const pings = (p99Us: number): RunMeasurement => {
    const response = {
      ...example.response,
      count: 1,
      minUs: p99Us,
      maxUs: p99Us,
      meanUs: p99Us,
      buckets: [],
    };
    const buckets: [number, number][] = [[Math.floor((Math.log2(p99Us) + 10) * 256), 1]];
    return { ...example, steps: { ping: { ok: 1, failed: 0, response: { ...response, buckets } } } };
  };
  const fill = (before: Seen, after: Seen, p99: [number, number]) => (state: State) => {
    profile(state, 'signup', 'step-0', before);
    profile(state, 'signup', 'step-1', after);
    for (const [step, p99Us] of p99.entries())
      state.add({ kind: 'run', group: 'bystander', variant: `step-${step}`, round: 1, run: pings(p99Us) });
  };
  const blocked = { stallMs: 150, blockedShare: 0.5 };
  expectVerdict(1, 'holds', fill(blocked, {}, [150_000, 3000]));
  expectVerdict(1, 'holds in part', fill(blocked, {}, [150_000, 120_000]));
  expectVerdict(1, 'holds in part', fill(blocked, { stallMs: 90, blockedShare: 0.4 }, [150_000, 3000]));
  expectVerdict(1, 'does not hold', fill({}, {}, [3000, 3000]));
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

test('a report names what fell short of its rate, and nothing measured becomes markup', () => {
  const state = newState();
  const run = { ...example, deliveredShare: 0.4 };
  for (const round of [1, 2]) state.add({ kind: 'run', group: 'me', variant: 'step-0', round, run });
  const figures = readFigures(plan, state);
  const parts = makeReport({
    figures,
    findings: judgeHypotheses(figures),
    command: 'npx irontrack-lab reproduce --folder <b>|*',
    finishedAt: '2026-01-01T00:01:00Z',
  });
  const markdown = writeMarkdown(parts);
  assert.match(markdown, /^\* 0 baseline: Only 40 % of the requests due/m);
  assert.match(markdown, /\| core 0 \|/);
  assert.match(markdown, /quick run/);
  const page = writePage(parts);
  assert.match(page, /--folder &lt;b&gt;/);
  assert.doesNotMatch(page, /<script/);
});
