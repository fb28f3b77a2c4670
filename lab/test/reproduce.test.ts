import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openExperimentDatabase } from '../experiments/auth/testing/experiment-database.ts';
import { verdictWords } from '../src/reproduce/finding.ts';
import { countCells, estimateSeconds, makePlan } from '../src/reproduce/plan.ts';
import { openCommandLine } from './support/command-line.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const shell = openCommandLine();
after(() => shell.remove());

suite('reproduce on a real database', () => {
  let database: Awaited<ReturnType<typeof openExperimentDatabase>>;
  before(async () => {
    database = await openExperimentDatabase();
  });
  after(() => database.drop());

  const tiny = (...more: string[]) =>
    shell.lab(
      'reproduce',
      ...['--quick', '--only', 'statements', '--rounds', '1', '--duration', '0.3s'],
      ...['--folder', 'report', '--database', database.url, ...more],
    );
  const read = (name: string) => readFileSync(join(shell.folder, 'report', name), 'utf8');
  const runsIn = (state: string) => state.split('\n').filter((line) => line.startsWith('{"kind":"run"'));

  test('measures each variant, and writes a report, a page and charts with a verdict on every hypothesis', async () => {
    const ended = await tiny();
    assert.equal(ended.status, 0, ended.stderr);
    assert.match(ended.stderr, /^3 measurements, about /);
    for (const number of [1, 2, 3, 4, 5, 6, 7]) {
      const line = new RegExp(`^${number}\\. .*: (${verdictWords.join('|')})$`, 'm');
      assert.match(ended.stdout, line);
      assert.match(read('report.md'), new RegExp(line.source.replace('^', '^### '), 'm'));
    }
    assert.match(read('report.md'), /\| pipelined on one connection \|/);
    assert.match(read('report.md'), /PostgreSQL \d+/);
    assert.match(read('report.html'), /^<!doctype html>/);
    assert.doesNotMatch(read('report.html'), /[^\t\n\r\x20-\x7e]/);
    assert.match(read('statements-rate.svg'), /^<svg /);
    assert.equal(runsIn(read('measured.jsonl')).length, 3);
  });

  test('goes on with what is missing, and measures nothing that is there', async () => {
    const path = join(shell.folder, 'report', 'measured.jsonl');
    const lines = read('measured.jsonl').trimEnd().split('\n');
    const kept = lines.filter((line) => !/"variant":"parallel"/.test(line));
    // As a kill in the middle of a write leaves it.
    writeFileSync(path, `${kept.join('\n')}\n{"kind":"run","gro`);
    const ended = await tiny();
    assert.equal(ended.status, 0, ended.stderr);
    assert.match(ended.stderr, /^2 of 3 measurements are there/);
    assert.match(ended.stderr, /starting parallel/);
    assert.doesNotMatch(ended.stderr, /starting (?:one after|pipelined)/);
    const runs = runsIn(read('measured.jsonl'));
    assert.equal(runs.length, 3);
    for (const line of runsIn(kept.join('\n')))
      assert.ok(runs.includes(line), 'what was measured stays as it was');
  });

  test('writes the report anew from what is there, without a server', async () => {
    const before = read('measured.jsonl');
    const ended = await tiny();
    assert.equal(ended.status, 0, ended.stderr);
    assert.match(ended.stderr, /measured already/);
    assert.doesNotMatch(ended.stderr, /starting/i);
    assert.equal(read('measured.jsonl'), before);
  });

  test('what another commit measured can be reported, but nothing is added to it', async () => {
    const path = join(shell.folder, 'report', 'measured.jsonl');
    const before = read('measured.jsonl');
    const [head = '', ...rest] = before.trimEnd().split('\n');
    const other = JSON.stringify({ ...JSON.parse(head), source: { sha: 'f'.repeat(40), dirty: false } });
    writeFileSync(path, `${[other, ...rest].join('\n')}\n`);
    const whole = await tiny();
    assert.equal(whole.status, 0, whole.stderr);
    assert.match(read('report.md'), /\| commit \| ffffffffffff \|/);
    const less = rest.filter((line) => !/"variant":"parallel"/.test(line));
    writeFileSync(path, `${[other, ...less].join('\n')}\n`);
    const refused = await tiny();
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /another commit.*--fresh/);
    writeFileSync(path, before);
  });

  test('an interruption keeps what is measured and leaves no service behind; the same command goes on', async () => {
    const args = [
      '--quick',
      '--only',
      'statements',
      '--rounds',
      '2',
      '--duration',
      '0.3s',
      '--folder',
      'stopped',
    ];
    const state = join(shell.folder, 'stopped', 'measured.jsonl');
    const countRuns = () => (existsSync(state) ? runsIn(readFileSync(state, 'utf8')).length : 0);
    const child = spawn(process.execPath, [main, 'reproduce', ...args, '--database', database.url], {
      cwd: shell.folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const ended = once(child, 'close');
    while (countRuns() === 0 && child.exitCode === null) await sleep(20);
    child.kill('SIGINT');
    assert.deepEqual(await ended, [1, null], stderr);
    assert.match(stderr, /is kept.*\n.*(?:Interrupted|Stopped)/);
    const { pathname } = new URL(database.url);
    assert.deepEqual(findCommandsWith(pathname), []);
    const kept = countRuns();
    assert.ok(kept >= 1 && kept < 6, `${kept} runs`);
    const again = await shell.lab('reproduce', ...args, '--database', database.url);
    assert.equal(again.status, 0, again.stderr);
    assert.match(again.stderr, new RegExp(`^${kept} of 6 measurements are there`));
    assert.equal(countRuns(), 6);
  });

  test('does not mix two plans, nor read what is no state', async () => {
    const other = await tiny('--pin', 'off');
    assert.equal(other.status, 1);
    assert.match(other.stderr, /another plan.*--fresh/);
    appendFileSync(join(shell.folder, 'report', 'measured.jsonl'), 'nonsense\n');
    const damaged = await tiny();
    assert.equal(damaged.status, 1);
    assert.match(damaged.stderr, /damaged.*--fresh/);
  });
});

/** Of living processes; only Linux shows them as files. */
function findCommandsWith(text: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .filter((command) => command.includes('main.ts') && command.includes(text));
}

const refused = [
  { what: 'a load that is none', args: ['--only', 'everything'], says: /--only takes signup, / },
  { what: 'no rounds', args: ['--rounds', '0'], says: /--rounds takes a whole number/ },
  { what: 'a duration without sense', args: ['--duration', 'long'], says: /--duration takes a duration/ },
  { what: 'a database that is none', args: ['--database', 'mysql://x/y'], says: /--database postgres:/ },
  {
    what: "somebody else's database",
    args: ['--database', 'postgres://u@192.0.2.1/x'],
    says: /192\.0\.2\.1/,
  },
  { what: 'a core that is not there', args: ['--pin', 'server=4095,generator=0'], says: /core 4095/ },
  { what: 'an argument', args: ['again'], says: /one argument too many/ },
  {
    what: 'a report inside of a file',
    args: ['--report', join(main, 'report')],
    says: /--report .*main\.ts.* cannot be written there/,
  },
];
for (const { what, args, says } of refused) {
  test(`refuses ${what} in a sentence, before anything is written`, async () => {
    const ended = await shell.lab('reproduce', '--folder', 'refused', ...args);
    assert.equal(ended.status, 1);
    assert.match(ended.stderr, says);
    assert.doesNotMatch(ended.stderr, /\n {4}at /);
    assert.equal(existsSync(join(shell.folder, 'refused')), false);
  });
}

test('refuses a folder that is a file in a sentence', async () => {
  const ended = await shell.lab('reproduce', '--folder', main);
  assert.equal(ended.status, 1);
  assert.match(ended.stderr, /^irontrack-lab: --folder .*main\.ts cannot be written there/);
});

test('--plan says what is measured and how long it takes, and does nothing', async () => {
  const ended = await shell.lab('reproduce', '--quick', '--plan', '--folder', 'planned');
  assert.equal(ended.status, 0);
  assert.match(ended.stdout, /^\d+ measurements in 5 rounds, about \d+ minutes:/);
  assert.ok(!readdirSync(shell.folder).includes('planned'));
});

test('a quick run is planned for less than ten minutes, and every group has its variants', () => {
  const quick = makePlan({ isQuick: true });
  assert.ok(estimateSeconds(quick) < 600, `${estimateSeconds(quick)} s`);
  for (const { id, variants, profiled } of quick.groups) {
    const ids = variants.map((variant) => variant.id);
    assert.equal(new Set(ids).size, ids.length, id);
    for (const name of profiled) assert.ok(ids.includes(name), `${id}: ${name}`);
  }
  assert.ok(countCells(makePlan({ isQuick: false })) > countCells(quick));
});
