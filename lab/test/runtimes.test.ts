import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type CommandLine, openCommandLine } from './support/command-line.ts';

function hasNginx(): boolean {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** REQUIRE_ALL=1 makes the missing program a failure: then the test runs and says so. */
const skip =
  hasNginx() || process.env.REQUIRE_ALL === '1' ? false : 'needs nginx (Debian package nginx-light)';

suite('our server on several runtimes', () => {
  let shell: CommandLine;
  before(() => {
    shell = openCommandLine();
  });
  after(() => shell.remove());

  test('serves behind nginx over TLS on the pinned Node and on 20, and is reported with versions', {
    skip,
  }, async () => {
    const ended = await shell.lab(
      'runtimes',
      ...['--only', 'node-26,node-20', '--workers', '2', '--paths', 'nginx'],
      ...['--rounds', '1', '--duration', '0.5s', '--out', 'runtimes.md'],
    );
    assert.equal(ended.status, 0, ended.stderr);
    const report = readFileSync(join(shell.folder, 'runtimes.md'), 'utf8');
    assert.match(report, /^## 2 workers, behind nginx over TLS and a Unix socket$/m);
    assert.doesNotMatch(report, /did not start/);
    assert.match(report, /^## Which to choose when$/m);
    assert.match(report, /, nginx\/\d+\.\d+/);
    assert.match(report, /\| node-20 \| 20\.\d+\.\d+ \|/);
    const [, fullRate = '', fixedRate = ''] = report.split(/^### /m);
    for (const section of [fullRate, fixedRate]) {
      for (const runtime of ['node-26', 'node-20']) {
        const row = section.split('\n').find((line) => line.startsWith(`| ${runtime} |`)) ?? '';
        // Some right answers a second, none that failed.
        assert.match(row, /^\| [\w-]+ \| \*\*[1-9]\d*\*\* .*\| 0 \|$/, section);
      }
    }
  });

  for (const [given, said] of [
    [['--only', 'deno'], /--only knows no deno: node-26, node-24, node-20, bun/],
    [['--workers', '0'], /--workers knows no 0: 1, 2/],
    [['--paths', 'apache'], /--paths knows no apache: direct, nginx/],
  ] as const) {
    test(`${given.join(' ')} is refused with what is possible`, async () => {
      const ended = await shell.lab('runtimes', ...given);
      assert.equal(ended.status, 1);
      assert.match(ended.stderr, said);
    });
  }
});
