/** Overload in the log: that it began, and not each time it comes back within a moment. */

interface Log {
  warn(members: object, sentence: string): void;
}

/** Under steady overload requests are refused and let in again many times a minute; one line in this time says it. */
const repeatMs = 10_000;

/**
 * @param clock monotonic, milliseconds
 * @returns what to call with the reason when requests begin to be refused, and with undefined when they no longer are
 */
export function createOverloadLog(log: Log, clock: () => number): (reason: string | undefined) => void {
  let lastSaidAt = Number.NEGATIVE_INFINITY;
  let times = 0;
  return (reason) => {
    if (reason === undefined) return;
    times += 1;
    if (clock() - lastSaidAt < repeatMs) return;
    log.warn(
      { reason, times },
      'There is more to do than can be done: costly requests are answered 503 for now.',
    );
    lastSaidAt = clock();
    times = 0;
  };
}
