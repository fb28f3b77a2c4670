/**
 * Pages as they leave, kept until a row in them changes. Whose rows a page shows is part of its key, and each of those has
 * a generation that every change moves on: a page of an older generation is not found, and the next one takes its
 * place; one that was still being made while the row changed is not kept. The items of pages are kept in the same way,
 * so that a page nobody asked for before, or that a change of one row made stale, is mostly put together of what is at
 * hand.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { CacheCounts } from '../cache/cache.ts';
import { createGenerationCache } from '../cache/generation-cache.ts';
import type { HalfTotals } from './exercise-list.sql.ts';

/** Browsers may keep a page and have to ask each time whether it is still good; nobody between may keep it. */
export const pageCacheControl = 'private, no-cache';

export interface Page {
  readonly body: Buffer;
  /** Strong: of these very bytes. */
  readonly etag: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

/** An exercise as it leaves. */
export interface PageItem {
  readonly json: Buffer;
  /** Of the JSON; the tag of a page is made of these, which is a twentieth of the work of reading all its bytes. */
  readonly digest: Buffer;
}

/** Whose rows: the system's, one user's own, or both. */
export interface Shown {
  system: boolean;
  ownerId: string | undefined;
}

/** The items of one generation: what is kept later than a change is not found by who comes after the change. */
export interface ItemCache {
  /** Has nothing of this generation been kept yet? */
  readonly isEmpty: boolean;
  find(id: string, isSystem: boolean): PageItem | undefined;
  keep(id: string, isSystem: boolean, item: PageItem): void;
}

export interface PageCache {
  peek(shown: Shown, key: string): Page | undefined;
  /** One computation for a key at a time. */
  read(shown: Shown, key: string, make: () => Promise<Page>): Promise<Page>;
  /** Of the generation of this moment: ask before reading rows. */
  itemsOf(shown: Shown): ItemCache;
  /**
   * How many match a filter, kept apart for each half so that the next page need not count again, nor the next user
   * the system's. Of the generation of this moment, too.
   */
  totalsOf(callerId: string, countKey: string): HalfTotals & { keep(counted: HalfTotals): void };
  /** Which generation of the rows of an owner it is now (`null`: the system's); undefined while nothing is kept. */
  markOf(ownerId: string | null): string | undefined;
  /** `null`: the system's. */
  forget(ownerId: string | null): void;
  forgetAll(): void;
  /** While no news of changes can be heard nothing is kept. */
  suspend(): void;
  resume(): void;
  readonly counts: CacheCounts;
}

const pageCapacity = 20_000;
/** About 1,000 pages of 50 exercises, and 30,000 exercises. */
const pageBytes = 48 * 1024 * 1024;
const itemBytes = 32 * 1024 * 1024;
/** What an entry takes beside its bytes and its key, roughly. */
const overheadBytes = 300;
/** Owners whose generation is known; a change of one more starts everything afresh. */
const mostOwners = 20_000;
/** Some 10,000 of short filters. */
const totalBytes = 4 * 1024 * 1024;

export function createPageCache(): PageCache {
  const pages = createGenerationCache<Page>({
    max: pageCapacity,
    maxBytes: pageBytes,
    bytesOf: ({ body }, key) => body.length + 2 * key.length + overheadBytes,
  });
  const items = createGenerationCache<PageItem>({
    maxBytes: itemBytes,
    bytesOf: ({ json }) => json.length + overheadBytes,
  });
  const totals = createGenerationCache<{ total: number }>({
    maxBytes: totalBytes,
    bytesOf: (_total, key) => 2 * key.length + overheadBytes,
  });
  const loading = new Map<string, Promise<Page>>();
  const counts = { hits: 0, misses: 0 };
  /** By whose rows they are, the last generation of which some item was kept. */
  const begun = new LRUCache<string, string>({ max: mostOwners });
  const ofOwner = new Map<string, number>();
  let epoch = 0;
  let generation = 0;
  let ofSystem = 0;
  let suspended = false;

  const systemMark = () => `${epoch} ${ofSystem} `;
  const ownMark = (ownerId: string) => `${epoch} ${ownerId} ${ofOwner.get(ownerId) ?? ''} `;
  const markOfShown = ({ system, ownerId }: Shown) =>
    (system ? systemMark() : '') + (ownerId === undefined ? '' : ownMark(ownerId));
  const placeOf = ({ system, ownerId = '' }: Shown, key: string) =>
    `${system ? 'all' : 'own'} ${ownerId} ${key}`;

  function clear(): void {
    // What was begun before must not be taken for what comes after.
    epoch += 1;
    pages.clear();
    // Those under way still answer who waits for them, but nobody joins them and nothing of them is kept.
    loading.clear();
    items.clear();
    totals.clear();
    begun.clear();
    ofOwner.clear();
  }

  async function load(shown: Shown, key: string, mark: string, make: () => Promise<Page>): Promise<Page> {
    const promise = make();
    loading.set(mark + key, promise);
    try {
      const page = await promise;
      const isCurrent = loading.get(mark + key) === promise && markOfShown(shown) === mark;
      if (isCurrent) pages.keep(placeOf(shown, key), mark, page);
      return page;
    } finally {
      if (loading.get(mark + key) === promise) loading.delete(mark + key);
    }
  }

  return {
    peek(shown, key) {
      const page = pages.find(placeOf(shown, key), markOfShown(shown));
      if (page !== undefined) counts.hits += 1;
      return page;
    },
    async read(shown, key, make) {
      const mark = markOfShown(shown);
      const page = pages.find(placeOf(shown, key), mark);
      if (page !== undefined) {
        counts.hits += 1;
        return page;
      }
      counts.misses += 1;
      if (suspended) return await make();
      return await (loading.get(mark + key) ?? load(shown, key, mark, make));
    },
    itemsOf({ system, ownerId }) {
      const ofSystemNow = systemMark();
      const ofOwnerNow = ownerId === undefined ? '' : ownMark(ownerId);
      const markOfHalf = (isSystem: boolean) => (isSystem ? ofSystemNow : ofOwnerNow);
      const nameOfHalf = (isSystem: boolean) => (isSystem ? '' : (ownerId ?? ''));
      return {
        isEmpty: begun.get(nameOfHalf(system)) !== markOfHalf(system),
        find: (id, isSystem) => items.find(id, markOfHalf(isSystem)),
        keep(id, isSystem, item) {
          if (suspended) return;
          items.keep(id, markOfHalf(isSystem), item);
          begun.set(nameOfHalf(isSystem), markOfHalf(isSystem));
        },
      };
    },
    totalsOf(callerId, countKey) {
      const ofHalf = (name: string, mark: string) => ({
        total: totals.find(name + countKey, mark)?.total,
        keep(total: number | undefined) {
          if (total !== undefined && !suspended) totals.keep(name + countKey, mark, { total });
        },
      });
      const ofSystemNow = ofHalf(' ', systemMark());
      const ofCallerNow = ofHalf(`${callerId} `, ownMark(callerId));
      return {
        system: ofSystemNow.total,
        own: ofCallerNow.total,
        keep({ system, own }) {
          ofSystemNow.keep(system);
          ofCallerNow.keep(own);
        },
      };
    },
    markOf(ownerId) {
      if (suspended) return undefined;
      return ownerId === null ? systemMark() : ownMark(ownerId);
    },
    forget(ownerId) {
      generation += 1;
      if (ownerId === null) ofSystem = generation;
      else if (ofOwner.size < mostOwners || ofOwner.has(ownerId)) ofOwner.set(ownerId, generation);
      else clear();
    },
    forgetAll: clear,
    suspend() {
      suspended = true;
      clear();
    },
    resume() {
      clear();
      suspended = false;
    },
    counts: {
      name: 'page',
      counts,
      get size() {
        return pages.size;
      },
      get bytes() {
        return pages.bytes + items.bytes + totals.bytes;
      },
    },
  };
}

export function pageItem(text: string): PageItem {
  // In memory of its own: from the common pool one item that is kept would keep the 64 KiB around it.
  const json = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  json.write(text);
  return { json, digest: hash('sha1', json, 'buffer') };
}

const comma = 0x2c;
const opening = Buffer.from('{"items":[');

/** @param members the other members of the page, an object as JSON */
export function joinPage(items: readonly PageItem[], members: string): Page {
  const closing = Buffer.from(`],${members.slice(1)}`);
  const commas = Math.max(0, items.length - 1);
  const size = items.reduce((sum, { json }) => sum + json.length, opening.length + commas + closing.length);
  const body = Buffer.allocUnsafeSlow(size);
  let at = opening.copy(body);
  for (const { json } of items) {
    if (at > opening.length) {
      body[at] = comma;
      at += 1;
    }
    at += json.copy(body, at);
  }
  closing.copy(body, at);
  // At one go: 51 calls into the hash take 4 to 10 us, this 2 to 6.
  const digests = Buffer.concat([...items.map(({ digest }) => digest), closing]);
  const etag = `"${hash('sha1', digests, 'base64url')}"`;
  return { body, etag, headers: ['etag', etag, 'cache-control', pageCacheControl] };
}
