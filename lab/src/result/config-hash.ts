/** A digest of what was asked for: two results with the same one may be compared. */
import { createHash } from 'node:crypto';

/**
 * The first 16 hexadecimal digits of SHA-256 over the JSON with sorted keys, so that the order in which an object was
 * built does not matter. What JSON leaves out (undefined, functions) does not count.
 */
export function hashConfig(config: unknown): string {
  const text = JSON.stringify(config, sortKeys) ?? 'null';
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0)),
  );
}
