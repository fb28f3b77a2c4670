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
  /** What it takes in memory, roughly. */
  readonly bytes: number;
  /** Those that match, in ascending order. */
  select(filter: ListFilter, orderBy: ListOrder['orderBy']): readonly HalfEntry[];
}

/** A bit for each exercise, in the order of their names. */
type Bits = Uint32Array;

/** Measured with `--expose-gc` on a 64-bit Node 26; a name takes up to two bytes a letter besides. */
const bytesOfNone = 3_000;
const bytesOfRow = 200;
const bytesOfSet = 250;

/**
 * @param rows by name. No function that outlives the call may name them: they would stay in memory with the half, four
 *   times its size.
 */
export function createHalf(rows: readonly HalfRow[]): Half {
  const byName = rows.map(({ id, nameKey, createdAt }): HalfEntry => ({ id, nameKey, createdAt }));
  /** Places in `byName`. */
  const inTime = new Uint32Array(rows.length);
  for (const [place, { rankInTime }] of rows.entries()) inTime[rankInTime - 1] = place;
  const byTime = Array.from(inTime, (place) => byName[place]).filter((entry) => entry !== undefined);
  const size = rows.length;
  const words = Math.ceil(size / 32);
  const indexes = indexAll(rows);

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

  const sets = Object.values(indexes).reduce((sum, { size }) => sum + size, 0);
  const nameLength = byName.reduce((sum, { nameKey }) => sum + nameKey.length, 0);
  return {
    size,
    bytes: bytesOfNone + size * bytesOfRow + 2 * nameLength + sets * (bytesOfSet + 4 * words),
    select(filter, orderBy) {
      const key = searchKey(filter.searchString);
      const matching = match(filter);
      if (matching === undefined) {
        const all = orderBy === 'name' ? byName : byTime;
        return key === '' ? all : all.filter(({ nameKey }) => nameKey.includes(key));
      }
      const found: HalfEntry[] = [];
      for (let at = 0; at < size; at += 1) {
        const place = orderBy === 'name' ? at : (inTime[at] ?? 0);
        if (((matching[place >>> 5] ?? 0) & (1 << (place & 31))) === 0) continue;
        const entry = byName[place];
        if (entry?.nameKey.includes(key)) found.push(entry);
      }
      return found;
    },
  };
}

function indexAll(rows: readonly HalfRow[]) {
  const idsOf = (ids: string) => (ids === '' ? [] : ids.split(','));
  return {
    primaryMuscles: indexBy(rows, (row) => idsOf(row.primaryMuscles)),
    equipment: indexBy(rows, (row) => idsOf(row.equipment)),
    tags: indexBy(rows, (row) => idsOf(row.tags)),
    categories: indexBy(rows, (row) => [row.category]),
    difficultyLevels: indexBy(rows, (row) => [row.difficultyLevel]),
  };
}

function indexBy(
  rows: readonly HalfRow[],
  valuesOf: (row: HalfRow) => readonly string[],
): ReadonlyMap<string, Bits> {
  const bitsOf = new Map<string, Bits>();
  for (const [place, row] of rows.entries()) {
    for (const value of valuesOf(row)) {
      let bits = bitsOf.get(value);
      if (bits === undefined) {
        bits = new Uint32Array(Math.ceil(rows.length / 32));
        bitsOf.set(value, bits);
      }
      bits[place >>> 5] = (bits[place >>> 5] ?? 0) | (1 << (place & 31));
    }
  }
  return bitsOf;
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
