/** The audit trail: who did what to whom, written in the transaction that does it. */
import type { AuditPage, AuditQuery } from '@irontrack/contract/audit.ts';
import { uuidv7 } from 'uuidv7';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { Reads } from '../database/replica.ts';
import type { Sql } from '../database/sql.ts';
import type { RequestSource } from '../http/request-source.ts';
import {
  type AuditEvent,
  countAuditEntries,
  deleteAuditEntries,
  insertAuditEntries,
  insertAuditEntry,
  selectAuditEntries,
} from './audit.sql.ts';

export interface Audit {
  /** Writes one entry with the database or in the transaction it is given. */
  record(sql: Sql, source: RequestSource, event: AuditEvent): Promise<void>;
  /** Writes many entries in one statement. */
  recordAll(sql: Sql, source: RequestSource, events: readonly AuditEvent[]): Promise<void>;
  list(query: AuditQuery, source: RequestSource): Promise<AuditPage>;
  /** Deletes what is older than the retention. */
  tidy(olderThan: Date): Promise<void>;
}

/** The source of what the service does by itself. */
export const serviceItself: RequestSource = { requestId: 'service', ipAddress: null, userAgent: null };

/** The source of what is done at the command line. */
export const commandLine: RequestSource = { requestId: 'command-line', ipAddress: null, userAgent: null };

/** Deleting in small transactions keeps locks and bloat small. */
const batchSize = 1_000;

interface Needs {
  database: Database;
  /** For the list; the database when absent. */
  reads?: Reads;
  clock: Clock;
}

export function createAudit({ database, reads = database, clock }: Needs): Audit {
  return {
    record: (sql, source, event) => insertAuditEntry(sql, { id: uuidv7(), at: clock(), source, event }),
    async recordAll(sql, source, events) {
      const at = clock();
      const entries = events.map((event) => ({ id: uuidv7(), at, source, event }));
      await insertAuditEntries(sql, entries);
    },
    async list(query, source) {
      const sql = reads.forRequest(source.requestId);
      const limit = query.pageSize;
      const offset = (query.currentPage - 1) * limit;
      const [items, total] = await Promise.all([
        selectAuditEntries(sql, query, limit, offset),
        countAuditEntries(sql, query),
      ]);
      return { items, limit, offset, total };
    },
    async tidy(olderThan) {
      while ((await deleteAuditEntries(database.sql, olderThan, batchSize)) === batchSize);
    },
  };
}
