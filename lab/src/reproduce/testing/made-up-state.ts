/** What an experiment would have measured, for the tests of what is said about it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { makeExampleRun } from '../../report/example-results.ts';
import { readMachine } from '../../result/machine.ts';
import type { FlameNode, MicroRow, RunMeasurement } from '../../result/result.ts';
import { makeHead, openState, type State } from '../state.ts';

/** @returns opens a state with nothing in it; their files are removed after the tests of the file that asks for it */
export function prepareStates(): () => State {
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-states-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;
  return () => {
    files += 1;
    const head = makeHead({
      labVersion: '0',
      startedAt: '2026-01-01T00:00:00Z',
      configHash: '0',
      isQuick: true,
      machine: readMachine(),
      source: null,
      serverCores: '0',
      generatorCores: '1',
      databaseCores: '0',
      versions: { Node: '26' },
    });
    return openState(join(folder, `${files}.jsonl`), head, { isFresh: true });
  };
}

export const example: RunMeasurement = { ...makeExampleRun({ durationS: 1 }), series: [] };

/** Three rounds that differ by a percent, on a machine that is slower in each. */
export function measure(state: State, group: string, variant: string, cpuUs: number, ratePerS = 100): void {
  for (const round of [1, 2, 3]) {
    const drift = 1 + round / 5;
    const wobble = 1 + (round - 2) / 200;
    const perS = (ratePerS / drift) * wobble;
    // So long that what was under way at the end is nothing.
    const durationS = 10_000;
    const run = {
      ...example,
      durationS,
      ok: Math.round(perS * durationS),
      cpuUsPerRequest: cpuUs * drift * wobble,
      ratePerS: perS,
    };
    state.add({ kind: 'run', group, variant, round, run });
  }
}

export interface Seen {
  /** CPU by function name. */
  functions?: Readonly<Record<string, number>>;
  stallMs?: number;
  stalledIn?: string;
  blockedShare?: number;
  answered?: number;
}

/** One of a second, `seen` over nothing at all. */
export function profile(state: State, group: string, variant: string, seen: Seen): void {
  const { functions = {}, stallMs, stalledIn = 'hashOnLoop', blockedShare = 0, answered = 10 } = seen;
  const children = Object.entries(functions).map(([name, us]): FlameNode => {
    return { name, where: 'a.ts:1', totalUs: us, selfUs: us, children: [] };
  });
  const stack = ['argon2Sync (node:internal/crypto/argon2:102)', `${stalledIn} (a.ts:1)`];
  const stall = { startS: 0, lengthMs: stallMs ?? 0, requestsHurt: 1, stack };
  state.add({
    kind: 'profile',
    group,
    variant,
    table: { cpuS: 1, wallS: 1, functions: [], packages: [] },
    stalls: stallMs === undefined ? [] : [stall],
    blockedShare,
    answered,
    flame: { name: 'all CPU', where: '', totalUs: 1000, selfUs: 0, children },
  });
}

/** @param medians microseconds by the name of the piece */
export function addPieces(state: State, medians: Readonly<Record<string, number>>): void {
  const rows = Object.entries(medians).map(([name, medianUs]): MicroRow => {
    const row = { minUs: medianUs, maxUs: medianUs, meanUs: medianUs, stddevUs: 0, iqrUs: 0 };
    return { name, medianUs, ...row, outliers: [0, 0], opsPerS: 1, rounds: 5, iterations: 1 };
  });
  state.add({ kind: 'pieces', rows });
}

/** A run whose pings all took as long. */
export function makePings(p99Us: number, count: number): RunMeasurement {
  const buckets: [number, number][] = [[Math.floor((Math.log2(p99Us) + 10) * 256), count]];
  const times = { count, minUs: p99Us, maxUs: p99Us, meanUs: p99Us, buckets };
  const response = { ...example.response, ...times };
  return { ...example, steps: { ping: { ok: count, failed: 0, response } } };
}
