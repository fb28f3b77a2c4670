import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureFunction, measureTimerPrecisionUs } from './measure.ts';

const burn = (us: number) => {
  const until = performance.now() + us / 1000;
  while (performance.now() < until);
  return until;
};

test('A function of a known length is measured at about that length', async () => {
  const row = await measureFunction({ name: 'burn', run: () => burn(200) }, { seconds: 0.1 });
  // The busy loop never ends early; a loaded machine may make a round longer, so the minimum is what is known.
  assert.ok(row.minUs >= 200 && row.minUs < 400, `${row.minUs}`);
  assert.equal(row.iterations, 1);
  assert.ok(row.rounds >= 5);
  assert.ok(row.minUs <= row.medianUs && row.medianUs <= row.maxUs);
  assert.ok(Math.abs(row.opsPerS * row.meanUs - 1e6) < 1);
});

test('A short function is looped by tens until a round lasts 5 us', async () => {
  let calls = 0;
  const row = await measureFunction({ name: 'count', run: () => ++calls }, { seconds: 0.05 });
  assert.ok(row.iterations >= 100 && /^10+$/.test(String(row.iterations)), `${row.iterations}`);
  assert.ok(row.minUs * row.iterations > 2);
  assert.ok(calls > row.rounds * row.iterations);
});

test('A long function still gets its five rounds', async () => {
  const row = await measureFunction({ name: 'long', run: () => burn(20_000) }, { seconds: 0.02 });
  assert.equal(row.rounds, 5);
});

test('An asynchronous function is awaited, one call after the other', async () => {
  let running = 0;
  let most = 0;
  const run = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 2));
    running -= 1;
  };
  const row = await measureFunction({ name: 'wait', run }, { seconds: 0.05 });
  assert.equal(most, 1);
  assert.ok(row.minUs >= 1_000, `${row.minUs}`);
});

test('The result of a synchronous function is used but never awaited', async () => {
  const turns: string[] = [];
  const run = () => {
    turns.push('call');
    return turns.length;
  };
  queueMicrotask(() => turns.push('microtask'));
  await measureFunction({ name: 'plain', run }, { seconds: 0.01 });
  assert.ok(turns.filter((turn) => turn === 'microtask').length === 1);
});

test('What a function throws comes out, also from its second call', async () => {
  let calls = 0;
  const run = () => {
    calls += 1;
    if (calls > 3) throw new Error('worn out');
  };
  await assert.rejects(measureFunction({ name: 'fragile', run }, { seconds: 0.01 }), /worn out/);
  await assert.rejects(
    measureFunction({ name: 'rejects', run: () => Promise.reject(new Error('no')) }, { seconds: 0.01 }),
    /no/,
  );
});

test('An interruption ends the measuring', async () => {
  const interruption = new AbortController();
  const options = { seconds: 60, interrupted: interruption.signal };
  const measured = measureFunction({ name: 'endless', run: () => burn(100) }, options);
  setTimeout(() => interruption.abort(new Error('Stopped.')), 100);
  await assert.rejects(measured, /Stopped/);
});

test('The clock tells less than 5 us apart', () => {
  const precision = measureTimerPrecisionUs();
  assert.ok(precision > 0 && precision < 5, `${precision}`);
});
