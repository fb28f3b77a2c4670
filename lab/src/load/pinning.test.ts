/** Who gets which core. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LabError } from '../exit-status.ts';
import { canPin, formatCores, parseCores, pinProcess, planCores, readAllowedCores } from './pinning.ts';

const plans: readonly [readonly number[], string | undefined, string, string][] = [
  [[0, 1], undefined, '0', '1'],
  [[0, 1], 'auto', '0', '1'],
  [[0, 1, 2, 3], undefined, '0-2', '3'],
  [[4, 5], undefined, '4', '5'],
  [[1, 3, 5], 'auto', '1,3', '5'],
  [[0, 1, 2, 3], 'server=0,generator=1', '0', '1'],
  [[0, 1, 2, 3], 'generator=0,server=1,3', '1,3', '0'],
  [[0, 1, 2, 3], 'server=0-1,generator=2-3', '0-1', '2-3'],
  [[0, 1, 2, 3], 'server=0', '0', '3'],
  [[0, 1, 2, 3], 'generator=1', '0,2-3', '1'],
];
for (const [allowed, pin, server, generator] of plans) {
  test(`cores ${formatCores(allowed)} with --pin ${pin ?? 'left out'}: server ${server}, generator ${generator}`, () => {
    assert.deepEqual(planCores(allowed, pin), { server, generator, faults: [] });
  });
}

test('latency is not measurable with fewer than two cores, however it is asked', () => {
  for (const allowed of [[0], []]) {
    for (const pin of [undefined, 'off', 'server=0,generator=0']) {
      assert.throws(
        () => planCores(allowed, pin),
        (error) =>
          error instanceof LabError && error.status === 3 && /not measurable here/.test(error.message),
      );
    }
  }
  const plan = planCores([0], undefined, { latency: false });
  assert.equal(plan.generator, null);
  assert.match(plan.faults[0]?.sentence ?? '', /lower bound/);
});

test('what is not pinned, or pinned to one core, is doubtful and says why', () => {
  const doubtful = [
    planCores([0, 1], 'off'),
    planCores([0, 1], 'auto', { canPin: false }),
    planCores([0, 1], 'server=0-1,generator=1'),
  ];
  for (const { faults } of doubtful)
    assert.deepEqual(
      faults.map(({ weight }) => weight),
      ['doubt'],
    );
  assert.equal(doubtful[0]?.server, null);
  assert.equal(doubtful[1]?.generator, null);
  assert.equal(doubtful[2]?.server, '0-1');
});

for (const pin of [
  '',
  'on',
  'server',
  'server=',
  'server=a',
  'server=2-1',
  'server=0,server=1',
  'auto,off',
  'server=0,x=1',
]) {
  test(`refuses --pin ${JSON.stringify(pin)}`, () => {
    assert.throws(
      () => planCores([0, 1, 2], pin),
      (error) => error instanceof LabError && error.status === 1,
    );
  });
}

test('refuses a core that this process may not use, and a plan that leaves one side without', () => {
  assert.throws(() => planCores([4, 5], 'server=0,generator=1'), /core 0, but this process may use 4-5/);
  assert.throws(() => planCores([0, 1], 'server=0-1'), /no core for one of the two/);
});

test('core lists read as the kernel writes them', () => {
  assert.deepEqual(parseCores('0-2,4,7-8'), [0, 1, 2, 4, 7, 8]);
  assert.equal(formatCores([8, 7, 4, 2, 1, 0]), '0-2,4,7-8');
  assert.deepEqual(parseCores('x'), []);
  assert.deepEqual(readAllowedCores('/proc/nothing-here'), []);
});

test('a process that runs is moved to a core with all its threads', async (t) => {
  if (!canPin()) return t.skip('needs taskset');
  const core = readAllowedCores().at(-1);
  assert.ok(core !== undefined);
  const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(child.stdout, 'data');
    const pid = child.pid ?? 0;
    await pinProcess(pid, String(core));
    assert.match(
      readFileSync(`/proc/${pid}/status`, 'utf8'),
      new RegExp(`^Cpus_allowed_list:\\s*${core}$`, 'm'),
    );
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await assert.rejects(pinProcess(process.pid, '4095'), /cannot be pinned to core 4095/);
});
