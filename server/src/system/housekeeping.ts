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

/** @param onFailure told when a chore fails, and not again while it fails for the same reason; it is tried at each turn */
export function startHousekeeping(
  chores: readonly Chore[],
  clock: Clock,
  onFailure: (name: string, error: unknown) => void,
): Housekeeping {
  const failing = new Map<string, string>();

  async function take({ name, run }: Chore): Promise<void> {
    try {
      await run(clock());
      failing.delete(name);
    } catch (error) {
      const reason = String(error);
      if (failing.get(name) !== reason) onFailure(name, error);
      failing.set(name, reason);
    }
  }

  const timers = chores.map((chore) => setInterval(() => void take(chore), chore.everyMs).unref());
  return {
    stop() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}
