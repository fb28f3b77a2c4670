/** The list for a caller who is known and a page that is at hand: no hook, no validation, no promise, no SQL. */
import { LRUCache } from 'lru-cache';
import type { SessionCookies } from '../http/cookies.ts';
import { type Authenticate, readAccessToken } from '../http/guard.ts';
import type { Shortcut } from '../http/observe.ts';
import type { ExerciseList } from './exercise-list.ts';
import type { ListQuery } from './list-query.ts';

export interface ListShortcut {
  answer: Shortcut;
  /** What an address asks for, once the long way has validated it. */
  learn(url: string | undefined, query: ListQuery): void;
}

interface Needs {
  authenticate: Authenticate;
  cookies: SessionCookies;
  exerciseList: ExerciseList;
}

/** Some 10,000 plain addresses. */
const mostBytes = 16 * 1024 * 1024;
/** What a query takes beside its texts, roughly. */
const overheadBytes = 800;
/** Longer addresses are rare and would fill the memory. */
const longestUrl = 512;

export function createListShortcut({ authenticate, cookies, exerciseList }: Needs): ListShortcut {
  const queries = new LRUCache<string, ListQuery>({
    maxSize: mostBytes,
    // Its three keys are texts of nearly the same length.
    sizeCalculation: ({ key }, url) => overheadBytes + 2 * (url.length + 3 * key.length),
  });
  return {
    learn(url, query) {
      if (url !== undefined && url.length <= longestUrl) queries.set(url, query);
    },
    answer({ url = '', headers }) {
      const query = queries.get(url);
      if (query === undefined || headers['if-none-match'] !== undefined) return undefined;
      const token = readAccessToken(headers, cookies);
      const caller = token === undefined ? undefined : authenticate(token);
      // Whoever has to be looked up takes the long way, which joins this look-up or makes another; a rejection that
      // nobody heard here would end the process.
      if (caller instanceof Promise) caller.catch(() => undefined);
      if (caller === undefined || caller instanceof Promise) return undefined;
      const page = exerciseList.peek(caller.user.id, query);
      if (page === undefined) return undefined;
      const { body, headers: own } = page;
      return {
        contentType: 'application/json; charset=utf-8',
        body,
        headers: own,
        userId: caller.user.id,
      };
    },
  };
}
