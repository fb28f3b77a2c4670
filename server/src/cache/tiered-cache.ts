/** Two levels of cache: what this process holds, and behind it what several nodes share. */
import type { Cache, CacheCounts } from './cache.ts';

/** The level that nodes share. Whatever goes wrong in it, `load` is asked instead. */
export interface FarCache<Value extends object> extends CacheCounts {
  /** The value that is shared, or what `load` finds; that is then shared, unless the key was dropped meanwhile. */
  read(key: string, load: () => Promise<Value | undefined>): Promise<Value | undefined>;
  /** Nobody reads afterwards what was shared before; those who come later from here not even while it is under way. */
  drop(key: string): void;
  clear(): void;
  /** While suspended nothing is taken from it: this node cannot hear of changes. */
  suspend(): void;
  /** What was shared until now may be stale, and is not taken from it either. */
  resume(): void;
  /** @param forget called with a key that changed there, or null when any may have */
  onChanged(forget: (key: string | null) => void): void;
}

export function createTieredCache<Value extends object>(
  near: Cache<Value>,
  far: FarCache<Value>,
): Cache<Value> {
  far.onChanged((key) => {
    if (key === null) near.clear();
    else near.drop(key);
  });
  return {
    name: near.name,
    counts: near.counts,
    get size() {
      return near.size;
    },
    peek: near.peek,
    // Near shares the look-up among those who miss at once, and does not keep what was dropped while it was under way.
    read: (key, load) => near.read(key, () => far.read(key, load)),
    drop(key) {
      near.drop(key);
      far.drop(key);
    },
    clear() {
      near.clear();
      far.clear();
    },
    suspend() {
      far.suspend();
      near.suspend();
    },
    resume() {
      far.resume();
      near.resume();
    },
  };
}
