import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { examplesIn, readDocument, sectionOf, tableRows } from './document.ts';

const launcher = fileURLToPath(new URL('../../bin/irontrack.mjs', import.meta.url));
const documentedAddress = 'http://127.0.0.1:8000';
const folder = mkdtempSync(join(tmpdir(), 'irontrack-walk-'));
const dataDir = join(folder, 'data');
let server: ChildProcess | undefined;
let printed = '';

const hasPrograms =
  process.platform !== 'win32' && spawnSync('bash', ['-c', 'command -v curl sed mktemp']).status === 0;
const skip =
  hasPrograms || process.env.REQUIRE_ALL === '1' ? false : 'needs bash and curl (packages bash and curl)';

before(async () => {
  // Everybody may pass: under root PostgreSQL runs as another user.
  chmodSync(folder, 0o711);
  const { PATH, HOME, TMPDIR } = process.env;
  server = spawn(process.execPath, [launcher, 'serve'], {
    env: { PATH, HOME, TMPDIR, PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  server.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const deadline = Date.now() + 60_000;
  while (!printed.includes('Password') && server.exitCode === null) {
    assert.ok(Date.now() < deadline, `no start within a minute: ${printed}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

after(async () => {
  if (server?.exitCode === null) {
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], 'a server that is asked to stop ends with 0');
  }
  rmSync(folder, { recursive: true, force: true });
});

/** What was printed on the line that begins so. */
function readPrinted(beginning: string): string {
  const line = printed.split('\n').find((each) => each.startsWith(beginning));
  assert.ok(line !== undefined, `no line "${beginning}" in ${printed}`);
  return line.slice(beginning.length);
}

/** Runs an example as it stands but for the address and the password, and compares what it prints. */
function walk(example: string, promised: string): void {
  assert.ok(example.includes(documentedAddress), 'the example names the address');
  const script = example
    .replaceAll(documentedAddress, readPrinted('IronTrack serves on '))
    .replaceAll('Iron-...', readPrinted('Password, shown this once: '));
  const output = execFileSync('bash', ['-euo', 'pipefail', '-c', script], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' },
  });
  const pattern = promised.split('...').map(RegExp.escape).join('.*');
  assert.match(output, new RegExp(`^${pattern}$`), `it printed:\n${output}`);
}

/** The examples of a document with what each prints: a `bash` block and the `text` block that follows it. */
function walksOf(document: string): [string, string][] {
  return [...document.matchAll(/^```bash\n.*?^```\n.*?^```text\n.*?^```/gms)].map(([pair]) => [
    examplesIn(pair, 'bash')[0] ?? '',
    examplesIn(pair, 'text')[0] ?? '',
  ]);
}

test('the walk of the README works when pasted, twice too', { skip }, () => {
  const walks = walksOf(readDocument('README.md'));
  assert.equal(walks.length, 1);
  for (const [example, promised] of [...walks, ...walks]) walk(example, promised);
});

test('the examples of the quick start work when pasted one after the other', { skip }, () => {
  const walks = walksOf(readDocument('docs/quick-start.md'));
  assert.equal(walks.length, 3);
  for (const [example, promised] of walks) walk(example, promised);
});

test('the first start prints what the quick start says', () => {
  const [promised = ''] = examplesIn(
    sectionOf(readDocument('docs/quick-start.md'), 'The first start'),
    'text',
  );
  const pattern = promised
    .replaceAll(documentedAddress, 'ADDRESS')
    .split('...')
    .map(RegExp.escape)
    .join('.*')
    .replaceAll('ADDRESS', 'http://127\\.0\\.0\\.1:\\d+');
  assert.match(printed, new RegExp(pattern));
});

test('the data folder holds what the quick start lists', () => {
  const rows = tableRows(sectionOf(readDocument('docs/quick-start.md'), 'Where data and keys live'), 'in it');
  const names = rows.flatMap(([cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
  assert.ok(names.length >= 5);
  for (const name of names) assert.ok(existsSync(join(dataDir, name)), name);
});
