/** What has to be done now and then, by every node on its own: repeating it does no harm. */
import type { Clock } from '../clock.ts';

export interface Housekeeping {
  stop(): void;
}

export interface Chore {
  everyMs: number;
  /** Reads on after "Could not": "renew the signing key". */
  name: string;
  /** Every worker of a node does it, not the first alone. */
  isOfProcess?: boolean;
  run: (now: Date) => Promise<void>;
}

/** @param onFailure told once a failure; the chore is tried again at its next turn */
export function startHousekeeping(
  chores: readonly Chore[],
  clock: Clock,
  onFailure: (name: string, error: unknown) => void,
): Housekeeping {
  const timers = chores.map(({ everyMs, name, run }) =>
    setInterval(() => {
      run(clock()).catch((error: unknown) => onFailure(name, error));
    }, everyMs).unref(),
  );
  return {
    stop() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}
