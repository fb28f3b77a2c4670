import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { burningServerPath, startBurningServer } from '../profile/testing/burning-server-process.ts';

const skip = process.platform === 'linux' ? false : 'reads /proc';
const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'irontrack-profile-'));
after(() => rm(folder, { recursive: true }));
const server = skip === false ? await startBurningServer() : undefined;
after(() => server?.stop());

function theServer() {
  assert.ok(server);
  return server;
}

async function runLab(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  return { status, stdout, stderr };
}

test('profile under load names the hot function, writes the page, and compares with the profile before', {
  skip,
}, async () => {
  const { pid, url } = theServer();
  const target = [
    `${url}/`,
    '--pid',
    String(pid),
    '--rate',
    '100',
    '--connections',
    '4',
    '--no-spin',
    '--pin',
    'off',
  ];
  const short = ['--warmup', '300ms', '--seconds', '1'];
  const first = await runLab(
    'profile',
    ...target,
    ...short,
    '--out',
    'a.html',
    '--cpuprofile',
    'a.cpuprofile',
  );
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stdout, /^\d+ % of the CPU went to burnTheCpu \(/);
  const saved: unknown = JSON.parse(await readFile(join(folder, 'a.cpuprofile'), 'utf8'));
  assert.ok(typeof saved === 'object' && saved !== null && 'irontrackLab' in saved && 'nodes' in saved);
  assert.match(await readFile(join(folder, 'a.html'), 'utf8'), /<!doctype html>/);

  const second = await runLab('profile', ...target, ...short, '--out', 'b.html', '--diff', 'a.cpuprofile');
  assert.equal(second.status, 0, second.stderr);
  assert.match(
    await readFile(join(folder, 'b.html'), 'utf8'),
    /CPU per request (?:as|than) in a\.cpuprofile/,
  );
});

test('profile starts a server, profiles it and stops it again', { skip }, async () => {
  const port = 20_000 + (process.pid % 10_000);
  const command = `PORT=${port} exec ${process.execPath} --inspect-port=0 ${burningServerPath}`;
  const url = `http://127.0.0.1:${port}/`;
  const result = await runLab(
    'profile',
    '--server',
    command,
    '--url',
    url,
    '--seconds',
    '0.5',
    '--out',
    'c.html',
  );
  assert.equal(result.status, 0, result.stderr);
  assert.match(result.stdout, /Flame graph: .*c\.html/);
  await assert.rejects(fetch(url), 'nothing answers there any more');
});

test('sample prints a line for each lane, or the readings as JSON', { skip }, async () => {
  const { pid, keepAsking } = theServer();
  const stopAsking = keepAsking('/');
  const table = await runLab('sample', '--pid', String(pid), '--seconds', '0.6');
  const json = await runLab('sample', '--pid', String(pid), '--seconds', '0.6', '--json');
  await stopAsking();
  assert.equal(table.status, 0, table.stderr);
  assert.match(table.stdout, /^1 process, [\d.]+ s, CPU [\d.,]+ ms/);
  for (const lane of ['server CPU', 'waiting for a core', 'memory', 'core 0'])
    assert.ok(table.stdout.includes(lane));
  const { lanes, cpuMs } = JSON.parse(json.stdout);
  assert.ok(lanes.length >= 3 && cpuMs > 0);
});

test('what cannot be profiled or sampled is one sentence and status 1', { skip }, async () => {
  const pid = String(theServer().pid);
  const wrong: [string[], RegExp][] = [
    [['profile'], /Name one server/],
    [['profile', '--pid', pid, '--inspect-url', 'ws://127.0.0.1:1/'], /Name one server/],
    [['profile', '--pid', '4194304'], /There is no process/],
    [['profile', '--pid', pid, '--diff', 'nothing.cpuprofile'], /cannot be read as JSON/],
    [['profile', '--pid', pid, '--seconds', '0'], /--seconds/],
    [['profile', '--inspect-url', 'ws://127.0.0.1:1/'], /No inspector answers/],
    [['sample'], /Name the server/],
    [['sample', '--pid', '4194304'], /There is no process/],
  ];
  for (const [args, sentence] of wrong) {
    const { status, stderr, stdout } = await runLab(...args);
    assert.equal(status, 1, args.join(' '));
    assert.match(stderr, sentence);
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
    assert.equal(stdout, '');
  }
});
