/** What metrics show of a cache. */
export interface CacheCounts {
  /** A short word such as `session`. */
  readonly name: string;
  readonly counts: { readonly hits: number; readonly misses: number };
  readonly size: number;
  /** What it takes, about, where it is bounded in bytes. */
  readonly bytes?: number;
}

/**
 * What every cache promises, whatever stands behind it. `cache.conformance.ts` holds the same facts as tests.
 *
 * A cache keeps copies of rows. Whoever changes a row commits first, then calls `drop` on this node (the other nodes
 * hear of it through the database), then answers. In that order no caller that starts after the answer can see the
 * old row: not from the map, and not from a load that was under way while the row changed.
 */
export interface Cache<Value extends object> extends CacheCounts {
  /** The value, if this process holds it. Never waits, so the hot path stays synchronous. */
  peek(key: string): Value | undefined;

  /**
   * The value, or what `load` finds. Callers that miss at the same time share one load. What was loaded while the key
   * was dropped is returned to those who waited for it and not kept. A missing value (`undefined`) is never kept.
   */
  read(key: string, load: () => Promise<Value | undefined>): Promise<Value | undefined>;

  /** Forgets one key; a load under way for it will not be kept, and later callers start another. */
  drop(key: string): void;

  /** Forgets everything. */
  clear(): void;

  /** While suspended nothing is kept or shared: every read loads. For a node that cannot hear of changes. */
  suspend(): void;
  resume(): void;
}
