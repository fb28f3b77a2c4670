/**
 * The halves of lists that are in memory, each good for one generation of its rows: the system's, which everybody's
 * lists show, and those of users who list. What is too large to be kept is read from PostgreSQL for each page.
 */
import { LRUCache } from 'lru-cache';
import type { Sql } from '../database/sql.ts';
import { selectHalf } from './half.sql.ts';
import { createHalf, type Half } from './half.ts';

export interface HalfStore {
  /** If it is at hand; else it is read meanwhile, for others. Undefined: ask PostgreSQL. */
  find(ownerId: string | null): Half | undefined;
  /** The same for who waits: a half that is soon read is read. */
  read(ownerId: string): Promise<Half | undefined>;
}

interface Needs {
  sql: Sql;
  /** The generation of the rows of this owner; undefined while nothing may be kept. */
  markOf: (ownerId: string | null) => string | undefined;
}

/** Takes 5 ms of PostgreSQL; who has more waits for a page of 50 alone. */
const mostAwaited = 300;
/** 250 bytes each. */
const mostRows = 20_000;
const mostRowsOfUsers = 60_000;

interface Kept {
  mark: string;
  /** Undefined: there are more rows than were asked for. */
  half: Half | undefined;
  /** How many were asked for. */
  most: number;
}

export function createHalfStore({ sql, markOf }: Needs): HalfStore {
  const halves = new LRUCache<string, Kept>({
    maxSize: mostRowsOfUsers,
    sizeCalculation: ({ half }) => 10 + (half?.size ?? 0),
  });
  /** Apart: not to be pushed out by users. */
  let ofSystem: Kept | undefined;
  const underWay = new Map<string, Promise<Half | undefined>>();
  const meanwhile = new Set<string>();

  const keptOf = (ownerId: string | null) => (ownerId === null ? ofSystem : halves.get(ownerId));

  async function load(ownerId: string | null, mark: string, most: number): Promise<Half | undefined> {
    const rows = await selectHalf(sql, ownerId, most);
    const half = rows.length > most ? undefined : createHalf(rows);
    const kept = { mark, half, most };
    if (ownerId === null) ofSystem = kept;
    else halves.set(ownerId, kept);
    return half;
  }

  /** One at a time for an owner and generation. */
  function join(ownerId: string | null, mark: string, most: number): Promise<Half | undefined> {
    const key = `${mark} ${ownerId ?? ''}`;
    const known = underWay.get(key);
    if (known !== undefined) return known;
    const promise = load(ownerId, mark, most).finally(() => underWay.delete(key));
    underWay.set(key, promise);
    return promise;
  }

  /**
   * One at a time for an owner, also while rows keep changing. Nobody waits for it, so nobody hears if it fails: whoever
   * asks next tries again.
   */
  function loadMeanwhile(ownerId: string | null, mark: string): void {
    const key = ownerId ?? '';
    if (meanwhile.has(key)) return;
    meanwhile.add(key);
    join(ownerId, mark, mostRows)
      .catch(() => undefined)
      .finally(() => meanwhile.delete(key));
  }

  function find(ownerId: string | null): Half | undefined {
    const mark = markOf(ownerId);
    if (mark === undefined) return undefined;
    const kept = keptOf(ownerId);
    if (kept?.mark === mark && (kept.half !== undefined || kept.most === mostRows)) return kept.half;
    loadMeanwhile(ownerId, mark);
    return undefined;
  }

  return {
    find,
    async read(ownerId) {
      const mark = markOf(ownerId);
      if (mark === undefined) return undefined;
      const kept = halves.get(ownerId);
      if (kept?.mark === mark) return find(ownerId);
      if (kept === undefined || (kept.half?.size ?? mostRows) <= mostAwaited) {
        return await join(ownerId, mark, mostAwaited);
      }
      // It was large before its rows changed: worth reading when a second list is asked for.
      halves.set(ownerId, { mark, half: undefined, most: mostAwaited });
      return undefined;
    },
  };
}
