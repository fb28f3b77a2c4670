import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LabError } from '../exit-status.ts';
import { openGenerator } from './open-generator.ts';
import {
  calmLoad,
  openTestGenerator,
  runLoad,
  runPhase,
  startServer,
  writeScenario,
} from './testing/load-run.ts';

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function startOkServer(t: TestContext) {
  return startServer(t, (socket) => socket.write(answer));
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** A scenario that writes each phase it runs into a file, and fails where it is told. */
function writeTracing(t: TestContext, failing: string, more = ''): { path: string; readTrace(): string[] } {
  const path = writeScenario(
    t,
    `import { appendFileSync } from 'node:fs';
    const trace = (phase) => {
      appendFileSync(import.meta.dirname + '/trace', phase + '\\n');
      if (phase === ${JSON.stringify(failing)}) throw new Error('no more rows');
      return phase;
    };
    export const scenario = {
      name: 'traced',
      async setUp() { return trace('setUp'); },
      async connect(context, shared, index) { trace('connect'); return { shared, index, token: 0 }; },
      async tearDown(context, shared) { trace('tearDown'); trace('shared ' + shared); },
      steps: [{ name: 'a', request: (session, number) => { if (${JSON.stringify(failing)} === 'request') throw new Error('no more rows'); return { path: '/' + session.shared + session.index + '/' + number + '/' + session.token }; } }],
      ${more}
    };`,
  );
  const file = join(path, '..', 'trace');
  return {
    path,
    readTrace: () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []),
  };
}

for (const phase of ['setUp', 'connect', 'tearDown']) {
  test(`a scenario that throws in ${phase} says so in one sentence, and is torn down`, async (t) => {
    const { url } = await startOkServer(t);
    const { path, readTrace } = writeTracing(t, phase);
    await assert.rejects(runLoad(t, { url, scenarioPath: path }), (error) => {
      assert.ok(error instanceof LabError);
      assert.equal(error.status, 1);
      assert.equal(error.message, `The scenario traced failed in ${phase}: no more rows.`);
      return true;
    });
    assert.ok(readTrace().includes('tearDown'));
  });
}

test('a request function that throws is counted as script, and its first message kept', async (t) => {
  const { url } = await startOkServer(t);
  const { path, readTrace } = writeTracing(t, 'request');
  const run = await runLoad(t, { url, scenarioPath: path });
  assert.deepEqual(run.failures, { script: run.due });
  assert.deepEqual(run.notes, ['script: a threw in request: no more rows']);
  assert.deepEqual(readTrace(), [
    'setUp',
    'connect',
    'connect',
    'connect',
    'connect',
    'tearDown',
    'shared setUp',
  ]);
  const closed = await runLoad(t, { url, scenarioPath: path, load: { loop: 'closed', ratePerS: null } });
  assert.equal(closed.failures.script, closed.due);
});

test('each connection has its own session, is renewed while idle, and requests are numbered over all', async (t) => {
  const seen: string[] = [];
  const { url, server } = await startServer(t, (socket) => socket.write(answer));
  server.on('connection', (socket) => {
    socket.on('data', (chunk) => {
      seen.push(/^GET (\S+)/.exec(chunk.toString())?.[1] ?? '');
    });
  });
  const renew = 'renew: { everyS: 0.4, async run(session) { session.token++; } },';
  const { path } = writeTracing(t, '', renew);
  const run = await runLoad(t, { url, scenarioPath: path });
  assert.equal(run.ok, run.due);
  const parts = seen.map((line) => line.split('/'));
  assert.deepEqual(
    new Set(parts.map(([, session]) => session)),
    new Set([0, 1, 2, 3].map((n) => `setUp${n}`)),
  );
  assert.equal(new Set(parts.map(([, , number]) => number)).size, run.due);
  assert.ok(
    parts.some(([, , , token]) => Number(token) >= 1),
    'a renewed token was used',
  );
});

test('a renewal that throws costs the next request of its connection, and no request is lost', async (t) => {
  const { url } = await startOkServer(t);
  const renew = "renew: { everyS: 0.2, async run() { throw new Error('token refused'); } },";
  const { path } = writeTracing(t, '', renew);
  const run = await runLoad(t, { url, scenarioPath: path });
  assert.ok((run.failures.script ?? 0) >= 4, JSON.stringify(run.failures));
  assert.ok(run.ok > run.due / 2);
  assert.match(run.notes?.join() ?? '', /script: the session could not be renewed: token refused/);
});

test('steps are chosen by weight, repeatably, and counted by name', async (t) => {
  const { url } = await startOkServer(t);
  const scenarioPath = writeScenario(
    t,
    `export const scenario = { name: 'mixed', steps: [
      { name: 'often', weight: 3, request: { path: '/often' } },
      { name: 'rare', request: { path: '/rare' }, expect: [404] },
      { name: 'never', weight: 0, request: { path: '/never' } } ] };`,
  );
  const load = { ratePerS: 400 };
  const run = await runLoad(t, { url, scenarioPath, load });
  const again = await runLoad(t, { url, scenarioPath, load });
  assert.deepEqual(Object.keys(run.steps ?? {}), ['often', 'rare', 'never']);
  assert.ok(Math.abs((run.steps?.often?.ok ?? 0) - 300) < 40);
  assert.equal(run.steps?.rare?.failed, run.failures.status);
  assert.equal(run.steps?.never?.ok, 0);
  assert.equal(run.ok, again.ok);
});

test('a closed loop keeps every connection busy; response and service are the same', async (t) => {
  const { url } = await startServer(t, (socket) => setTimeout(() => socket.write(answer), 10));
  const run = await runLoad(t, { url, load: { loop: 'closed', ratePerS: null, connections: 3 } });
  assert.ok(run.ratePerS > 60 && run.ratePerS < 300, `${run.ratePerS}/s`);
  assert.ok(run.response.minUs >= 9000);
  assert.ok(Math.abs(run.response.meanUs - run.service.meanUs) < 1000);
});

test('progress comes once a second and phases follow each other on one generator', async (t) => {
  const { url } = await startOkServer(t);
  const generator = await openTestGenerator(t, { url });
  const seconds: number[] = [];
  const phase = { durationS: 2, ratePerS: 100 };
  const first = await generator.run(phase, ({ second, due }) => {
    seconds.push(second);
    assert.equal(due, 100);
  });
  assert.deepEqual(seconds, [0, 1]);
  const second = await runPhase(generator, { ...phase, durationS: 1 });
  assert.equal(first.ok + second.ok, 300);
});

test('an abort ends a running phase and the process, and says that it was interrupted', async (t) => {
  const { url } = await startOkServer(t);
  const abort = new AbortController();
  const { path, readTrace } = writeTracing(t, '');
  const generator = await openGenerator(
    { url, insecure: false, scenarioPath: path, seed: 1, load: calmLoad, maxBodyBytes: 1000 },
    { cores: null, interrupted: abort.signal },
  );
  setTimeout(() => abort.abort(), 300);
  await assert.rejects(generator.run({ durationS: 60, ratePerS: 100 }), /Interrupted/);
  await generator.close();
  assert.equal(isAlive(generator.pid), false);
  assert.ok(readTrace().includes('tearDown'));
});

test('a generator whose process dies says so instead of waiting', async (t) => {
  const { url } = await startOkServer(t);
  const generator = await openTestGenerator(t, { url });
  setTimeout(() => process.kill(generator.pid, 'SIGKILL'), 200);
  await assert.rejects(
    generator.run({ durationS: 60, ratePerS: 100 }),
    /The load generator was ended by SIGKILL/,
  );
  await delay(50);
  assert.equal(isAlive(generator.pid), false);
});

const unusable: readonly [string, Parameters<typeof runLoad>[1], RegExp][] = [
  [
    'a host that does not exist',
    { url: 'http://no-such-host.invalid/' },
    /host no-such-host\.invalid cannot be resolved/,
  ],
  [
    'a header with a line end',
    { request: { method: 'GET', headers: { a: 'b\r\nc: d' }, body: '' } },
    /cannot be sent/,
  ],
  ['a scenario file that is not there', { scenarioPath: '/nowhere.ts' }, /\/nowhere\.ts cannot be loaded/],
];

for (const [name, options, sentence] of unusable) {
  test(`refuses ${name} in one sentence`, async (t) => {
    await assert.rejects(runLoad(t, options), (error) => {
      assert.ok(error instanceof LabError);
      assert.equal(error.status, 1);
      assert.match(error.message, sentence);
      return true;
    });
  });
}

test('refuses a file that exports no scenario, or one that cannot be run', async (t) => {
  for (const [body, sentence] of [
    ['export const other = 1;', /does not export an object named "scenario"/],
    ["export const scenario = { name: 'a', steps: [] };", /a scenario without steps/],
    ["export const scenario = { name: 'a', steps: [{ name: 'b', request: {} }] };", /step 1 has no request/],
    [
      "export const scenario = { name: 'a', steps: [{ name: 'b', weight: -1, request: { path: '/' } }] };",
      /a weight that is not/,
    ],
    [
      "export const scenario = { name: 'a', steps: [{ name: 'b', request: { path: '/ b' } }] };",
      /failed in step b: .*percent-encoded/,
    ],
  ] as const) {
    await assert.rejects(runLoad(t, { scenarioPath: writeScenario(t, body) }), sentence);
  }
});

test('a generator whose parent is killed tears its scenario down and ends', async (t) => {
  const { url } = await startOkServer(t);
  const { path, readTrace } = writeTracing(t, '');
  const options = { url, insecure: false, scenarioPath: path, seed: 1, load: calmLoad, maxBodyBytes: 1000 };
  const source = `import { openGenerator } from ${JSON.stringify(new URL('open-generator.ts', import.meta.url).href)};
    const interrupted = new AbortController().signal;
    const generator = await openGenerator(${JSON.stringify(options)}, { cores: null, interrupted });
    process.stdout.write(generator.pid + '\\n');
    await generator.run({ durationS: 60, ratePerS: 100 });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => parent.kill('SIGKILL'));
  const [line] = await once(createInterface(parent.stdout), 'line');
  const pid = Number(line);
  await delay(300);
  assert.ok(isAlive(pid));
  parent.kill('SIGKILL');
  for (let waited = 0; isAlive(pid) && waited < 100; waited++) await delay(100);
  assert.equal(isAlive(pid), false);
  assert.ok(readTrace().includes('tearDown'));
});
