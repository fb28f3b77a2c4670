/** How many events an organization may send: a counted window of 60 s that begins with its first event. */
import { tiers } from '@irontrack/contract/organizations.ts';
import type { Clock } from '../clock.ts';
import type { Allowance, Organization } from '../http/key-guard.ts';
import { Problem } from '../problem.ts';

export interface Taken extends Allowance {
  /** False: the event is one too many, and counts for nothing. */
  readonly isGranted: boolean;
}

export interface TierLimits {
  /** What is left, taking nothing. */
  allowanceOf(organization: Organization): Allowance;
  /** Takes one event. Call it once an event, before anything is stored. */
  take(organization: Organization): Taken;
  /** Gives an event back that was not stored for a reason of ours. */
  giveBack(organization: Organization): void;
}

interface Window {
  startedAtMs: number;
  count: number;
}

export const windowMs = 60_000;

/** Counted in this process. */
export function createTierLimits(clock: Clock): TierLimits {
  const windows = new Map<string, Window>();
  let sweptAtMs = 0;

  function isOver(window: Window, nowMs: number): boolean {
    // A clock that was set back must not leave a window open for hours.
    return nowMs >= window.startedAtMs + windowMs || nowMs < window.startedAtMs - windowMs;
  }

  function findWindow(id: string, nowMs: number): Window | undefined {
    const window = windows.get(id);
    return window === undefined || isOver(window, nowMs) ? undefined : window;
  }

  function sweep(nowMs: number): void {
    if (Math.abs(nowMs - sweptAtMs) < windowMs) return;
    sweptAtMs = nowMs;
    for (const [id, window] of windows) if (isOver(window, nowMs)) windows.delete(id);
  }

  function allowance({ tier }: Organization, window: Window | undefined, nowMs: number): Allowance {
    const limit = tiers[tier].eventsPerMinute;
    return {
      limit,
      remaining: Math.max(0, limit - (window?.count ?? 0)),
      resetsAtMs: (window?.startedAtMs ?? nowMs) + windowMs,
    };
  }

  return {
    allowanceOf(organization) {
      const nowMs = clock().getTime();
      return allowance(organization, findWindow(organization.id, nowMs), nowMs);
    },
    take(organization) {
      const nowMs = clock().getTime();
      sweep(nowMs);
      const window = findWindow(organization.id, nowMs) ?? { startedAtMs: nowMs, count: 0 };
      const isGranted = window.count < tiers[organization.tier].eventsPerMinute;
      if (isGranted) {
        window.count += 1;
        windows.set(organization.id, window);
      }
      return { isGranted, ...allowance(organization, window, nowMs) };
    },
    giveBack(organization) {
      const window = findWindow(organization.id, clock().getTime());
      if (window !== undefined && window.count > 0) window.count -= 1;
    },
  };
}

/** What an event over the limit is answered with. */
export function tierLimitReached({ limit, resetsAtMs }: Allowance, now: Date): Problem {
  const seconds = Math.max(1, Math.ceil((resetsAtMs - now.getTime()) / 1000));
  return new Problem(
    'event-limit-reached',
    `The ${limit} events of this minute are used up. Try again in ${seconds} s.`,
    { headers: { 'retry-after': String(seconds) } },
  );
}
