/** What a list was asked for, in one spelling: whatever means the same is one key of the cache. */
import type { Exercise, ExerciseQuery } from '@irontrack/contract/exercises.ts';
import { type CursorPosition, readCursor } from './cursor.ts';

export interface ListFilter {
  scope: 'all' | 'user' | 'system';
  searchString: string;
  /** Each sorted and without repetitions; empty: any. */
  primaryMuscles: readonly number[];
  equipment: readonly number[];
  tags: readonly number[];
  categories: readonly Exercise['category'][];
  difficultyLevels: readonly Exercise['difficultyLevel'][];
}

export interface ListOrder {
  orderBy: 'name' | 'createdAt';
  sortOrder: 'asc' | 'desc';
}

export interface ListQuery {
  filter: ListFilter;
  order: ListOrder;
  limit: number;
  /** 0 with a cursor. */
  offset: number;
  after: CursorPosition | undefined;
  /** The filter without the scope: whoever counts what matches in one half needs no more. */
  countKey: string;
  /** Filter and order: what a cursor is bound to. */
  listKey: string;
  /** Everything. */
  key: string;
}

/** @throws ValidationProblem for a cursor that is not of this list */
export function readListQuery(query: ExerciseQuery): ListQuery {
  const filter: ListFilter = {
    scope: query.scope,
    searchString: query.search_string ?? query.searchString ?? '',
    primaryMuscles: distinct(query.primaryMuscles, query.primary_muscles),
    equipment: distinct(query.equipment),
    tags: distinct(query.tags),
    categories: distinct(query.category),
    difficultyLevels: distinct(query.difficultyLevel, query.difficulty_level),
  };
  const order: ListOrder = {
    orderBy: query.order_by ?? query.orderBy,
    sortOrder: query.sort_order ?? query.sortOrder,
  };
  const limit = query.page_size ?? query.pageSize;
  const { scope, ...conditions } = filter;
  const countKey = JSON.stringify(Object.values(conditions));
  const listKey = `${scope} ${order.orderBy} ${order.sortOrder} ${countKey}`;
  const after = query.cursor === undefined ? undefined : readCursor(query.cursor, order.orderBy, listKey);
  const page = query.current_page ?? query.currentPage;
  const offset = after === undefined ? (page - 1) * limit : 0;
  const place = after === undefined ? offset : `${after.value} ${after.id}`;
  return { filter, order, limit, offset, after, countKey, listKey, key: `${limit} ${listKey} ${place}` };
}

function distinct<Value extends number | string>(...lists: (readonly Value[] | undefined)[]): Value[] {
  return [...new Set(lists.flatMap((list) => list ?? []))].sort((a, b) => (a < b ? -1 : 1));
}
