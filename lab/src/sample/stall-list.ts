/** Turns gaps of an event loop into the list of stalls of a report, and counts the requests each one hurt. */
import type { SecondOfRun, Stall } from '../result/result.ts';

/** A stretch in which the loop did not turn. */
export interface LoopGap {
  startS: number;
  lengthMs: number;
  /** Innermost frame first; empty without a profile. */
  stack?: readonly string[];
}

/** When a request was due and when it was answered, in seconds on the clock of the gaps. */
export interface RequestTime {
  dueS: number;
  doneS: number;
}

/** What is known of the load: every request, or only how many were due in each second. */
export type LoadSeen =
  | { kind: 'requests'; requests: readonly RequestTime[] }
  | { kind: 'seconds'; series: readonly Pick<SecondOfRun, 'second' | 'due'>[] }
  | { kind: 'none' };

/** Shorter ones are the ordinary life of an event loop: a garbage collection, a large answer. */
export const shortestStallMs = 20;

/** The gaps of at least `shortestMs`, by their start, each with the requests that it hurt. */
export function listStalls(
  gaps: readonly LoopGap[],
  load: LoadSeen = { kind: 'none' },
  shortestMs: number = shortestStallMs,
): Stall[] {
  return gaps
    .filter((gap) => gap.lengthMs >= shortestMs)
    .sort((a, b) => a.startS - b.startS)
    .map((gap) => ({
      startS: gap.startS,
      lengthMs: gap.lengthMs,
      requestsHurt: countRequestsHurt(gap, load),
      stack: [...(gap.stack ?? [])],
    }));
}

/**
 * Requests that waited while the loop stood still: those under way or due in the gap. From a series by the second it
 * is those due in the gap, at an even rate within each second; those already under way when it began are missing.
 */
export function countRequestsHurt(gap: LoopGap, load: LoadSeen): number | null {
  const endS = gap.startS + gap.lengthMs / 1000;
  if (load.kind === 'none') return null;
  if (load.kind === 'requests') {
    return load.requests.filter(({ dueS, doneS }) => dueS < endS && doneS > gap.startS).length;
  }
  let hurt = 0;
  for (const { second, due } of load.series) {
    hurt += due * Math.max(0, Math.min(endS, second + 1) - Math.max(gap.startS, second));
  }
  return Math.round(hurt);
}

/** Share of the time, 0 to 1, in which the loop stood still for at least `shortestMs` at a stretch. */
export function shareBlocked(
  gaps: readonly LoopGap[],
  wallS: number,
  shortestMs: number = shortestStallMs,
): number {
  const blockedMs = gaps.reduce((sum, gap) => sum + (gap.lengthMs >= shortestMs ? gap.lengthMs : 0), 0);
  return wallS <= 0 ? 0 : Math.min(1, blockedMs / 1000 / wallS);
}
