import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { exitStatus, LabError } from '../exit-status.ts';
import { hashConfig } from './config-hash.ts';
import { fingerprintOf, readMachine } from './machine.ts';
import type { BenchResult } from './result.ts';
import { OtherVersion, readResult, writeResult } from './result-file.ts';
import { readSource } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-result-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const result: BenchResult = {
  format: 'irontrack-lab',
  version: 1,
  labVersion: '0.1.0',
  name: 'a name',
  createdAt: '2026-01-31T09:30:00.000Z',
  command: ['irontrack-lab', 'save'],
  source: { sha: 'abc', dirty: false },
  configHash: hashConfig({}),
  machine: readMachine(),
  doctor: null,
  kind: 'bench',
  rows: [],
};

const place = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

function assertRefused(path: string, sentence: RegExp): void {
  assert.throws(
    () => readResult(path),
    (error) => {
      assert.ok(error instanceof LabError);
      assert.equal(error.status, exitStatus.tool);
      assert.match(error.message, sentence);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    },
  );
}

test('A result comes back as it was written, and nothing else stays in the folder', () => {
  const path = join(folder, 'new', 'folder', 'result.json');
  writeResult(path, result);
  writeResult(path, { ...result, name: 'another' });
  assert.deepEqual(readResult(path), { ...result, name: 'another' });
  assert.deepEqual(readdirSync(join(folder, 'new', 'folder')), ['result.json']);
});

test('A result that cannot be written is said in one sentence, and the old file stays', () => {
  const path = place('occupied', 'x');
  assert.throws(() => writeResult(join(path, 'result.json'), result), /could not be written to .*occupied/);
  assert.equal(readFileSync(path, 'utf8'), 'x');
});

test('Each way a file can be wrong has its sentence', () => {
  const text = JSON.stringify(result);
  const changed = (change: object) => JSON.stringify({ ...result, ...change });
  assertRefused(join(folder, 'nowhere.json'), /no file .*nowhere\.json/);
  assertRefused(folder, /is a folder/);
  assertRefused(place('empty.json', ''), /cut short/);
  assertRefused(place('cut.json', text.slice(0, 100)), /cut short/);
  assertRefused(place('prose.json', 'Dear reader'), /not JSON/);
  assertRefused(place('other.json', '{"a":1}'), /not a result of irontrack-lab/);
  assertRefused(place('list.json', '[]'), /not a result of irontrack-lab/);
  assertRefused(
    place('version.json', changed({ version: 99 })),
    /of version 99, and this lab reads version 1/,
  );
  assertRefused(place('kind.json', changed({ kind: 'poem' })), /unknown kind of result \("poem"\)/);
  assertRefused(place('rows.json', changed({ rows: [{ name: 1 }] })), /damaged: what is at \/rows\/0/);
  assert.throws(() => readResult(join(folder, 'version.json')), OtherVersion);
});

test('The digest of what was asked for knows the values, not the order they were written in', () => {
  assert.equal(hashConfig({ a: 1, b: { c: 2, d: 3 } }), hashConfig({ b: { d: 3, c: 2 }, a: 1 }));
  assert.notEqual(hashConfig({ a: 1 }), hashConfig({ a: 2 }));
  assert.notEqual(hashConfig([1, 2]), hashConfig([2, 1]));
  assert.match(hashConfig(undefined), /^[0-9a-f]{16}$/);
});

test('Two readings of a machine agree; another processor, or twice the memory, is another machine', () => {
  const machine = readMachine();
  assert.deepEqual(readMachine(), machine);
  assert.equal(
    machine.fingerprint,
    fingerprintOf({ ...machine, kernel: 'newer', memoryMb: machine.memoryMb }),
  );
  assert.notEqual(machine.fingerprint, fingerprintOf({ ...machine, cpu: 'another' }));
  assert.notEqual(machine.fingerprint, fingerprintOf({ ...machine, memoryMb: machine.memoryMb * 2 }));
  assert.match(machine.platform, /^[a-z0-9]+-[a-z0-9]+-node-\d+$/);
});

test('The source is the commit, whether it was changed, and none outside a repository', async () => {
  const repository = join(folder, 'repository');
  mkdirSync(repository);
  assert.equal(await readSource(folder), null);
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@example.org', ...args], {
      cwd: repository,
      encoding: 'utf8',
    }).trim();
  git('init', '--quiet', '--initial-branch', 'trunk');
  assert.equal(await readSource(repository), null);
  git('commit', '--quiet', '--allow-empty', '-m', 'First');
  const sha = git('rev-parse', 'HEAD');
  assert.deepEqual(await readSource(repository), { sha, dirty: false, branch: 'trunk' });
  writeFileSync(join(repository, 'new.txt'), 'new');
  git('checkout', '--quiet', '--detach');
  assert.deepEqual(await readSource(repository), { sha, dirty: true });
});
