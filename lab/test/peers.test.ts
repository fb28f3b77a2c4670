import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type CommandLine, openCommandLine } from './support/command-line.ts';

suite('the service beside its peers', () => {
  let shell: CommandLine;
  before(() => {
    shell = openCommandLine();
  });
  after(() => shell.remove());

  test('installs, starts and drives another service in turn with ours, and reports both with versions', async () => {
    const ended = await shell.lab(
      'peers',
      ...['--only', 'irontrack,express', '--tasks', 'me', '--passwords', 'own'],
      ...['--rounds', '1', '--duration', '0.5s', '--out', 'peers.md'],
    );
    assert.equal(ended.status, 0, ended.stderr);
    const report = readFileSync(join(shell.folder, 'peers.md'), 'utf8');
    assert.match(report, /\| express \| bcrypt, 10 rounds \| express \d+\.\d+\.\d+, passport \d/);
    assert.match(report, /^Before you quote it:$/m);
    const charts = [...report.matchAll(/\]\(([\w-]+\.svg)\)/g)].map(([, name = '']) => name);
    // Half a second at 600/s is too short for a P99, so of that there is none.
    assert.deepEqual(charts, ['peers-each-as-its-guides-recommend-me-max.svg']);
    for (const name of charts) assert.match(readFileSync(join(shell.folder, name), 'utf8'), /^<svg /);
    const sections = report.split(/^### /m).slice(1);
    assert.deepEqual(
      sections.map((section) => section.split(',')[0]),
      ['me at full rate', 'me at 600/s'],
    );
    for (const section of sections) {
      // Signing up and in went before: without it nobody would be known here.
      for (const service of ['irontrack', 'express']) {
        const row = section.split('\n').find((line) => line.startsWith(`| ${service} |`)) ?? '';
        // Some right answers a second, none that failed.
        assert.match(row, /^\| [\w-]+ \| \*\*[1-9]\d*\*\* .*\| 0 \|$/, section);
      }
    }
  });

  for (const [given, said] of [
    [['--only', 'irontrack,django'], /--only knows no django: irontrack, better-auth, express/],
    [['--tasks', 'me,'], /--tasks knows no empty name: signup, signin, me/],
    [['--passwords', 'none'], /--passwords takes own, equal or both/],
    [['--folder', '/proc/version'], /--folder \/proc\/version cannot be written there/],
    [['--out', '/proc/version/peers.md'], /--out \/proc\/version\/peers\.md cannot be written there/],
  ] as const) {
    test(`${given.join(' ')} is refused with what is possible`, async () => {
      const ended = await shell.lab('peers', ...given);
      assert.equal(ended.status, 1);
      assert.match(ended.stderr, said);
    });
  }
});
