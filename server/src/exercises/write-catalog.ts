/**
 * Two writers of the catalog can wait for each other: two exercises that swap their names, or an entry of a reference
 * list that is deleted while an exercise moves it from one of its lists to another. PostgreSQL then rolls one of them
 * back, which has done nothing wrong and succeeds, or gets its proper refusal, when it tries again.
 */
import { type Database, isDeadlock } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';

/** Each takes PostgreSQL's `deadlock_timeout` to be noticed, a second unless somebody changed it. */
const mostAttempts = 3;

/**
 * A transaction that is tried again after a deadlock.
 *
 * @param work runs anew each time, so all it does has to be in the transaction
 * @throws as `Database.transaction`
 */
export async function writeCatalog<Result>(
  database: Database,
  requestId: string,
  work: (tx: Sql) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await database.transaction(requestId, work);
    } catch (error) {
      if (attempt === mostAttempts || !isDeadlock(error)) throw error;
    }
  }
}
