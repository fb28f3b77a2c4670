/** What news of changes do: what they name is dropped from memory, and while none can be heard nothing is kept there. */
import type { Logger } from 'pino';
import type { ChangeListener, ChangeTopic } from './announcements.ts';

/** Keeps copies of rows. */
interface Copies {
  /** Keeps none from now on, and forgets those it has. */
  suspend(): void;
  resume(): void;
}

interface Needs {
  /** What has gone stale with a change, by its topic; the id is that of the announcement. */
  drop: Readonly<Record<ChangeTopic, (id: string) => void>>;
  copies: readonly Copies[];
  log: Pick<Logger, 'info' | 'warn'>;
  /** News may have been missed of what is no copy, and is not looked up when it is needed. */
  onHeardAgain: () => void;
}

export function followChanges({ drop, copies, log, onHeardAgain }: Needs): ChangeListener {
  let hasHeard = false;
  return {
    changed: (topic, id) => drop[topic](id),
    disconnected() {
      log.warn(
        'The database connection that carries news of changes is lost: caches are off until it is back.',
      );
      for (const part of copies) part.suspend();
    },
    connected() {
      for (const part of copies) part.resume();
      const isFirst = !hasHeard;
      hasHeard = true;
      // At the start everything has just been read.
      if (isFirst) return;
      log.info('News of changes are heard again: caches are on.');
      onHeardAgain();
    },
  };
}
