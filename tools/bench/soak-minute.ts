/** One minute of a soak as it is kept: what was answered and how late, and what the deployment held at its end. */
import type { KindCounts, LoadSample } from '../../server/test/topology/soak/load.ts';
import type { Reading } from '../../server/test/topology/soak/readings.ts';
import { type CollectedName, collectedNames, type Held } from './soak-held.ts';

export interface KindMinute {
  asked: number;
  passed: number;
  unexpected: Record<string, number>;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

export interface Minute {
  /** Counted from the end of the warm-up, whose own is 0. */
  minute: number;
  endedAt: string;
  seconds: number;
  kinds: Record<string, KindMinute>;
  /** Of the load generator itself: how late requests left. */
  sentLateP99Ms: number;
  /** Over the last minute, of the machine. */
  loadAverage: number;
  /** Lines of the nodes' logs from "warn" on, and of nginx's error log. */
  warnings: number;
  /** After a collection of the heaps, in those minutes that end with one. */
  held?: Record<CollectedName, Held>;
  reading: Reading;
}

/** Every latency of a kind, so that those of several minutes can be put together. */
export type Latencies = ReadonlyMap<string, Float64Array>;

export function summarize(sample: LoadSample): { kinds: Minute['kinds']; latencies: Latencies } {
  const latencies = new Map<string, Float64Array>();
  const kinds: Minute['kinds'] = {};
  for (const [name, counts] of sample.kinds) {
    const sorted = Float64Array.from(counts.latenciesMs).sort();
    latencies.set(name, sorted);
    kinds[name] = describeKind(counts, sorted);
  }
  return { kinds, latencies };
}

function describeKind({ asked, passed, unexpected }: KindCounts, sorted: Float64Array): KindMinute {
  return {
    asked,
    passed,
    unexpected: Object.fromEntries(unexpected),
    p50Ms: shareOf(sorted, 0.5),
    p99Ms: shareOf(sorted, 0.99),
    maxMs: shareOf(sorted, 1),
  };
}

/** The value that a share of a sorted sample does not exceed. */
export function shareOf(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** The latencies of a kind in several minutes, sorted. */
export function putTogether(minutes: readonly Latencies[], name: string): Float64Array {
  const parts = minutes.map((latencies) => latencies.get(name) ?? new Float64Array());
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort();
}

export function countUnexpected(minute: Minute): number {
  return Object.values(minute.kinds)
    .flatMap(({ unexpected }) => Object.values(unexpected))
    .reduce((sum, count) => sum + count, 0);
}

/** A header and a line a minute, for a spreadsheet. */
export function writeCsv(minutes: readonly Minute[]): string {
  const names = [...new Set(minutes.flatMap(({ kinds }) => Object.keys(kinds)))];
  const columns: [string, (minute: Minute) => number | string][] = [
    ['minute', ({ minute }) => minute],
    ['ended_at', ({ endedAt }) => endedAt],
    ['seconds', ({ seconds }) => seconds.toFixed(1)],
    ['unexpected', countUnexpected],
    ['sent_late_p99_ms', ({ sentLateP99Ms }) => sentLateP99Ms.toFixed(2)],
    ['load_average', ({ loadAverage }) => loadAverage.toFixed(2)],
    ['warnings', ({ warnings }) => warnings],
    ...collectedNames.flatMap((name): [string, (minute: Minute) => string][] => [
      [`${name}_live_mb`, ({ held }) => held?.[name].liveMb.toFixed(2) ?? ''],
      [`${name}_collected_own_mb`, ({ held }) => held?.[name].ownMb.toFixed(1) ?? ''],
    ]),
    ['heap_used_mb', ({ reading }) => reading.metrics.heapUsedMb.toFixed(1)],
    ['external_mb', ({ reading }) => reading.metrics.externalMb.toFixed(1)],
    ['worker_restarts', ({ reading }) => reading.metrics.workerRestarts],
    ['database_connections', ({ reading }) => reading.databaseConnections],
    ['valkey_connections', ({ reading }) => reading.valkeyConnections],
    ['database_mb', ({ reading }) => reading.databaseMb.toFixed(1)],
  ];
  const [first] = minutes;
  for (const [name] of Object.entries(first?.reading.groups ?? {})) {
    const groupOf = ({ reading }: Minute) =>
      Object.entries(reading.groups).find(([group]) => group === name)?.[1];
    columns.push(
      [`${name}_resident_mb`, (minute) => groupOf(minute)?.residentMb.toFixed(1) ?? ''],
      [`${name}_largest_mb`, (minute) => groupOf(minute)?.largestMb.toFixed(1) ?? ''],
      [`${name}_own_mb`, (minute) => groupOf(minute)?.ownMb.toFixed(1) ?? ''],
      [`${name}_proportional_mb`, (minute) => groupOf(minute)?.proportionalMb?.toFixed(1) ?? ''],
      [`${name}_descriptors`, (minute) => groupOf(minute)?.descriptors ?? ''],
      [`${name}_processes`, (minute) => groupOf(minute)?.processes ?? ''],
    );
  }
  for (const cache of Object.keys(first?.reading.metrics.cacheEntries ?? {})) {
    columns.push([`cache_${cache}`, ({ reading }) => reading.metrics.cacheEntries[cache] ?? '']);
  }
  for (const cache of Object.keys(first?.reading.metrics.cacheBytes ?? {})) {
    columns.push([`cache_${cache}_bytes`, ({ reading }) => reading.metrics.cacheBytes[cache] ?? '']);
  }
  for (const table of Object.keys(first?.reading.tables ?? {})) {
    columns.push(
      [`${table}_rows`, ({ reading }) => reading.tables[table]?.rows ?? ''],
      [`${table}_mb`, ({ reading }) => reading.tables[table]?.mb.toFixed(2) ?? ''],
    );
  }
  for (const name of names) {
    const word = name.replaceAll(/\W+/g, '_').replace(/^_/, '');
    columns.push(
      [`${word}_asked`, ({ kinds }) => kinds[name]?.asked ?? 0],
      [`${word}_p50_ms`, ({ kinds }) => kinds[name]?.p50Ms.toFixed(2) ?? ''],
      [`${word}_p99_ms`, ({ kinds }) => kinds[name]?.p99Ms.toFixed(2) ?? ''],
      [`${word}_max_ms`, ({ kinds }) => kinds[name]?.maxMs.toFixed(2) ?? ''],
    );
  }
  const lines = [
    columns.map(([name]) => name),
    ...minutes.map((minute) => columns.map(([, of]) => of(minute))),
  ];
  return `${lines.map((line) => line.join(',')).join('\n')}\n`;
}
