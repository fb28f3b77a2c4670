import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCpuMs } from './cpu-time.ts';
import {
  listProcessTree,
  parseCores,
  parsePressureUs,
  parseProcessStat,
  parseSchedstat,
  parseSwitches,
} from './proc.ts';
import { startSampler } from './sampler.ts';

const skip = process.platform === 'linux' ? false : 'reads /proc';

function startNode(script: string) {
  return spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
}

const burner = 'for (;;);';
const threads = `
  const { Worker } = require('node:worker_threads');
  setInterval(() => new Worker('for (const until = Date.now() + 50; Date.now() < until;);', { eval: true }), 100);`;

test('a process that computes shows as CPU of the server, of a core, and as memory', { skip }, async () => {
  const child = startNode(burner);
  try {
    const sampler = startSampler({ pids: () => [child.pid ?? 0] });
    await sleep(1500);
    const readings = sampler.stop();
    assert.equal(sampler.note, null);
    assert.ok(readings.length >= 5, `${readings.length} readings`);
    const most = Math.max(...readings.map(({ serverCpu }) => serverCpu));
    assert.ok(most > 0.2 && most < 3, `${most} cores`);
    assert.ok(readings.every(({ rssMb }) => rssMb > 5));
    assert.ok(
      readings.every(({ cores }) => cores.length > 0 && cores.every((busy) => busy >= 0 && busy <= 1)),
    );
    assert.ok(Math.max(...readings.flatMap(({ cores }) => cores)) > 0.2);
    const times = readings.map(({ atS }) => atS);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  } finally {
    child.kill('SIGKILL');
  }
});

test('threads that come and go, and a process that dies, give no rate below zero and end nothing', {
  skip,
}, async () => {
  const child = startNode(threads);
  const sampler = startSampler({ pids: () => [child.pid ?? 0, process.pid], hz: 50 });
  await sleep(600);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await sleep(200);
  const readings = sampler.stop();
  assert.ok(readings.length > 10);
  for (const { cores: _, cpuPressure, ...rates } of readings) {
    for (const [name, rate] of Object.entries(rates)) {
      assert.ok(Number.isFinite(rate) && rate >= 0, `${name} ${rate}`);
    }
    assert.ok(cpuPressure === null || (cpuPressure >= 0 && cpuPressure <= 1));
  }
  const length = readings.length;
  await sleep(100);
  assert.equal(sampler.readings.length, length, 'nothing is read after the stop');
});

test('two threads that want one core wait for it, and the lane shows it', { skip }, async () => {
  const pin = (script: string) =>
    spawn('taskset', ['-c', '0', process.execPath, '-e', script], { stdio: 'ignore' });
  const children = [pin(burner), pin(burner)];
  try {
    await sleep(300);
    const sampler = startSampler({ pids: () => children.map(({ pid }) => pid ?? 0) });
    await sleep(1000);
    const readings = sampler.stop();
    const mean = readings.reduce((sum, { runQueueMsPerS }) => sum + runQueueMsPerS, 0) / readings.length;
    assert.ok(mean > 300, `${mean} ms/s`);
    assert.ok(readings.some(({ involuntarySwitchesPerS }) => involuntarySwitchesPerS > 0));
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
});

test('the CPU of a process is what it counts itself, to the tick', { skip }, () => {
  for (const until = performance.now() + 50; performance.now() < until; );
  const { user, system } = process.cpuUsage();
  const seen = readCpuMs([process.pid]);
  assert.ok(Math.abs(seen - (user + system) / 1000) < 40, `${seen} ms, ${(user + system) / 1000} ms`);
  assert.equal(readCpuMs([2 ** 22 + 1]), 0, 'a process that is gone counts nothing');
});

test('children belong to the tree of a process', { skip }, async () => {
  const child = spawn('sh', ['-c', 'sleep 60 & wait'], { stdio: 'ignore' });
  try {
    let tree: number[] = [];
    for (let attempt = 0; attempt < 100 && tree.length < 2; attempt += 1) {
      await sleep(20);
      tree = listProcessTree(child.pid ?? 0);
    }
    assert.equal(tree.length, 2);
    assert.equal(tree[0], child.pid);
    assert.ok(listProcessTree(process.pid).includes(tree[1] ?? 0));
    for (const pid of tree.slice(1)) process.kill(pid);
  } finally {
    child.kill('SIGKILL');
  }
});

test('the files of the kernel are read field by field', () => {
  const stat = `7 (a (b) c) S 3 7 7 0 -1 4194560 1 0 0 0 25 5 0 0 20 0 7 0 1 2 3`;
  assert.deepEqual(parseProcessStat(stat), { parent: 3, cpuNs: 300_000_000 });
  assert.equal(parseProcessStat(null), null);
  assert.deepEqual(parseSchedstat('228013747 68442238 106\n'), { cpuNs: 228013747, waitNs: 68442238 });
  assert.equal(parseSchedstat(''), null);
  const status = 'Name:\tx\nvoluntary_ctxt_switches:\t28\nnonvoluntary_ctxt_switches:\t154\n';
  assert.deepEqual(parseSwitches(status), { voluntary: 28, involuntary: 154 });
  assert.equal(parseSwitches('Name:\tx\n'), null);
  assert.deepEqual(parseCores('cpu  9 9\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n'), [
    { busy: 19, steal: 8, all: 36 },
  ]);
  assert.equal(
    parsePressureUs('some avg10=0.4 avg60=0.7 avg300=3.9 total=197214369\nfull avg10=0 total=7\n'),
    197214369,
  );
  assert.equal(parsePressureUs(null), null, 'a kernel without PSI');
});
