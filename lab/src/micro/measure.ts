/**
 * Times one function: loops calibrated by tens, rounds until the time is up, the figures of one call.
 *
 * As pytest-benchmark does it: https://pytest-benchmark.readthedocs.io/en/latest/calibration.html
 */
import type { MicroRow } from '../result/result.ts';
import { summarize } from '../stats/summary.ts';
import type { Benchmark } from './benchmark.ts';

export interface MeasureOptions {
  /** How long the rounds of one benchmark take together; 1 unless told. */
  seconds?: number;
  interrupted?: AbortSignal;
}

/** No round is shorter: reading the clock, 0.03 us, is then below 1 % of it. */
const shortestRoundUs = 5;
/** A round is at least this many times what the clock can tell apart. */
const precisionFactor = 10;
const fewestRounds = 5;
/** Share of the time that goes to warming up first: compiled code is what is measured. */
const warmUpShare = 0.2;
/** Longest stretch without a turn of the event loop: a Ctrl-C or a dying server is noticed. */
const longestStretchMs = 50;

type Loop = (run: () => unknown, iterations: number) => number | Promise<number>;

/**
 * @returns times in microseconds of one call
 * @throws whatever the function throws, or the signal's reason
 */
export async function measureFunction(
  { name, run }: Pick<Benchmark, 'name' | 'run'>,
  { seconds = 1, interrupted }: MeasureOptions = {},
): Promise<MicroRow> {
  keepCallsHonest();
  const first = run();
  const loop: Loop = isThenable(first) ? timeAwaited : timeCalls;
  await first;
  const wantedMs = Math.max(shortestRoundUs, precisionFactor * measureTimerPrecisionUs()) / 1000;
  const yieldTurn = createYielder(interrupted);

  const warmUntil = performance.now() + seconds * 1000 * warmUpShare;
  for (let iterations = 1; performance.now() < warmUntil; ) {
    const tookMs = await loop(run, iterations);
    if (tookMs < wantedMs) iterations *= 10;
    await yieldTurn();
  }

  let iterations = 1;
  let roundMs = await loop(run, iterations);
  while (roundMs < wantedMs) {
    iterations *= 10;
    // The shortest of three: one that was interrupted would make the loop too short.
    roundMs = Math.min(await loop(run, iterations), await loop(run, iterations), await loop(run, iterations));
  }

  const rounds = Math.max(fewestRounds, Math.ceil((seconds * 1000) / roundMs));
  const timesUs: number[] = [];
  // Rounds that turn out slower than the calibration said do not make it endless.
  const latest = performance.now() + seconds * 3_000;
  while (timesUs.length < rounds && (timesUs.length < fewestRounds || performance.now() < latest)) {
    timesUs.push(((await loop(run, iterations)) * 1000) / iterations);
    await yieldTurn();
  }
  return { name, ...describeTimes(timesUs), iterations };
}

function describeTimes(timesUs: readonly number[]): Omit<MicroRow, 'name' | 'iterations'> {
  const { min, max, mean, stddev, median, iqr, outliers, count } = summarize(timesUs);
  return {
    minUs: min,
    maxUs: max,
    meanUs: mean,
    stddevUs: stddev,
    medianUs: median,
    iqrUs: iqr,
    outliers,
    opsPerS: 1e6 / mean,
    rounds: count,
  };
}

/** Where results go, so that nothing may be left out because nobody looks at it. */
const sink: { last: unknown } = { last: undefined };

/** Milliseconds of so many calls, one after the other, none awaited. */
function timeCalls(run: () => unknown, iterations: number): number {
  const startedAt = performance.now();
  for (let index = 0; index < iterations; index += 1) sink.last = run();
  return performance.now() - startedAt;
}

async function timeAwaited(run: () => unknown, iterations: number): Promise<number> {
  const startedAt = performance.now();
  for (let index = 0; index < iterations; index += 1) sink.last = await run();
  return performance.now() - startedAt;
}

let callsAreHonest = false;

/**
 * Shows the loop several functions before the first one is measured. V8 inlines a function into a loop that never saw
 * another one, and could then move work out of the loop or drop it; the first benchmark of a file would look better
 * than the same one in third place. So all of them pay for a call, some 2 ns.
 */
function keepCallsHonest(): void {
  if (callsAreHonest) return;
  const strangers = [() => 1, () => 'one', () => [1], () => ({ one: 1 }), () => undefined];
  for (let round = 0; round < 200; round += 1) {
    for (const stranger of strangers) timeCalls(stranger, 100);
  }
  callsAreHonest = true;
}

/** The least difference between two readings of the clock that is not 0, in microseconds. */
export function measureTimerPrecisionUs(): number {
  let least = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < 1_000; reading += 1) {
    const before = performance.now();
    let after = performance.now();
    while (after === before) after = performance.now();
    least = Math.min(least, after - before);
  }
  return least * 1000;
}

function createYielder(interrupted: AbortSignal | undefined): () => Promise<void> | undefined {
  let lastTurn = performance.now();
  return () => {
    if (performance.now() - lastTurn < longestStretchMs) return undefined;
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        lastTurn = performance.now();
        if (interrupted?.aborted) reject(interrupted.reason);
        else resolve();
      });
    });
  };
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'then') === 'function';
}
