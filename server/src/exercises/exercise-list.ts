/** Pages of the exercises that somebody sees: the system's and their own. */
import type { ExercisePage } from '@irontrack/contract/exercises.ts';
import type { Database } from '../database/database.ts';
import { writeCursor } from './cursor.ts';
import { selectPage } from './exercise-list.sql.ts';
import { toExercise } from './exercise-row.ts';
import { type ListQuery, listKeyOf } from './list-query.ts';
import type { Page, PageCache, Shown } from './page-cache.ts';

export interface ExerciseList {
  read(callerId: string, query: ListQuery, requestId: string): Promise<Page>;
  /** The page, if it is at hand. */
  peek(callerId: string, query: ListQuery): Page | undefined;
}

interface Needs {
  database: Database;
  pages: PageCache;
  cdnUrl: string;
  /** Compiled from the schema of the page. */
  serialize: (page: ExercisePage) => string;
}

export function createExerciseList({ database, pages, cdnUrl, serialize }: Needs): ExerciseList {
  async function make(callerId: string, query: ListQuery, requestId: string): Promise<Buffer> {
    const shown = shownBy(callerId, query);
    const generation = pages.generationOf(shown);
    const known = pages.totalOf(shown, query.filterKey);
    const counting = query.after === undefined && known === undefined;
    // Lists without a filter have few texts, which are worth keeping prepared.
    const sql = isPlain(query) ? database.sql : database.forRequest(requestId);
    const { rows, total } = await selectPage(sql, callerId, query, counting);
    if (total !== null) pages.keepTotal(generation, query.filterKey, total);
    const last = rows.at(-1);
    const page: ExercisePage = {
      items: rows.map((row) => toExercise(row, cdnUrl)),
      limit: query.limit,
      ...(query.after === undefined ? { offset: query.offset, total: total ?? known ?? 0 } : {}),
      next_cursor:
        last === undefined || rows.length < query.limit
          ? null
          : writeCursor({ value: last.orderValue, id: last.id }, listKeyOf(query)),
    };
    return Buffer.from(serialize(page));
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
