/** A page out of the two halves of a list, each already in order. */

import type { ListKey } from './exercise-list.sql.ts';
import { compareEntries, type HalfEntry } from './half.ts';
import type { ListQuery } from './list-query.ts';

export interface Halves {
  /** Those that match, in ascending order of the list. */
  system: readonly HalfEntry[];
  own: readonly HalfEntry[];
}

/** @returns where the rows of the page stand, and one more when others follow */
export function mergeHalves({ system, own }: Halves, query: ListQuery): ListKey[] {
  const { limit, offset, after, order } = query;
  const isDescending = order.sortOrder === 'desc';
  const read = (half: readonly HalfEntry[], at: number) => half[isDescending ? half.length - 1 - at : at];
  const compare = (left: HalfEntry, right: HalfEntry) =>
    isDescending ? compareEntries(order.orderBy, right, left) : compareEntries(order.orderBy, left, right);

  /** How many of a half come before the page that begins after an entry. */
  function countUpTo(half: readonly HalfEntry[], last: HalfEntry): number {
    return findFirst(half.length, (at) => {
      const entry = read(half, at);
      return entry !== undefined && compare(entry, last) > 0;
    });
  }

  let ofSystem: number;
  let ofOwn: number;
  if (after !== undefined) {
    const last = { id: after.id, nameKey: after.value, createdAt: after.value };
    ofSystem = countUpTo(system, last);
    ofOwn = countUpTo(own, last);
  } else {
    // Of the first `offset` rows so many are the system's: the least number of which the next is not before the
    // last of the others.
    const skipped = Math.min(offset, system.length + own.length);
    const least = Math.max(0, skipped - own.length);
    const most = Math.min(skipped, system.length);
    ofSystem =
      least +
      findFirst(most - least, (step) => {
        const ours = read(system, least + step);
        const theirs = read(own, skipped - least - step - 1);
        return ours === undefined || theirs === undefined || compare(ours, theirs) > 0;
      });
    ofOwn = skipped - ofSystem;
  }

  const keys: ListKey[] = [];
  while (keys.length <= limit) {
    const ours = read(system, ofSystem);
    const theirs = read(own, ofOwn);
    const isSystem = theirs === undefined || (ours !== undefined && compare(ours, theirs) < 0);
    const entry = isSystem ? ours : theirs;
    if (entry === undefined) break;
    if (isSystem) ofSystem += 1;
    else ofOwn += 1;
    keys.push({
      id: entry.id,
      isSystem,
      orderValue: order.orderBy === 'name' ? entry.nameKey : entry.createdAt,
    });
  }
  return keys;
}

/** The first of 0 to `count` for which it is so, when it is so for all after it, too; `count` if for none. */
function findFirst(count: number, isSo: (at: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isSo(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
