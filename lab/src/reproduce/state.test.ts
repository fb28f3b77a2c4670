import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readMachine } from '../result/machine.ts';
import { checkMayAdd, makeHead, openState } from './state.ts';
import { addPieces, measure, profile } from './testing/made-up-state.ts';

const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-state-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const source = { sha: 'a'.repeat(40), dirty: false };
const head = makeHead({
  labVersion: '0',
  startedAt: '2026-01-01T00:00:00Z',
  configHash: 'plan',
  isQuick: true,
  machine: readMachine(),
  source,
  serverCores: '0',
  generatorCores: '1',
  databaseCores: '0',
  versions: { Node: '26' },
});
const postgres = { kind: 'postgres', version: '18.4' } as const;

test('what was killed in the middle of its first line begins again', () => {
  const path = join(folder, 'first.jsonl');
  for (const torn of ['', '{"ki', JSON.stringify(head).slice(0, -5)]) {
    writeFileSync(path, torn);
    openState(path, head, { isFresh: false }).add(postgres);
    assert.equal(openState(path, head, { isFresh: false }).postgresVersion(), '18.4');
  }
});

test('every kind of line is read again as it was written', () => {
  const path = join(folder, 'kinds.jsonl');
  const state = openState(path, head, { isFresh: false });
  state.add(postgres);
  measure(state, 'me', 'step-0', 100);
  profile(state, 'me', 'step-0', { functions: { verifyToken: 10 }, stallMs: 30 });
  addPieces(state, { 'a hash': 160_000 });
  const again = openState(path, head, { isFresh: false });
  assert.deepEqual(again.profiles, state.profiles);
  assert.deepEqual(again.runs, state.runs);
  assert.deepEqual(again.pieces, state.pieces);
  assert.ok(again.hasProfile('me', 'step-0') && again.hasRun('me', 'step-0', 3));
});

test('half a line at the end is forgotten, and what follows is whole', () => {
  const path = join(folder, 'last.jsonl');
  writeFileSync(path, `${JSON.stringify(head)}\n{"kind":"postgres","version":"\u00fc`);
  const state = openState(path, head, { isFresh: false });
  assert.equal(state.postgresVersion(), 'unknown');
  state.add(postgres);
  assert.equal(readFileSync(path, 'utf8').trimEnd().split('\n').length, 2);
});

test("somebody else's file is not touched", () => {
  const path = join(folder, 'notes.txt');
  for (const text of ['my notes', '{"kind":"shopping"}\n', '[]\n']) {
    writeFileSync(path, text);
    assert.throws(() => openState(path, head, { isFresh: false }), /no state|damaged/);
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});

const others = [
  { what: 'commit', now: { ...head, source: { ...source, sha: 'b'.repeat(40) } } },
  { what: 'machine', now: { ...head, machine: { ...head.machine, fingerprint: 'other' } } },
  { what: 'Node', now: { ...head, machine: { ...head.machine, node: '0.10' } } },
  { what: 'version of the lab', now: { ...head, labVersion: '1' } },
];
for (const { what, now } of others) {
  test(`another ${what} may be read, and nothing added`, () => {
    const path = join(folder, `${what}.jsonl`);
    openState(path, head, { isFresh: false }).add(postgres);
    const state = openState(path, now, { isFresh: false });
    assert.equal(state.differsIn, what);
    assert.deepEqual(state.head, head);
    assert.equal(state.postgresVersion(), '18.4');
    assert.throws(() => checkMayAdd(state, path), new RegExp(`another ${what}; use --fresh`));
  });
}

test('another plan is refused at once', () => {
  const path = join(folder, 'plan.jsonl');
  openState(path, head, { isFresh: false });
  assert.throws(() => openState(path, { ...head, configHash: 'x' }, { isFresh: false }), /another plan/);
});
