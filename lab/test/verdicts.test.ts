import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CommandLine, openCommandLine } from './support/command-line.ts';

const server = (busyUs: number) =>
  `BUSY_US=${busyUs} ${process.execPath} ${fileURLToPath(new URL('support/busy-server.ts', import.meta.url))}`;
const url = 'http://127.0.0.1:{port}/';
const quick = ['--block', '300ms', '--warmup', '500ms', '--connections', '4', '--max-pairs', '10'];

suite('the verdicts of the lab', () => {
  let shell: CommandLine;
  before(() => {
    shell = openCommandLine();
  });
  after(() => shell.remove());

  test('a build compared with itself is the same, or nobody can tell', async () => {
    const ended = await shell.lab('compare', server(300), server(300), '--url', url, ...quick);
    assert.ok(ended.status === 0 || ended.status === 3, `${ended.status} ${ended.stderr}`);
    const { changes } = JSON.parse(readFileSync(join(shell.folder, '.irontrack-lab/compare.json'), 'utf8'));
    assert.match(changes[0].verdict, /same|can't tell/);
  });

  test('a build that takes twice as long is slower, and the status says so', async () => {
    const ended = await shell.lab('compare', server(300), server(700), '--url', url, ...quick);
    assert.equal(ended.status, 2, ended.stderr + ended.stdout);
    assert.match(ended.stdout, /slower/);
  });

  test('a scenario anywhere on the disk imports the lab by its name', async () => {
    const lines = [
      "import { defineScenario } from 'irontrack-lab/scenario.ts';",
      "export const scenario = defineScenario({ name: 'mine', steps: [{ name: 'a', request: { path: '/' } }] });",
    ];
    writeFileSync(join(shell.folder, 'mine.ts'), lines.join('\n'));
    const args = [
      '--url',
      'http://127.0.0.1:18472',
      '--rate',
      '100',
      '--duration',
      '1s',
      '--warmup',
      '0',
      '--runs',
      '1',
    ];
    const ended = await shell.lab('run', 'mine.ts', '--server', `PORT=18472 ${server(10)}`, ...args);
    assert.match(ended.stdout, /mine/);
    assert.ok(ended.status === 0 || ended.status === 4, ended.stderr);
  });

  test('never promises more than a server can do: 200 a second when an answer takes 5 ms', async () => {
    const args = ['--slo', '100', '--duration', '2s', '--warmup', '500ms', '--connections', '20'];
    const command = `PORT=18471 ${server(5000)}`;
    const ended = await shell.lab('knee', 'http://127.0.0.1:18471/', '--server', command, ...args);
    // On a machine that is taken by others no rate may keep its promise: status 4, and said so.
    assert.ok(ended.status === 0 || ended.status === 4, ended.stderr + ended.stdout);
    const path = join(shell.folder, '.irontrack-lab/127.0.0.1-knee.json');
    const { kneePerS, points } = JSON.parse(readFileSync(path, 'utf8'));
    assert.ok(kneePerS === null || kneePerS <= 220, `${kneePerS}`);
    assert.equal(kneePerS === null, ended.status === 4);
    assert.ok(
      points.some(({ met }: { met: boolean }) => !met),
      'a rate that it cannot do was tried',
    );
  });
});
