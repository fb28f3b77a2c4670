/**
 * Notices a process that hangs: whoever dies is heard of, whoever hangs keeps its place and lets everybody wait. What
 * counts is how often it was asked without an answer, not how much time went by: a machine that stands still stops who asks
 * and who is asked.
 */

interface Needs {
  everyMs: number;
  /** Questions in a row without an answer. */
  mostUnanswered: number;
  /** Rejects, or does nothing at all, without an answer. */
  ask: () => Promise<unknown>;
  /** Called once. @param silentMs how long it has said nothing, about */
  onSilent: (silentMs: number) => void;
}

/** @returns what ends the watch */
export function watchForSilence({ everyMs, mostUnanswered, ask, onSilent }: Needs): () => void {
  let unanswered = 0;
  const timer = setInterval(() => {
    if (unanswered >= mostUnanswered) {
      clearInterval(timer);
      onSilent(unanswered * everyMs);
      return;
    }
    unanswered += 1;
    ask().then(
      () => {
        unanswered = 0;
      },
      () => undefined,
    );
  }, everyMs).unref();
  return () => clearInterval(timer);
}
