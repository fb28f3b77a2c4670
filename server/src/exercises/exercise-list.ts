/** Pages of the exercises that somebody sees: the system's and their own. */
import type { Exercise, ExercisePage } from '@irontrack/contract/exercises.ts';
import type { Reads } from '../database/replica.ts';
import type { Sql } from '../database/sql.ts';
import { writeCursor } from './cursor.ts';
import {
  type HalfTotals,
  type ListKey,
  selectExercises,
  selectKeys,
  selectPage,
} from './exercise-list.sql.ts';
import { type ExerciseRow, toExercise } from './exercise-row.ts';
import { emptyHalf, type Half } from './half.ts';
import { createHalfStore } from './half-store.ts';
import type { ListQuery } from './list-query.ts';
import { mergeHalves } from './merge-halves.ts';
import {
  type ItemCache,
  joinPage,
  type Page,
  type PageCache,
  type PageItem,
  pageItem,
  type Shown,
} from './page-cache.ts';

export interface ExerciseList {
  read(callerId: string, query: ListQuery, requestId: string): Promise<Page>;
  /** The page, if it is at hand or can be put together of what is. */
  peek(callerId: string, query: ListQuery): Page | undefined;
}

interface Needs {
  /** A generation is always looked at before a statement is begun, so a page is never older than its generation. */
  reads: Reads;
  pages: PageCache;
  cdnUrl: string;
  /** Compiled from the schema of an exercise. */
  serialize: (exercise: Exercise) => string;
}

/** Each item as JSON; one more than the page holds when others follow. */
interface Composed {
  keys: readonly ListKey[];
  /** In the place of its key. Undefined: deleted since the keys were read. */
  items: readonly (PageItem | undefined)[];
  total: number | undefined;
  counted: HalfTotals;
}

export function createExerciseList({ reads, pages, cdnUrl, serialize }: Needs): ExerciseList {
  // Bytes, not text: putting text together again for each page took a third of the time of a page.
  const toItem = (row: ExerciseRow) => pageItem(serialize(toExercise(row, cdnUrl)));
  const halves = createHalfStore({ sql: reads.sql, markOf: pages.markOf });

  /** Nothing is known yet: the whole page in one statement. */
  async function composeAfresh(
    sql: Sql,
    callerId: string,
    query: ListQuery,
    totals: HalfTotals | undefined,
    known: ItemCache,
  ): Promise<Composed> {
    const { rows, ...counts } = await selectPage(sql, callerId, query, totals);
    const items = rows.map((row) => {
      const item = toItem(row);
      known.keep(row.id, row.isSystem, item);
      return item;
    });
    return { keys: rows, items, ...counts };
  }

  /** The rows of earlier pages are known: one statement for their order, and one for those that are new, if any. */
  async function composeOfKnown(
    sql: Sql,
    callerId: string,
    query: ListQuery,
    totals: HalfTotals | undefined,
    known: ItemCache,
  ): Promise<Composed> {
    const { rows, ...counts } = await selectKeys(sql, callerId, query, totals);
    return { keys: rows, items: await readItems(sql, rows, known), ...counts };
  }

  async function readItems(
    sql: Sql,
    keys: readonly ListKey[],
    known: ItemCache,
  ): Promise<(PageItem | undefined)[]> {
    const items = keys.map(({ id, isSystem }) => known.find(id, isSystem));
    const unknown = keys.filter((_, place) => items[place] === undefined).map(({ id }) => id);
    if (unknown.length === 0) return items;
    const found = new Map<string, PageItem>();
    for (const row of await selectExercises(sql, unknown)) {
      const item = toItem(row);
      known.keep(row.id, row.createdBy === null, item);
      found.set(row.id, item);
    }
    return items.map((item, place) => item ?? found.get(keys[place]?.id ?? ''));
  }

  async function make(callerId: string, query: ListQuery, requestId: string): Promise<Page> {
    const known = pages.itemsOf(shownBy(callerId, query));
    // Lists without a filter have few texts, which are worth keeping prepared.
    const sql = isPlain(query) ? reads.sql : reads.forRequest(requestId);
    const system = await readSystem(query);
    // Without the system's half that of the caller would be read in vain.
    const own = system === undefined ? undefined : await readOwn(callerId, query);
    if (system !== undefined && own !== undefined) {
      const { keys, total } = locate(query, system, own);
      return join(query, keys, await readItems(reads.sql, keys, known), total);
    }
    const totals = pages.totalsOf(callerId, query.countKey);
    const compose = known.isEmpty ? composeAfresh : composeOfKnown;
    const wanted = query.after === undefined ? totals : undefined;
    const { keys, items, total, counted } = await compose(sql, callerId, query, wanted, known);
    totals.keep(counted);
    return join(query, keys, items, total);
  }

  /** Of what is in memory alone; undefined when something is missing. */
  function makeNow(callerId: string, query: ListQuery): Page | undefined {
    const system = query.filter.scope === 'user' ? emptyHalf : halves.peek(null);
    const own = query.filter.scope === 'system' ? emptyHalf : halves.peek(callerId);
    if (system === undefined || own === undefined) return undefined;
    const { keys, total } = locate(query, system, own);
    const known = pages.itemsOf(shownBy(callerId, query));
    const items: PageItem[] = [];
    for (const { id, isSystem } of keys) {
      const item = known.find(id, isSystem);
      if (item === undefined) return undefined;
      items.push(item);
    }
    const page = join(query, keys, items, total);
    // To be kept. It may join somebody's read of the same page that is under way and fails: they are told, nobody here.
    pages.read(shownBy(callerId, query), query.key, async () => page).catch(() => undefined);
    return page;
  }

  const readSystem = async ({ filter: { scope } }: ListQuery) =>
    scope === 'user' ? emptyHalf : await halves.read(null);
  const readOwn = async (callerId: string, { filter: { scope } }: ListQuery) =>
    scope === 'system' ? emptyHalf : await halves.read(callerId);

  return {
    read: (callerId, query, requestId) =>
      pages.read(shownBy(callerId, query), query.key, () => make(callerId, query, requestId)),
    peek: (callerId, query) => pages.peek(shownBy(callerId, query), query.key) ?? makeNow(callerId, query),
  };
}

/** Where the page stands in halves that are in memory. */
function locate(query: ListQuery, system: Half, own: Half): { keys: ListKey[]; total: number | undefined } {
  const { filter, order, after } = query;
  const matching = { system: system.select(filter, order.orderBy), own: own.select(filter, order.orderBy) };
  const total = after === undefined ? matching.system.length + matching.own.length : undefined;
  return { keys: mergeHalves(matching, query), total };
}

/** @param keys one more than the page holds when others follow */
function join(
  { limit, offset, listKey }: ListQuery,
  keys: readonly ListKey[],
  items: readonly (PageItem | undefined)[],
  total: number | undefined,
): Page {
  const last = keys.length > limit ? keys[limit - 1] : undefined;
  const members: Omit<ExercisePage, 'items'> = {
    limit,
    ...(total === undefined ? {} : { offset, total }),
    next_cursor: last === undefined ? null : writeCursor({ value: last.orderValue, id: last.id }, listKey),
  };
  const shownItems = items.slice(0, limit).filter((item) => item !== undefined);
  return joinPage(shownItems, JSON.stringify(members));
}

function shownBy(callerId: string, { filter: { scope } }: ListQuery): Shown {
  return { system: scope !== 'user', ownerId: scope === 'system' ? undefined : callerId };
}

function isPlain({ filter }: ListQuery): boolean {
  const { searchString, primaryMuscles, equipment, tags, categories, difficultyLevels } = filter;
  return (
    searchString === '' &&
    [primaryMuscles, equipment, tags, categories, difficultyLevels].every((list) => list.length === 0)
  );
}
