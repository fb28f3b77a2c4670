/** Counted in this process: answers at once, and starts anew with it. */
import type { Clock } from '../clock.ts';
import type { Claim, Count, Counters, Limit } from './counters.ts';

/** What answers without being waited for, so that a path that takes thousands a second stays free of promises. */
export interface MemoryCounters extends Counters {
  take(claim: Claim): Count;
  takeEach(claims: readonly Claim[]): readonly Count[];
  read(claim: Claim): Count;
  giveBack(claims: readonly Claim[]): void;
  /** Windows held, those that are over and not swept yet included. */
  readonly size: number;
}

interface Window {
  startedAtMs: number;
  used: number;
}

/** Windows that are over are swept this many at a time, by whoever begins another: never a pause for all of them. */
const sweptAtOnce = 2;

/**
 * Windows of one limit at most, some 20 MB. Beyond them the one that began first is given up, so that whoever goes on and on
 * under new names and addresses takes memory that is known, and locks nobody out; to have the guesses at one account
 * forgotten like that takes as many sign-ins under other names, within its window.
 */
const defaultMostWindows = 100_000;

export function createMemoryCounters(clock: Clock, mostWindows = defaultMostWindows): MemoryCounters {
  /** By the limit's name, then by subject. Windows of a name are equally long, so the first of a map is over first. */
  const windowsOf = new Map<string, Map<string, Window>>();

  function isOver({ startedAtMs }: Window, { windowMs }: Limit, nowMs: number): boolean {
    // A clock that was set back must not leave a window open for hours.
    return nowMs >= startedAtMs + windowMs || nowMs < startedAtMs - windowMs;
  }

  function findWindow({ limit, subject }: Claim, nowMs: number): Window | undefined {
    const window = windowsOf.get(limit.name)?.get(subject);
    return window === undefined || isOver(window, limit, nowMs) ? undefined : window;
  }

  function sweep(windows: Map<string, Window>, limit: Limit, nowMs: number): void {
    let left = sweptAtOnce;
    for (const [subject, window] of windows) {
      if (left === 0 || !isOver(window, limit, nowMs)) return;
      windows.delete(subject);
      left -= 1;
    }
  }

  function beginWindow({ limit, subject }: Claim, nowMs: number): Window {
    let windows = windowsOf.get(limit.name);
    if (windows === undefined) {
      windows = new Map();
      windowsOf.set(limit.name, windows);
    }
    sweep(windows, limit, nowMs);
    const window = { startedAtMs: nowMs, used: 0 };
    // To the end of the map, past those that began earlier.
    windows.delete(subject);
    windows.set(subject, window);
    if (windows.size > mostWindows) dropFirst(windows);
    return window;
  }

  const endOf = (window: Window, limit: Limit, nowMs: number) => window.startedAtMs + limit.windowMs - nowMs;

  function take(claim: Claim): Count {
    const { limit } = claim;
    const nowMs = clock().getTime();
    const window = findWindow(claim, nowMs) ?? beginWindow(claim, nowMs);
    const isGranted = window.used < limit.points;
    if (isGranted) window.used += 1;
    return { isGranted, used: window.used, endsInMs: endOf(window, limit, nowMs) };
  }

  return {
    take,
    takeEach(claims) {
      const counts: Count[] = [];
      for (const claim of claims) {
        const count = take(claim);
        counts.push(count);
        if (!count.isGranted) break;
      }
      return counts;
    },
    read(claim) {
      const { limit } = claim;
      const nowMs = clock().getTime();
      const window = findWindow(claim, nowMs);
      if (window === undefined) return { isGranted: limit.points > 0, used: 0, endsInMs: limit.windowMs };
      const { used } = window;
      return { isGranted: used < limit.points, used, endsInMs: endOf(window, limit, nowMs) };
    },
    giveBack(claims) {
      const nowMs = clock().getTime();
      for (const claim of claims) {
        const window = findWindow(claim, nowMs);
        if (window !== undefined && window.used > 0) window.used -= 1;
      }
    },
    get size() {
      let size = 0;
      for (const windows of windowsOf.values()) size += windows.size;
      return size;
    },
  };
}

function dropFirst(windows: Map<string, Window>): void {
  for (const subject of windows.keys()) {
    windows.delete(subject);
    return;
  }
}
