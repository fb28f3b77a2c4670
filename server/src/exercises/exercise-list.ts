/** Pages of the exercises that somebody sees: the system's and their own. */
import type { Exercise, ExercisePage } from '@irontrack/contract/exercises.ts';
import type { Database } from '../database/database.ts';
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
import type { ListQuery } from './list-query.ts';
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
  /** The page, if it is at hand. */
  peek(callerId: string, query: ListQuery): Page | undefined;
}

interface Needs {
  database: Database;
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

export function createExerciseList({ database, pages, cdnUrl, serialize }: Needs): ExerciseList {
  // Bytes, not text: putting text together again for each page took a third of the time of a page.
  const toItem = (row: ExerciseRow) => pageItem(Buffer.from(serialize(toExercise(row, cdnUrl))));

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
    const found = new Map<string, PageItem>();
    const unknown: string[] = [];
    for (const { id, isSystem } of rows) {
      const item = known.find(id, isSystem);
      if (item === undefined) unknown.push(id);
      else found.set(id, item);
    }
    for (const row of unknown.length === 0 ? [] : await selectExercises(sql, unknown)) {
      const item = toItem(row);
      known.keep(row.id, row.createdBy === null, item);
      found.set(row.id, item);
    }
    return { keys: rows, items: rows.map(({ id }) => found.get(id)), ...counts };
  }

  async function make(callerId: string, query: ListQuery, requestId: string): Promise<Page> {
    const { limit, offset, after } = query;
    const known = pages.itemsOf(shownBy(callerId, query));
    const totals = pages.totalsOf(callerId, query.countKey);
    // Lists without a filter have few texts, which are worth keeping prepared.
    const sql = isPlain(query) ? database.sql : database.forRequest(requestId);
    const compose = known.isEmpty ? composeAfresh : composeOfKnown;
    const wanted = after === undefined ? totals : undefined;
    const { keys, items, total, counted } = await compose(sql, callerId, query, wanted, known);
    totals.keep(counted);
    const last = keys.length > limit ? keys[limit - 1] : undefined;
    const members: Omit<ExercisePage, 'items'> = {
      limit,
      ...(total === undefined ? {} : { offset, total }),
      next_cursor:
        last === undefined ? null : writeCursor({ value: last.orderValue, id: last.id }, query.listKey),
    };
    const shownItems = items.slice(0, limit).filter((item) => item !== undefined);
    return joinPage(shownItems, JSON.stringify(members));
  }

  return {
    read: (callerId, query, requestId) =>
      pages.read(shownBy(callerId, query), query.key, () => make(callerId, query, requestId)),
    peek: (callerId, query) => pages.peek(shownBy(callerId, query), query.key),
  };
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
