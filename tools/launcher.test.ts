import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const pinnedNode = new URL('../server/bin/pinned-node.mjs', import.meta.url).href;
const limit = { timeout: 30_000 };

// Node 20 has no execve and stays as a parent; both ways must look the same from outside.
for (const way of ['replacing itself', 'as a parent'] as const) {
  const inPlace = way === 'replacing itself' && process.platform !== 'win32';

  test(
    `the launcher, ${way}, hands on arguments, room in the thread pool and the exit code`,
    limit,
    async (t) => {
      const stub = `
      const { UV_THREADPOOL_SIZE, NODE_COMPILE_CACHE } = process.env;
      console.log(JSON.stringify([process.argv.slice(2), UV_THREADPOOL_SIZE, typeof NODE_COMPILE_CACHE, process.pid]));
      process.exitCode = 7;`;
      const launcher = launch(t, { stub, inPlace, args: ['serve', '--a b'], env: { HASH_CONCURRENCY: '3' } });
      const [output, status] = await Promise.all([launcher.output, launcher.status]);
      const [args, threads, cache, pid] = JSON.parse(output);
      assert.deepEqual([args, threads, cache, status], [['serve', '--a b'], '7', 'string', 7]);
      assert.equal(pid === launcher.child.pid, inPlace);
    },
  );

  test(`the launcher, ${way}, hands on SIGTERM and waits for the script to finish`, limit, async (t) => {
    const stub = `
      process.on('SIGTERM', () => setTimeout(() => process.exit(5), 100));
      setInterval(() => {}, 1000);
      console.log('ready');`;
    const launcher = launch(t, { stub, inPlace });
    await launcher.firstLine;
    launcher.child.kill('SIGTERM');
    assert.equal(await launcher.status, 5);
  });

  test(`the launcher, ${way}, dies of the signal that its script died of`, limit, async (t) => {
    const launcher = launch(t, { stub: `process.kill(process.pid, 'SIGKILL')`, inPlace });
    assert.equal(await launcher.status, 'SIGKILL');
  });
}

test('a thread pool size that the user has set is left alone', limit, async (t) => {
  const stub = 'console.log(process.env.UV_THREADPOOL_SIZE)';
  const launcher = launch(t, {
    stub,
    inPlace: true,
    env: { UV_THREADPOOL_SIZE: '11', HASH_CONCURRENCY: '2' },
  });
  assert.equal(await launcher.output, '11\n');
});

test('a script whose launcher is killed hears of it and can finish its work', limit, async (t) => {
  const stub = `
    import { writeFileSync } from 'node:fs';
    process.on('disconnect', () => { writeFileSync(process.argv[2], 'drained'); process.exit(0); });
    setInterval(() => {}, 1000);
    console.log('ready');`;
  const note = join(mkdtempSync(join(tmpdir(), 'irontrack-launcher-')), 'note');
  t.after(() => rmSync(join(note, '..'), { recursive: true }));
  const launcher = launch(t, { stub, inPlace: false, args: [note] });
  await launcher.firstLine;
  launcher.child.kill('SIGKILL');
  while (!existsSync(note) || readFileSync(note, 'utf8') === '') await delay(5);
  assert.equal(readFileSync(note, 'utf8'), 'drained');
});

interface Launch {
  stub: string;
  inPlace: boolean;
  args?: string[];
  env?: NodeJS.ProcessEnv;
}

interface Launched {
  child: ChildProcess;
  firstLine: Promise<unknown>;
  output: Promise<string>;
  status: Promise<number | string>;
}

function launch(t: TestContext, { stub, inPlace, args = [], env = {} }: Launch): Launched {
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-launcher-'));
  const script = join(folder, 'stub.mjs');
  writeFileSync(script, stub);
  const launcher = join(folder, 'launcher.mjs');
  writeFileSync(
    launcher,
    `${inPlace ? '' : 'process.execve = undefined;'}
    const { runOnPinnedNode } = await import(${JSON.stringify(pinnedNode)});
    runOnPinnedNode(${JSON.stringify(script)}, process.argv.slice(2));`,
  );
  const { UV_THREADPOOL_SIZE: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [launcher, ...args], {
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const firstLine = once(child.stdout, 'data');
  firstLine.catch(() => {});
  const closed = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  return { child, firstLine, output: closed.then(() => text), status: closed };
}
