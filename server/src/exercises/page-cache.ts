/**
 * Pages as they leave, kept until a row in them changes. Whose rows a page shows is part of its key, each with a
 * generation that every change moves on: a page of an older generation, also one that was still being made while the
 * row changed, is never asked for again and drops out as the least recently used.
 */
import { createHash } from 'node:crypto';
import type { CacheCounts } from '../cache/cache.ts';
import { createMemoryCache } from '../cache/memory-cache.ts';

export interface Page {
  readonly body: Buffer;
  /** Strong: of these very bytes. */
  readonly etag: string;
}

/** Whose rows: the system's, one user's own, or both; a reference list has the system's. */
export interface Shown {
  system: boolean;
  ownerId: string | undefined;
}

export interface PageCache {
  peek(shown: Shown, key: string): Page | undefined;
  /** One computation for a key at a time. */
  read(shown: Shown, key: string, make: () => Promise<Buffer>): Promise<Page>;
  /** How many there are in all, kept beside the pages so that the next page need not count again. */
  totalOf(shown: Shown, filterKey: string): number | undefined;
  /** @param generation of before the count began */
  keepTotal(generation: string, filterKey: string, total: number): void;
  generationOf(shown: Shown): string;
  /** `null`: the system's. */
  forget(ownerId: string | null): void;
  forgetAll(): void;
  suspend(): void;
  resume(): void;
  readonly counts: CacheCounts;
}

const capacity = 20_000;
/** About 1,400 pages of 50 exercises. */
const maxBytes = 64 * 1024 * 1024;
/** What an entry takes beside its bytes and its key, roughly. */
const overheadBytes = 300;
/** Owners whose generation is known; a change of one more starts everything afresh. */
const mostOwners = 20_000;
const totalCapacity = 10_000;

export function createPageCache(): PageCache {
  const pages = createMemoryCache<Page>('page', capacity, {
    maxBytes,
    bytesOf: ({ body }, key) => body.length + 2 * key.length + overheadBytes,
  });
  const totals = createMemoryCache<{ total: number }>('page_total', totalCapacity);
  const ofOwner = new Map<string, number>();
  let epoch = 0;
  let generation = 0;
  let ofSystem = 0;

  function generationOf({ system, ownerId }: Shown): string {
    const own = ownerId === undefined ? '' : `${ownerId} ${ofOwner.get(ownerId) ?? ''}`;
    return `${epoch}|${system ? ofSystem : ''}|${own}|`;
  }

  function forgetAll(): void {
    pages.clear();
    totals.clear();
    ofOwner.clear();
    // What was begun before must not be taken for what comes after.
    epoch += 1;
  }

  return {
    generationOf,
    peek: (shown, key) => pages.peek(generationOf(shown) + key),
    async read(shown, key, make) {
      const page = await pages.read(generationOf(shown) + key, async () => {
        const body = await make();
        return { body, etag: etagOf(body) };
      });
      if (page === undefined) throw new Error('A page is never missing.');
      return page;
    },
    totalOf: (shown, filterKey) => totals.peek(generationOf(shown) + filterKey)?.total,
    keepTotal(before, filterKey, total) {
      void totals.read(before + filterKey, async () => ({ total }));
    },
    forget(ownerId) {
      generation += 1;
      if (ownerId === null) ofSystem = generation;
      else if (ofOwner.size < mostOwners || ofOwner.has(ownerId)) ofOwner.set(ownerId, generation);
      else forgetAll();
    },
    forgetAll,
    suspend() {
      pages.suspend();
      totals.suspend();
    },
    resume() {
      forgetAll();
      pages.resume();
      totals.resume();
    },
    counts: pages,
  };
}

function etagOf(body: Buffer): string {
  return `"${createHash('sha1').update(body).digest('base64url')}"`;
}
