/** A server that the lab starts: when it is ready, how it fails, and that nothing of it stays. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from '../exit-status.ts';
import { canPin, readAllowedCores } from './pinning.ts';
import { type ServerOptions, startServer } from './server-process.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  server.close();
  await once(server, 'close');
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

function node(script: string, flags = ''): string {
  return `"${process.execPath}" ${flags} -e '${script}'`;
}

const hello = 'require("http").createServer((q, s) => s.end("hello")).listen(process.env.PORT, "127.0.0.1");';

async function optionsFor(command: string, more: Partial<ServerOptions> = {}): Promise<ServerOptions> {
  const port = await freePort();
  return {
    command,
    cores: null,
    url: new URL(`http://127.0.0.1:${port}/`),
    readyTimeoutS: 20,
    environment: { PATH: process.env.PATH, PORT: String(port) },
    cwd: tmpdir(),
    ...more,
  };
}

async function start(t: TestContext, options: ServerOptions) {
  const server = await startServer(options);
  t.after(() => server.stop());
  return server;
}

async function failureOf(options: ServerOptions): Promise<string> {
  try {
    const server = await startServer(options);
    await server.stop();
  } catch (error) {
    assert.ok(error instanceof LabError, String(error));
    assert.equal(error.status, 1);
    return error.message;
  }
  return 'it started';
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function isGone(pid: number): Promise<boolean> {
  for (let attempt = 0; attempt < 250 && isAlive(pid); attempt += 1) await sleep(20);
  return !isAlive(pid);
}

test('is ready when its URL answers, gets its environment, and is gone when stopped', async (t) => {
  const seen: string[] = [];
  const options = await optionsFor(
    node(`console.log("from " + process.cwd()); console.error("warned"); ${hello}`),
    {
      onOutput: (text, stream) => seen.push(`${stream}: ${text}`),
    },
  );
  const server = await start(t, options);
  assert.equal(await (await fetch(options.url)).text(), 'hello');
  assert.match(server.stdoutTail(), /^from .*\n$/);
  assert.match(server.outputTail(), /warned/);
  assert.ok(seen.some((text) => text.startsWith('stderr: warned')));
  assert.ok(server.pids().includes(server.pid));
  await server.stop();
  assert.deepEqual(server.pids(), []);
  await assert.rejects(fetch(options.url));
  await server.stop();
});

test('a server that answers 500, or on a Unix socket, is ready too', async (t) => {
  const failing =
    'require("http").createServer((q, s) => { s.statusCode = 500; s.end(); }).listen(process.env.PORT)';
  await start(t, await optionsFor(node(failing)));
  const folder = mkdtempSync(join(tmpdir(), 'lab-server-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = join(folder, 'app.sock');
  const onSocket = `require("http").createServer((q, s) => s.end()).listen("${socketPath}")`;
  const server = await start(
    t,
    await optionsFor(node(onSocket), { socketPath, url: new URL('http://localhost/') }),
  );
  await server.stop();
});

test('a server that takes its time is waited for', async (t) => {
  const server = await start(t, await optionsFor(node(`setTimeout(() => { ${hello} }, 700)`)));
  assert.ok(isAlive(server.pid));
});

test('a server that says 503 while it starts is waited for', async (t) => {
  const starting = `let ready = false; setTimeout(() => { ready = true; }, 600); require("http").createServer((q, s) => { s.statusCode = ready ? 200 : 503; s.end(); }).listen(process.env.PORT, "127.0.0.1")`;
  const options = await optionsFor(node(starting));
  await start(t, options);
  assert.equal((await fetch(options.url)).status, 200);
  const unavailable =
    'require("http").createServer((q, s) => { s.statusCode = 503; s.end(); }).listen(process.env.PORT)';
  await start(t, await optionsFor(node(unavailable), { readyTimeoutS: 1 }));
});

test('a server that was halted ends in good order too', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lab-server-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const tidy = `process.on("SIGTERM", () => { require("fs").writeFileSync("tidy", ""); process.exit(); }); ${hello}`;
  const server = await start(t, await optionsFor(node(tidy), { cwd: folder }));
  for (const pid of server.pids()) process.kill(pid, 'SIGSTOP');
  await server.stop();
  assert.ok(existsSync(join(folder, 'tidy')));
});

test('refuses to start where something else already answers', async (t) => {
  const other = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const bound = other.address();
  assert.ok(typeof bound === 'object' && bound !== null);
  const folder = mkdtempSync(join(tmpdir(), 'lab-server-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const url = new URL(`http://127.0.0.1:${bound.port}/`);
  const message = await failureOf(await optionsFor('touch started', { url, cwd: folder }));
  assert.match(message, /^Something else already answers at http:\/\/127\.0\.0\.1:\d+\/; stop it/);
  assert.ok(!existsSync(join(folder, 'started')), 'the command was not run');
});

test('one that ends before it answers is quoted with its last five lines', async () => {
  const message = await failureOf(
    await optionsFor('for i in 1 2 3 4 5 6 7; do echo line $i >&2; done; exit 3'),
  );
  assert.match(
    message,
    /^The server ended \(exit status 3\) before it answered at http:.*it printed last:\n/,
  );
  assert.deepEqual(message.split('\n').slice(1), [
    '  line 3',
    '  line 4',
    '  line 5',
    '  line 6',
    '  line 7',
  ]);
  const thrown = await failureOf(
    await optionsFor(
      'echo "Error: the port is taken" >&2; for i in 1 2 3 4 5 6; do echo at $i >&2; done; exit 1',
    ),
  );
  assert.match(thrown, /last:\n {2}Error: the port is taken\n {2}\.\.\.\n {2}at 2\n/);
  assert.match(
    await failureOf(await optionsFor('no-such-program-here')),
    /exit status 127.*no-such-program-here/s,
  );
  assert.match(await failureOf(await optionsFor('true', { cwd: '/no/such/folder' })), /could not be started/);
  assert.match(await failureOf(await optionsFor('kill -9 $$')), /\(SIGKILL\).*it printed nothing/);
});

test('one that never answers is stopped when the time is over', async () => {
  const pids: number[] = [];
  const options = await optionsFor('echo $$; sleep 100', {
    readyTimeoutS: 0.5,
    onOutput: (text) => pids.push(Number(text)),
  });
  assert.match(await failureOf(options), /did not answer at .* within 0\.5 seconds/);
  assert.ok(await isGone(pids[0] ?? 0));
});

test('what the command started goes with it, also what ignores SIGTERM or has a session of its own', async (t) => {
  const stubborn = node('process.on("SIGTERM", () => {}); setInterval(() => {}, 1000);');
  const command = `${stubborn} & setsid sleep 100 & ${node(hello)}`;
  const server = await start(t, await optionsFor(command, { stopTimeoutS: 0.5 }));
  await sleep(300);
  const pids = server.pids();
  assert.ok(pids.length >= 3, `found ${pids.length}`);
  const bystander = spawn('sleep', ['100']);
  t.after(() => bystander.kill());
  await server.stop();
  for (const pid of pids) assert.ok(!isAlive(pid), `${pid} is gone`);
  assert.ok(isAlive(bystander.pid ?? 0), 'nobody else was ended');
});

test('a server gets the time to end in good order', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lab-server-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const tidy = `process.on("SIGTERM", () => setTimeout(() => { require("fs").writeFileSync("tidy", ""); process.exit(); }, 300)); ${hello}`;
  const server = await start(t, await optionsFor(node(tidy), { cwd: folder }));
  await server.stop();
  assert.ok(existsSync(join(folder, 'tidy')));
});

test('tells when it dies in the middle, and not when it was stopped', async (t) => {
  const dying = `require("http").createServer((q, s) => q.url === "/die" ? process.exit(7) : s.end()).listen(process.env.PORT, "127.0.0.1")`;
  const options = await optionsFor(node(dying));
  const server = await start(t, options);
  await assert.rejects(fetch(new URL('/die', options.url)));
  const exit = await server.died;
  assert.equal(exit.how, 'exit status 7');
  const other = await start(t, await optionsFor(node(hello)));
  let hasDied = false;
  void other.died.then(() => {
    hasDied = true;
  });
  await other.stop();
  await sleep(50);
  assert.equal(hasDied, false);
});

test('an interruption stops it, while it starts and while it runs', async (t) => {
  const early = new AbortController();
  const pids: number[] = [];
  const starting = failureOf(
    await optionsFor('echo $$; sleep 100', {
      interrupted: early.signal,
      onOutput: (text) => {
        pids.push(Number(text));
        early.abort();
      },
    }),
  );
  assert.match(await starting, /^Interrupted/);
  assert.ok(await isGone(pids[0] ?? 0));

  const late = new AbortController();
  const server = await start(t, await optionsFor(node(hello), { interrupted: late.signal }));
  late.abort();
  assert.ok(await isGone(server.pid));
  assert.match(await failureOf(await optionsFor(node(hello), { interrupted: late.signal })), /^Interrupted/);
});

test('a lab that exits without a word takes its server along', async () => {
  const options = await optionsFor('echo $$; sleep 100', { readyTimeoutS: 100 });
  const module = new URL('./server-process.ts', import.meta.url).href;
  const lab = `
    import { startServer } from ${JSON.stringify(module)};
    const options = ${JSON.stringify(options)};
    const onOutput = (text) => { process.stdout.write(text); setTimeout(() => process.exit(0), 100); };
    await startServer({ ...options, url: new URL(options.url), onOutput });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', lab], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'exit');
  assert.match(text, /^\d+\n$/);
  assert.ok(await isGone(Number(text)));
});

test('says where its inspector listens, however much it printed since', async (t) => {
  const chatty = `${hello} console.error("x".repeat(200000));`;
  const server = await start(t, await optionsFor(node(chatty, '--inspect=127.0.0.1:0')));
  assert.match(server.inspectorUrl() ?? '', /^ws:\/\/127\.0\.0\.1:\d+\/[\w-]+$/);
  const plain = await start(t, await optionsFor(node(hello)));
  assert.equal(plain.inspectorUrl(), undefined);
});

test('runs on the cores it was given, with everything it starts', async (t) => {
  if (!canPin()) return t.skip('needs taskset');
  const core = String(readAllowedCores()[0]);
  const server = await start(t, await optionsFor(`sleep 100 & ${node(hello)}`, { cores: core }));
  const pids = server.pids();
  assert.ok(pids.length >= 2);
  for (const pid of pids) {
    assert.match(
      readFileSync(`/proc/${pid}/status`, 'utf8'),
      new RegExp(`^Cpus_allowed_list:\\s*${core}$`, 'm'),
    );
  }
});

test('a worker that starts later is found, with what it starts, and one that ended is gone', async (t) => {
  const forking = `let w; require("http").createServer((q, s) => { if (q.url === "/fork") w = require("child_process").spawn("sh", ["-c", "sleep 100 & wait"]); if (q.url === "/end") return process.kill(w.pid) && w.once("exit", () => s.end()); s.end(); }).listen(process.env.PORT, "127.0.0.1")`;
  const options = await optionsFor(node(forking));
  const server = await start(t, options);
  const before = server.pids();
  assert.deepEqual(server.pids(), before);
  await (await fetch(new URL('/fork', options.url))).text();
  let pids = server.pids();
  for (let attempt = 0; attempt < 250 && pids.length < before.length + 2; attempt += 1) {
    await sleep(20);
    pids = server.pids();
  }
  assert.equal(pids.length, before.length + 2);
  await (await fetch(new URL('/end', options.url))).text();
  assert.equal(server.pids().length, before.length + 1, 'the sleep has lost its parent, and is still theirs');
  await server.stop();
  for (const pid of pids) assert.ok(!isAlive(pid));
});
