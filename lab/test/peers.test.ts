import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type CommandLine, openCommandLine } from './support/command-line.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

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

  test('stopped in the middle it keeps what it has, marked as not finished, and leaves nothing running', async (t) => {
    const temporary = mkdtempSync(join(tmpdir(), 'irontrack-lab-stopped-'));
    t.after(() => rmSync(temporary, { recursive: true, force: true }));
    // Under root PostgreSQL runs as another user.
    chmodSync(temporary, 0o711);
    const args = ['--only', 'irontrack', '--tasks', 'me', '--passwords', 'own', '--rounds', '100'];
    const child = spawn(
      process.execPath,
      [main, 'peers', ...args, '--duration', '0.3s', '--out', 'stopped.md'],
      {
        cwd: shell.folder,
        env: { ...process.env, TMPDIR: temporary },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const ended = once(child, 'close');
    const out = join(shell.folder, 'stopped.md');
    while (!existsSync(out) && child.exitCode === null) await sleep(20);
    child.kill('SIGINT');
    assert.deepEqual(await ended, [1, null], stderr);
    assert.match(stderr, /^What was measured is in .*stopped\.md\.$/m);
    assert.match(readFileSync(out, 'utf8'), /^\*\*Not finished: /m);
    assert.deepEqual(
      readdirSync(temporary).filter((name) => name.startsWith('irontrack-')),
      [],
    );
    assert.deepEqual(findProcessesOf(temporary), []);
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

/** Living processes whose environment names a folder; only Linux shows them as files. */
function findProcessesOf(folder: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
}
