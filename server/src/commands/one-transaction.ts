import { type Audit, commandLine, createAudit } from '../audit/audit.ts';
import { systemClock } from '../clock.ts';
import type { DatabaseAddress } from '../database/client.ts';
import { openDatabase } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import { isUnavailable } from '../database/unavailable.ts';
import { Problem } from '../problem.ts';
import { exitStatus, StartupError } from '../startup-error.ts';

/**
 * Runs the work of a command in one transaction on a connection of its own.
 *
 * @param timeoutMs the longest the whole may take
 * @throws StartupError when the database goes away meanwhile; else what `work` throws
 */
export async function inOneTransaction<Result>(
  address: DatabaseAddress,
  timeoutMs: number,
  work: (tx: Sql, audit: Audit) => Promise<Result>,
): Promise<Result> {
  const database = openDatabase({ address, poolSize: 1, timeoutMs });
  try {
    const audit = createAudit({ database, clock: systemClock });
    return await database.transaction(commandLine.requestId, (tx) => work(tx, audit));
  } catch (error) {
    throw explainLoss(error);
  } finally {
    await database.close();
  }
}

/** A database that went away or is full, as a sentence for the person at the terminal; any other error as it is. */
export function explainLoss(error: unknown): unknown {
  const isLost = error instanceof Problem ? error.code === 'database-unavailable' : isUnavailable(error);
  if (!isLost) return error;
  const cause = error instanceof Problem ? error.cause : error;
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new StartupError(
    exitStatus.unavailable,
    `The database went away before this was done${reason}. Run it again once it is back; nothing is done twice.`,
    { cause: error },
  );
}
