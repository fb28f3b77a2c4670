/** What follows from how an attempt went: pure rules, no clock and no chance of their own. */

/** How one attempt went. */
export interface Answer {
  /** Null when there was no answer. */
  statusCode: number | null;
  /** Why it counts as a failure, in a few words; null for a success. */
  error: string | null;
  /** Milliseconds the receiver asks to be left alone. */
  retryAfterMs?: number;
  durationMs: number;
}

export interface Outcome {
  kind: 'delivered' | 'retry' | 'failed' | 'gone';
  /** Milliseconds until the next attempt; 0 when there is none. */
  retryInMs: number;
  /** Milliseconds for which the whole address is left alone; 0 when it is not. */
  pauseMs: number;
}

const minuteMs = 60_000;

/** After the first attempt; when these are used up the delivery has failed. */
export const retryDelaysMs = [minuteMs / 2, minuteMs, 5 * minuteMs, 15 * minuteMs, 60 * minuteMs] as const;

/** Up to this much longer, so that what failed together does not come back together. */
const jitter = 0.2;

/** A receiver that asks for longer than this is asked again after this. */
const longestRetryAfterMs = 24 * 60 * minuteMs;

/**
 * @param attempts made before this one
 * @param random in [0, 1)
 */
export function judge(answer: Answer, attempts: number, random: number): Outcome {
  const { statusCode, error, retryAfterMs = 0 } = answer;
  if (error === null) return { kind: 'delivered', retryInMs: 0, pauseMs: 0 };
  if (statusCode === 410) return { kind: 'gone', retryInMs: 0, pauseMs: 0 };
  const isBusy = statusCode === 429 || statusCode === 503;
  const pauseMs = isBusy ? Math.min(retryAfterMs, longestRetryAfterMs) : 0;
  const delayMs = retryDelaysMs[attempts];
  if (delayMs === undefined) return { kind: 'failed', retryInMs: 0, pauseMs };
  return { kind: 'retry', retryInMs: Math.max(delayMs, pauseMs) * (1 + jitter * random), pauseMs };
}

/**
 * Retry-After: seconds, of which RFC 9110 bounds no digits, or an HTTP date.
 *
 * @returns milliseconds from now, or undefined for what is neither
 */
export function readRetryAfter(given: string | undefined, now: Date): number | undefined {
  if (given === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(given)) return Number(given) * 1000;
  const at = /[a-z]/i.test(given) ? Date.parse(given) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}
