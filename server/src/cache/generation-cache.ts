/**
 * Values of one generation each: of a later generation they are not found, and the value that is made then takes their
 * place. So what changes often leaves nothing behind, where a generation in the key would fill the cache with copies that
 * nobody can ask for.
 */
import { LRUCache } from 'lru-cache';

export interface GenerationCache<Value> {
  /** @param mark of the generation that is asked for */
  find(key: string, mark: string): Value | undefined;
  keep(key: string, mark: string, value: Value): void;
  clear(): void;
  /** Entries, whatever their generation. */
  readonly size: number;
  /** What they take, by `bytesOf`. */
  readonly bytes: number;
}

interface Bounds<Value> {
  /** The least recently used go first. */
  maxBytes: number;
  bytesOf: (value: Value, key: string) => number;
  /** Entries at most; unset: as many as the bytes allow. */
  max?: number;
}

export function createGenerationCache<Value>({
  maxBytes,
  bytesOf,
  max,
}: Bounds<Value>): GenerationCache<Value> {
  const kept = new LRUCache<string, { mark: string; value: Value }>({
    ...(max === undefined ? {} : { max }),
    maxSize: maxBytes,
    sizeCalculation: ({ value }, key) => bytesOf(value, key),
  });
  return {
    find(key, mark) {
      const found = kept.get(key);
      return found?.mark === mark ? found.value : undefined;
    },
    keep(key, mark, value) {
      kept.set(key, { mark, value });
    },
    clear: () => kept.clear(),
    get size() {
      return kept.size;
    },
    get bytes() {
      return kept.calculatedSize;
    },
  };
}
