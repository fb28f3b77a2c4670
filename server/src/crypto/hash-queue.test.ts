import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHashQueue, HashQueueFull } from './hash-queue.ts';

/** A clock that stands still and jobs that end when told. */
function createStage(concurrency: number, maxWaitMs: number) {
  let nowMs = 1_000;
  const waits: number[] = [];
  const queue = createHashQueue({
    concurrency,
    maxWaitMs,
    now: () => nowMs,
    initialJobMs: 100,
    onWait: (waitMs) => waits.push(waitMs),
  });
  const started: string[] = [];
  const finishers = new Map<string, (outcome?: Error) => void>();
  const add = (name: string): Promise<string> =>
    queue.run(() => {
      started.push(name);
      return new Promise<string>((resolve, reject) => {
        finishers.set(name, (outcome) => (outcome === undefined ? resolve(name) : reject(outcome)));
      });
    });
  const finish = async (name: string, outcome?: Error): Promise<void> => {
    finishers.get(name)?.(outcome);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { queue, started, waits, add, finish, pass };
}

test('runs no more jobs at once than it has slots, in the order they came', async () => {
  const { queue, started, add, finish } = createStage(2, 10_000);
  const jobs = ['a', 'b', 'c', 'd'].map((name) => add(name));
  assert.deepEqual(started, ['a', 'b']);
  assert.deepEqual([queue.running, queue.waiting], [2, 2]);
  await finish('b');
  assert.deepEqual(started, ['a', 'b', 'c']);
  await finish('a');
  await finish('d');
  await finish('c');
  assert.deepEqual(await Promise.all(jobs), ['a', 'b', 'c', 'd']);
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

test('a job that comes while others wait does not overtake them', async () => {
  const { started, add, finish } = createStage(1, 10_000);
  const first = add('first');
  const second = add('second');
  await finish('first');
  const third = add('third');
  assert.deepEqual(started, ['first', 'second']);
  await finish('second');
  await finish('third');
  await Promise.all([first, second, third]);
});

test('refuses at once a job that would wait too long, and says when to come back', async () => {
  const { queue, started, add, finish } = createStage(2, 1_500);
  const jobs = Array.from({ length: 32 }, (_, index) => add(`${index}`));
  assert.deepEqual([queue.running, queue.waiting], [2, 30]);
  await assert.rejects(add('late'), (error) => {
    assert.ok(error instanceof HashQueueFull);
    assert.equal(error.retryAfterSeconds, 2);
    return true;
  });
  assert.equal(queue.waiting, 30);
  for (let index = 0; index < 32; index += 1) await finish(`${index}`);
  await Promise.all(jobs);
  assert.ok(!started.includes('late'));
  const again = add('again');
  await finish('again');
  assert.equal(await again, 'again');
});

test('with a longest wait of 0 nobody waits', async () => {
  const { add, finish } = createStage(1, 0);
  const only = add('only');
  await assert.rejects(add('second'), HashQueueFull);
  await finish('only');
  await only;
});

test('the estimate follows what jobs really take', async () => {
  const { queue, add, finish, pass } = createStage(1, 1_000);
  assert.equal(queue.meanJobMs, 100);
  for (let index = 0; index < 50; index += 1) {
    const job = add(`${index}`);
    pass(600);
    await finish(`${index}`);
    await job;
  }
  assert.ok(Math.abs(queue.meanJobMs - 600) < 5, `${queue.meanJobMs}`);
  const running = add('running');
  const waiting = add('waiting');
  await assert.rejects(add('late'), HashQueueFull);
  await finish('running');
  await finish('waiting');
  await Promise.all([running, waiting]);
});

test('a job that fails frees its slot and does not count in the estimate', async () => {
  const { queue, add, finish } = createStage(1, 10_000);
  const bad = add('bad');
  const good = add('good');
  bad.catch(() => undefined);
  await finish('bad', new Error('broken'));
  await assert.rejects(bad, /broken/);
  assert.equal(queue.running, 1);
  await finish('good');
  assert.equal(await good, 'good');
  assert.equal(queue.running, 0);
});

test('a job that throws before it returns a promise frees its slot', async () => {
  const { queue } = createStage(1, 10_000);
  const broken = (): Promise<never> => {
    throw new Error('at once');
  };
  await assert.rejects(queue.run(broken), /at once/);
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

test('a job whose turn comes after twice the longest wait is refused', async () => {
  const { started, add, finish, pass } = createStage(1, 1_000);
  const slow = add('slow');
  const late = add('late');
  late.catch(() => undefined);
  pass(1_900);
  const fresher = add('fresher');
  pass(101);
  await finish('slow');
  await assert.rejects(late, HashQueueFull);
  await finish('fresher');
  assert.deepEqual(started, ['slow', 'fresher']);
  await Promise.all([slow, fresher]);
});

test('the wait of each started job is observed', async () => {
  const { waits, add, finish, pass } = createStage(1, 10_000);
  const first = add('first');
  const second = add('second');
  pass(70);
  await finish('first');
  await finish('second');
  await Promise.all([first, second]);
  assert.deepEqual(waits, [0, 70]);
});
