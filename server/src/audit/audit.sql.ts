import type { AuditAction, AuditEntry, AuditQuery } from '@irontrack/contract/audit.ts';
import { part, type Sql, type SqlPart } from '../database/sql.ts';
import type { RequestSource } from '../http/request-source.ts';

export interface AuditEvent {
  action: AuditAction;
  /** Who did it; null for somebody who is not signed in, or for the command line. */
  actorId?: string | null;
  /** Whose account it was done to. */
  subjectId?: string | null;
  sessionId?: string | null;
  /** Anything else worth knowing. Never a password, a token or a hash. */
  details?: Record<string, unknown>;
}

interface NewEntry {
  id: string;
  at: Date;
  source: RequestSource;
  event: AuditEvent;
}

export async function insertAuditEntry(sql: Sql, { id, at, source, event }: NewEntry): Promise<void> {
  await sql`
    insert into audit_entries
      (id, at, action, actor_id, subject_id, session_id, ip_address, user_agent, request_id, details)
    values
      (${id}, ${at}, ${event.action}, ${event.actorId ?? null}, ${event.subjectId ?? null},
       ${event.sessionId ?? null}, ${source.ipAddress}, ${source.userAgent}, ${source.requestId},
       ${event.details ?? {}}::jsonb)`;
}

/** As `insertAuditEntry` for each of many, in one statement. */
export async function insertAuditEntries(sql: Sql, entries: readonly NewEntry[]): Promise<void> {
  const rows = entries.map(({ id, at, source, event }) => ({
    id,
    at,
    action: event.action,
    actor_id: event.actorId ?? null,
    subject_id: event.subjectId ?? null,
    session_id: event.sessionId ?? null,
    ip_address: source.ipAddress,
    user_agent: source.userAgent,
    request_id: source.requestId,
    details: event.details ?? {},
  }));
  await sql`
    insert into audit_entries
      (id, at, action, actor_id, subject_id, session_id, ip_address, user_agent, request_id, details)
    select id, at, action, actor_id, subject_id, session_id, ip_address, user_agent, request_id, details
    from jsonb_to_recordset(${rows}::jsonb) as entry
      (id uuid, at timestamptz, action text, actor_id uuid, subject_id uuid, session_id uuid, ip_address text,
       user_agent text, request_id text, details jsonb)`;
}

interface EntryRow extends Omit<AuditEntry, 'at'> {
  at: Date;
}

export async function selectAuditEntries(
  sql: Sql,
  query: AuditQuery,
  limit: number,
  offset: number,
): Promise<AuditEntry[]> {
  const rows = await sql<EntryRow>`
    select id, at, action, actor_id as "actorId", subject_id as "subjectId", session_id as "sessionId",
      ip_address as "ipAddress", user_agent as "userAgent", request_id as "requestId", details
    from audit_entries
    where true ${matching(query)}
    order by id desc
    limit ${limit} offset ${offset}`;
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}

export async function countAuditEntries(sql: Sql, query: AuditQuery): Promise<number> {
  const [row] = await sql<{ total: number }>`
    select count(*)::int as total from audit_entries where true ${matching(query)}`;
  return row?.total ?? 0;
}

function matching(query: AuditQuery): SqlPart {
  const { action, actorId, subjectId, since, until } = query;
  return part`
    ${action === undefined ? part`` : part`and action = ${action}`}
    ${actorId === undefined ? part`` : part`and actor_id = ${actorId}`}
    ${subjectId === undefined ? part`` : part`and subject_id = ${subjectId}`}
    ${since === undefined ? part`` : part`and at >= ${new Date(since)}`}
    ${until === undefined ? part`` : part`and at < ${new Date(until)}`}`;
}

/** Removes entries from before a time, some at once. @returns how many */
export async function deleteAuditEntries(sql: Sql, before: Date, limit: number): Promise<number> {
  const rows = await sql`
    delete from audit_entries where id in (select id from audit_entries where at < ${before} limit ${limit})
    returning id`;
  return rows.length;
}
