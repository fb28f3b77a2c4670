/** The cache in this process: a bounded map, least recently used out first. */
import { LRUCache } from 'lru-cache';
import type { Cache } from './cache.ts';

/**
 * @param name for metrics
 * @param capacity entries at most
 */
export function createMemoryCache<Value extends object>(name: string, capacity: number): Cache<Value> {
  const kept = new LRUCache<string, Value>({ max: capacity });
  const loading = new Map<string, Promise<Value | undefined>>();
  const counts = { hits: 0, misses: 0 };
  let suspended = false;

  function clear(): void {
    kept.clear();
    // Loads under way still answer those who wait, but nobody joins them and nothing of them is kept.
    loading.clear();
  }

  async function load(key: string, find: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const promise = find();
    loading.set(key, promise);
    try {
      const value = await promise;
      if (value !== undefined && loading.get(key) === promise) kept.set(key, value);
      return value;
    } finally {
      if (loading.get(key) === promise) loading.delete(key);
    }
  }

  return {
    name,
    counts,
    get size() {
      return kept.size;
    },
    peek(key) {
      const value = kept.get(key);
      if (value !== undefined) counts.hits += 1;
      return value;
    },
    read(key, find) {
      const value = kept.get(key);
      if (value !== undefined) {
        counts.hits += 1;
        return Promise.resolve(value);
      }
      counts.misses += 1;
      if (suspended) return find();
      return loading.get(key) ?? load(key, find);
    },
    drop(key) {
      kept.delete(key);
      loading.delete(key);
    },
    clear,
    suspend() {
      suspended = true;
      clear();
    },
    resume() {
      clear();
      suspended = false;
    },
  };
}
