import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const runner = fileURLToPath(new URL('run-tests.ts', import.meta.url));
const head = "import { test } from 'node:test'; import assert from 'node:assert';";

test('ends in one line that counts, and with status 1 when a test failed', async (t) => {
  const passing = await runTests(
    t,
    `${head} test('good', () => {}); test('later', { skip: 'why' }, () => {});`,
  );
  assert.deepEqual(passing, { status: 0, lastLine: '1 passed, 0 failed, 1 skipped' });
  const failing = await runTests(t, `${head} test('good', () => {}); test('bad', () => assert.fail());`);
  assert.deepEqual(failing, { status: 1, lastLine: '1 passed, 1 failed' });
  const crashing = await runTests(
    t,
    `${head} test('good', () => {}); setTimeout(() => process.exit(3), 50);`,
  );
  assert.equal(crashing.status, 1);
});

test('counts no tests as a failure', async (t) => {
  assert.deepEqual(await runTests(t, ''), { status: 1, lastLine: '0 passed, 1 failed' });
  assert.deepEqual(await runTests(t, undefined), { status: 1, lastLine: '0 passed, 0 failed' });
  const skipped = await runTests(t, `${head} test('later', { skip: 'why' }, () => {});`);
  assert.deepEqual(skipped, { status: 1, lastLine: '0 passed, 0 failed, 1 skipped' });
});

test('takes a folder for the test files in it', async (t) => {
  const code = `${head} test('good', () => {});`;
  assert.deepEqual(await runTests(t, code, { byFolder: true }), {
    status: 0,
    lastLine: '1 passed, 0 failed',
  });
});

test('gives every file the same database and takes it away afterwards', async (t) => {
  const code = `${head}
    import postgres from ${JSON.stringify(import.meta.resolve('postgres'))};
    test('connects', async () => {
      const sql = postgres({ ...JSON.parse(process.env.IRONTRACK_TEST_DATABASE), max: 1 });
      const [row] = await sql\`select current_setting('max_connections')::int as most\`;
      await sql.end();
      assert.ok(row.most >= 300);
    });`;
  assert.deepEqual(await runTests(t, code), { status: 0, lastLine: '1 passed, 0 failed' });
});

test('an interrupt stops the tests and still cleans up', async (t) => {
  const code = `${head}
    import { writeFile } from 'node:fs/promises';
    import { setTimeout } from 'node:timers/promises';
    test('long', async () => { await writeFile(new URL('running', import.meta.url), ''); await setTimeout(60000); });`;
  const result = await runTests(t, code, { interruptWith: 'SIGINT' });
  assert.equal(result.status, 1);
  assert.match(result.lastLine, /^0 passed, 1 failed$/);
});

/** Runs the runner on one file of this code, with a folder of temporary files that must be empty at the end. */
async function runTests(
  t: TestContext,
  code: string | undefined,
  { interruptWith, byFolder = false }: { interruptWith?: NodeJS.Signals; byFolder?: boolean } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-runner-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const temporary = mkdtempSync(join(tmpdir(), 'irontrack-runner-tmp-'));
  const file = join(folder, byFolder ? 'sample.test.ts' : 'sample.test.mjs');
  if (code !== undefined) writeFileSync(file, code);
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [runner, byFolder ? folder : file], {
    env: { ...env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  if (interruptWith !== undefined) {
    while (!existsSync(join(folder, 'running'))) await delay(10);
    child.kill(interruptWith);
  }
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  assert.deepEqual(readdirSync(temporary), [], 'nothing is left behind');
  rmSync(temporary, { recursive: true });
  return { status, lastLine: output.trimEnd().split('\n').at(-1) ?? '' };
}
