/** What `compare` does with sides that cannot be compared: it says so, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readResult } from '../src/result/result-file.ts';
import { type CommandLine, openCommandLine } from './support/command-line.ts';

const good = `BUSY_US=10 ${process.execPath} ${fileURLToPath(new URL('support/busy-server.ts', import.meta.url))}`;
const wrong = `${process.execPath} -e "require('http').createServer((q, r) => { r.statusCode = 500; r.end(); }).listen(process.env.PORT, '127.0.0.1')"`;
const url = 'http://127.0.0.1:{port}/';

suite('sides that cannot be compared', () => {
  let shell: CommandLine;
  before(() => {
    shell = openCommandLine();
  });
  after(() => shell.remove());

  test('a side that only answers 500 makes the comparison invalid, and the result can be read again', async () => {
    const quick = ['--block', '300ms', '--warmup', '500ms', '--connections', '2', '--max-pairs', '10'];
    const ended = await shell.lab('compare', good, wrong, '--url', url, ...quick);
    assert.equal(ended.status, 4, ended.stderr);
    assert.match(ended.stdout, /ot one right answer/);
    const result = readResult(join(shell.folder, '.irontrack-lab/compare.json'));
    assert.ok(result.kind === 'compare');
    assert.deepEqual(result.changes, []);
    const report = await shell.lab('report', '.irontrack-lab/compare.json');
    assert.equal(report.status, 0, report.stderr);
  });

  test('a checkout that cannot be prepared says what was printed, and is removed', async () => {
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@example.org', ...args], {
        cwd: shell.folder,
        encoding: 'utf8',
      });
    git('init', '--quiet', '--initial-branch', 'trunk');
    git('commit', '--quiet', '--allow-empty', '-m', 'First');
    const prepare = 'echo the cupboard is bare; exit 3';
    const sides = ['trunk', 'trunk', '--refs', '--server', good, '--url', url];
    const ended = await shell.lab('compare', ...sides, '--prepare', prepare);
    assert.equal(ended.status, 1);
    assert.match(ended.stderr, /Preparing trunk failed \(exit status 3\)[\s\S]*the cupboard is bare/);
    assert.equal(git('worktree', 'list').trim().split('\n').length, 1);
  });
});
