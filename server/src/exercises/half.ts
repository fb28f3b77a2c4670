/**
 * One half of a list, the system's exercises or those of one user, in memory: where each stands in either order, and for
 * each muscle, piece of equipment, tag, category and level a set of bits, one for each exercise, so that a filter of any
 * kind is a few words of bits joined and no statement.
 */
import type { HalfRow } from './half.sql.ts';
import type { ListFilter, ListOrder } from './list-query.ts';
import { searchKey } from './names.ts';

export type HalfEntry = Pick<HalfRow, 'id' | 'nameKey' | 'createdAt'>;

export interface Half {
  readonly size: number;
  /** Those that match, in ascending order. */
  select(filter: ListFilter, orderBy: ListOrder['orderBy']): readonly HalfEntry[];
}

/** A bit for each exercise, in the order of their names. */
type Bits = Uint32Array;

/** @param rows by name */
export function createHalf(rows: readonly HalfRow[]): Half {
  const byName = rows.map(({ id, nameKey, createdAt }): HalfEntry => ({ id, nameKey, createdAt }));
  /** Places in `byName`. */
  const inTime = new Uint32Array(rows.length);
  for (const [place, { rankInTime }] of rows.entries()) inTime[rankInTime - 1] = place;
  const byTime = Array.from(inTime, (place) => byName[place]).filter((entry) => entry !== undefined);
  const words = Math.ceil(rows.length / 32);
  const index = (valuesOf: (row: HalfRow) => readonly string[]) => {
    const bitsOf = new Map<string, Bits>();
    for (const [place, row] of rows.entries()) {
      for (const value of valuesOf(row)) {
        const bits = bitsOf.get(value) ?? new Uint32Array(words);
        bitsOf.set(value, bits);
        bits[place >>> 5] = (bits[place >>> 5] ?? 0) | (1 << (place & 31));
      }
    }
    return bitsOf;
  };
  const idsOf = (ids: string) => (ids === '' ? [] : ids.split(','));
  const indexes = {
    primaryMuscles: index((row) => idsOf(row.primaryMuscles)),
    equipment: index((row) => idsOf(row.equipment)),
    tags: index((row) => idsOf(row.tags)),
    categories: index((row) => [row.category]),
    difficultyLevels: index((row) => [row.difficultyLevel]),
  };

  /** Undefined: all. */
  function match(filter: ListFilter): Bits | undefined {
    let matching: Bits | undefined;
    for (const name of conditions) {
      const wanted = filter[name];
      if (wanted.length === 0) continue;
      const any = new Uint32Array(words);
      for (const value of wanted) {
        const bits = indexes[name].get(String(value));
        for (let word = 0; bits !== undefined && word < words; word += 1) {
          any[word] = (any[word] ?? 0) | (bits[word] ?? 0);
        }
      }
      for (let word = 0; matching !== undefined && word < words; word += 1) {
        any[word] = (any[word] ?? 0) & (matching[word] ?? 0);
      }
      matching = any;
    }
    return matching;
  }

  return {
    size: rows.length,
    select(filter, orderBy) {
      const key = searchKey(filter.searchString);
      const matching = match(filter);
      if (matching === undefined) {
        const all = orderBy === 'name' ? byName : byTime;
        return key === '' ? all : all.filter(({ nameKey }) => nameKey.includes(key));
      }
      const found: HalfEntry[] = [];
      for (let at = 0; at < rows.length; at += 1) {
        const place = orderBy === 'name' ? at : (inTime[at] ?? 0);
        if (((matching[place >>> 5] ?? 0) & (1 << (place & 31))) === 0) continue;
        const entry = byName[place];
        if (entry?.nameKey.includes(key)) found.push(entry);
      }
      return found;
    },
  };
}

const conditions = ['primaryMuscles', 'equipment', 'tags', 'categories', 'difficultyLevels'] as const;

export const emptyHalf = createHalf([]);

/** The order of the list: no two entries are equal. */
export function compareEntries(orderBy: ListOrder['orderBy'], left: HalfEntry, right: HalfEntry): number {
  const byValue =
    orderBy === 'name'
      ? compareCodePoints(left.nameKey, right.nameKey)
      : comparePlain(left.createdAt, right.createdAt);
  return byValue === 0 ? comparePlain(left.id, right.id) : byValue;
}

function comparePlain(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** As PostgreSQL orders by "C". JavaScript's `<` goes by UTF-16, where an emoji comes before a full-width letter. */
function compareCodePoints(left: string, right: string): number {
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at += 1) {
    const [a, b] = [left.charCodeAt(at), right.charCodeAt(at)];
    if (a !== b) return rank(a) - rank(b);
  }
  return left.length - right.length;
}

/** Surrogates, halves of what lies beyond 0xFFFF, after all that lies below. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit;
}
