import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LabError } from '../exit-status.ts';
import { listProcessTree } from '../sample/proc.ts';
import { buildFlame, parseCpuProfile } from './cpu-profile.ts';
import { listListeningPorts } from './find-inspector.ts';
import { pickBusiestNode } from './pick-node.ts';
import { recordProfile } from './record-profile.ts';
import { chargeCallers } from './share-table.ts';
import { startBurningServer } from './testing/burning-server-process.ts';

const skip = process.platform === 'linux' ? false : 'reads /proc';
const server = skip === false ? await startBurningServer() : undefined;
after(() => server?.stop());

function theServer() {
  assert.ok(server);
  return server;
}

test('under load, the function that burns the CPU leads the table', { skip }, async () => {
  const { pid, keepAsking } = theServer();
  const stopAsking = keepAsking('/');
  const { table, flame, profile, file } = await recordProfile({ pid, seconds: 1.5 });
  await stopAsking();

  const [first] = table.functions;
  assert.equal(first?.name, 'burnTheCpu');
  assert.match(first?.where ?? '', /burning-server\.ts:\d+$/);
  assert.ok(first.self > 0.4, `${first.self} of the CPU`);
  assert.equal(chargeCallers(flame)[0]?.name, 'burnTheCpu');
  assert.ok(table.packages.some(({ name, where }) => name.endsWith('profile/testing/') && where === 'app'));

  // Everything together is the CPU that the kernel counted.
  const charged = chargeCallers(flame).reduce((sum, { self }) => sum + self, 0);
  assert.ok(Math.abs(charged - 1) < 0.001, `${charged}`);
  const mainUs = flame.children.find(({ name }) => name === 'main thread')?.totalUs;
  assert.ok(Math.abs((mainUs ?? 0) - (profile.context.mainThreadUs ?? 0)) < 1);

  // The file gives the same again.
  assert.deepEqual(buildFlame(parseCpuProfile(JSON.parse(file))), flame);
});

test('a handler that blocks 100 ms is in the list of stalls, with its function in the stack', {
  skip,
}, async () => {
  const { pid, keepAsking } = theServer();
  const stopAsking = keepAsking('/idle', '/idle', '/block', '/idle');
  const { stalls, loop } = await recordProfile({ pid, seconds: 1.5 });
  await stopAsking();

  const ofThatLength = stalls.filter(({ lengthMs }) => lengthMs > 90 && lengthMs < 400);
  assert.ok(ofThatLength.length >= 2, JSON.stringify(stalls));
  assert.ok(ofThatLength.some(({ stack }) => stack.some((frame) => frame.startsWith('blockForLong ('))));
  assert.ok(loop.blockedShare > 0.1 && loop.blockedShare <= 1);
  assert.ok(loop.utilization > 0.1);
  for (const [index, stall] of stalls.entries()) {
    assert.ok(stall.startS >= (stalls[index - 1]?.startS ?? 0));
    assert.equal(stall.requestsHurt, null);
  }
});

test('garbage collection keeps a row of its own', { skip }, async () => {
  const { pid, keepAsking } = theServer();
  const stopAsking = keepAsking('/garbage');
  const { table } = await recordProfile({ pid, seconds: 1 });
  await stopAsking();
  const collector = table.functions.find(({ name }) => name === '(garbage collector)');
  assert.ok(collector !== undefined && collector.self > 0.01);
  assert.ok(table.packages.some(({ where }) => where === 'gc'));
});

test('load that runs meanwhile gives the CPU per request and the requests that a stall hurt', {
  skip,
}, async () => {
  const { pid, keepAsking } = theServer();
  const { profile, stalls } = await recordProfile({
    pid,
    seconds: 0.1,
    async load() {
      const stopAsking = keepAsking('/idle', '/block');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await stopAsking();
      return { answered: 20, seen: { kind: 'seconds', series: [{ second: 0, due: 1000 }] } };
    },
  });
  assert.equal(profile.context.requests, 20);
  assert.ok(profile.context.wallS >= 1);
  assert.ok(stalls.some(({ requestsHurt }) => requestsHurt !== null && requestsHurt > 20));
});

test('a profile leaves the inspector of the server shut, as it was', { skip }, async () => {
  const { pid } = theServer();
  const before = listListeningPorts(pid);
  await recordProfile({ pid, seconds: 0.2 });
  for (let attempt = 0; attempt < 100 && listListeningPorts(pid).length > before.length; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(listListeningPorts(pid), before);
});

test('behind a launcher, the Node that serves is the one that is profiled', { skip }, async () => {
  const launched = await startBurningServer([fileURLToPath(new URL('testing/launcher.ts', import.meta.url))]);
  try {
    const pids = listProcessTree(launched.pid);
    assert.equal(pids.length, 2);
    const stopAsking = launched.keepAsking('/');
    const busiest = await pickBusiestNode(pids);
    await stopAsking();
    assert.equal(busiest, pids[1]);
    assert.equal(
      await pickBusiestNode(pids, 10),
      pids[1],
      'also while nobody asks: it is the one that listens',
    );
  } finally {
    await launched.stop();
  }
});

test('a process that is no Node survives the attempt and is named', { skip }, async () => {
  const sleeper = spawn('sleep', ['60']);
  await once(sleeper, 'spawn');
  try {
    await assert.rejects(recordProfile({ pid: sleeper.pid ?? 0, seconds: 1 }), (error) => {
      assert.ok(error instanceof LabError);
      assert.match(error.message, /opens no inspector/);
      return true;
    });
    assert.equal(sleeper.signalCode, null);
    assert.equal(await pickBusiestNode([sleeper.pid ?? 0]), null);
  } finally {
    sleeper.kill();
  }
});

test('a PID and an address that nobody has are one sentence each', { skip }, async () => {
  const gone = spawn('true');
  await once(gone, 'exit');
  await assert.rejects(recordProfile({ pid: gone.pid ?? 0, seconds: 1 }), /There is no process \d+/);
  await assert.rejects(
    recordProfile({ inspectorUrl: 'ws://127.0.0.1:1/x', seconds: 1 }),
    /No inspector answers/,
  );
  await assert.rejects(recordProfile({ inspectorUrl: 'nonsense', seconds: 1 }), /no inspector URL/);
});

test('a server that dies while it is profiled ends the profile with a sentence', { skip }, async () => {
  const doomed = await startBurningServer();
  const profiling = recordProfile({ pid: doomed.pid, seconds: 1 });
  setTimeout(() => doomed.stop(), 500);
  await assert.rejects(profiling, (error) => error instanceof LabError && /server ended/.test(error.message));
});
