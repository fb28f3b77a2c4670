/**
 * The halves of lists that are in memory, each good for one generation of its rows: the system's, which everybody's
 * lists show, and those of users who list. What is too large to be kept is read from PostgreSQL for each page.
 */
import { LRUCache } from 'lru-cache';
import type { Sql } from '../database/sql.ts';
import { selectHalf } from './half.sql.ts';
import { createHalf, type Half } from './half.ts';

export interface HalfStore {
  /** If it is at hand; asks nobody. */
  peek(ownerId: string | null): Half | undefined;
  /**
   * The same for who can wait a little: a half of a user that is soon read is read. The system's and larger ones are
   * read meanwhile, for others. Undefined: ask PostgreSQL.
   */
  read(ownerId: string | null): Promise<Half | undefined>;
}

interface Needs {
  sql: Sql;
  /** The generation of the rows of this owner; undefined while nothing may be kept. */
  markOf: (ownerId: string | null) => string | undefined;
}

/** Takes 5 ms of PostgreSQL; who has more waits for a page of 50 alone. */
const mostAwaited = 300;
/** Some 5 MB. */
const mostRows = 20_000;
const bytesOfUsers = 24 * 1024 * 1024;
/** Of what is known of an owner beside the half. */
const overheadBytes = 500;

interface Kept {
  mark: string;
  /** Undefined: there are more rows than were asked for. */
  half: Half | undefined;
  /** How many were asked for. */
  most: number;
}

export function createHalfStore({ sql, markOf }: Needs): HalfStore {
  const halves = new LRUCache<string, Kept>({
    maxSize: bytesOfUsers,
    sizeCalculation: ({ half }) => overheadBytes + (half?.bytes ?? 0),
  });
  /** Apart: not to be pushed out by users. */
  let ofSystem: Kept | undefined;
  const awaited = new Map<string, Promise<Half | undefined>>();
  const meanwhile = new Set<'system' | 'users'>();

  /** What is known of this very generation. */
  function keptOf(ownerId: string | null, mark: string | undefined): Kept | undefined {
    const kept = ownerId === null ? ofSystem : halves.get(ownerId);
    return kept?.mark === mark ? kept : undefined;
  }

  async function load(ownerId: string | null, mark: string, most: number): Promise<Half | undefined> {
    const rows = await selectHalf(sql, ownerId, most);
    const half = rows === undefined ? undefined : createHalf(rows);
    const kept = { mark, half, most };
    if (ownerId === null) ofSystem = kept;
    else halves.set(ownerId, kept);
    return half;
  }

  /** One at a time for an owner and generation. */
  function loadAwaited(ownerId: string, mark: string): Promise<Half | undefined> {
    const key = mark + ownerId;
    const known = awaited.get(key);
    if (known !== undefined) return known;
    const promise = load(ownerId, mark, mostAwaited).finally(() => awaited.delete(key));
    awaited.set(key, promise);
    return promise;
  }

  /**
   * One at a time of the system and one of all users, also while rows keep changing: two connections at most, and when
   * more large halves are listed than can be kept, PostgreSQL answers most of those lists instead of reading halves.
   * Nobody waits for it, so nobody hears if it fails: whoever asks next tries again.
   */
  function loadMeanwhile(ownerId: string | null, mark: string): void {
    const lane = ownerId === null ? 'system' : 'users';
    if (meanwhile.has(lane)) return;
    meanwhile.add(lane);
    load(ownerId, mark, mostRows)
      .catch(() => undefined)
      .finally(() => meanwhile.delete(lane));
  }

  return {
    peek: (ownerId) => keptOf(ownerId, markOf(ownerId))?.half,
    async read(ownerId) {
      const mark = markOf(ownerId);
      if (mark === undefined) return undefined;
      const kept = keptOf(ownerId, mark);
      if (kept !== undefined && (kept.half !== undefined || kept.most === mostRows)) return kept.half;
      if (ownerId === null || kept !== undefined) {
        loadMeanwhile(ownerId, mark);
        return undefined;
      }
      const before = halves.get(ownerId);
      if (before === undefined || (before.half?.size ?? mostRows) <= mostAwaited) {
        return await loadAwaited(ownerId, mark);
      }
      // It was large before its rows changed: worth reading when a second list is asked for.
      halves.set(ownerId, { mark, half: undefined, most: mostAwaited });
      return undefined;
    },
  };
}
