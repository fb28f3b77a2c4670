import type { EventStatus } from '@irontrack/contract/events.ts';
import type {
  Attempt,
  AttemptQuery,
  Delivery,
  DeliveryPage,
  EventSummary,
  EventSummaryQuery,
} from '@irontrack/contract/webhooks.ts';
import { part, type Sql, type SqlPart } from '../database/sql.ts';

/** Wakes every worker that listens. */
export async function announceDeliveries(sql: Sql): Promise<void> {
  await sql`select pg_notify('irontrack_changes', 'deliveries')`;
}

export interface Backlog {
  waiting: number;
  /** Age of the oldest event that is still to be delivered; 0 when there is none. */
  oldestMs: number;
  /** How many transactions ago the oldest snapshot in use was taken: what vacuum cannot clean yet. */
  oldestXminAge: number;
}

export async function selectBacklog(sql: Sql, now: Date): Promise<Backlog> {
  const [row] = await sql<{ waiting: number; oldest: string | null; xminAge: number }>`
    select (select count(*)::int from deliveries) as waiting,
      (select event_id from deliveries order by event_id limit 1) as oldest,
      (select coalesce(max(age(backend_xmin)), 0)::int from pg_stat_activity) as "xminAge"`;
  if (row === undefined) return { waiting: 0, oldestMs: 0, oldestXminAge: 0 };
  const { waiting, oldest, xminAge } = row;
  const oldestMs = oldest === null ? 0 : Math.max(0, now.getTime() - timeOf(oldest));
  return { waiting, oldestMs, oldestXminAge: xminAge };
}

/** The first 48 bits of a UUIDv7 are milliseconds since 1970. */
function timeOf(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
}

export async function selectAttempts(
  sql: Sql,
  organizationId: string,
  query: AttemptQuery,
  limit: number,
  offset: number,
): Promise<Attempt[]> {
  const rows = await sql<Omit<Attempt, 'at'> & { at: Date }>`
    select event_id as "eventId", number, at, status_code as "statusCode", duration_ms as "durationMs", error
    from delivery_attempts
    where organization_id = ${organizationId} ${matching(query)}
    order by at desc, event_id desc, number desc
    limit ${limit} offset ${offset}`;
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}

export async function countAttempts(sql: Sql, organizationId: string, query: AttemptQuery): Promise<number> {
  const [row] = await sql<{ total: number }>`
    select count(*)::int as total from delivery_attempts
    where organization_id = ${organizationId} ${matching(query)}`;
  return row?.total ?? 0;
}

function matching({ eventId, isFailure }: AttemptQuery): SqlPart {
  return part`
    ${eventId === undefined ? part`` : part`and event_id = ${eventId}`}
    ${isFailure === undefined ? part`` : part`and (error is not null) = ${isFailure}`}`;
}

export async function selectDeliveries(
  sql: Sql,
  organizationId: string,
  limit: number,
  offset: number,
): Promise<Delivery[]> {
  const rows = await sql<Omit<Delivery, 'nextAttemptAt'> & { nextAttemptAt: Date }>`
    select event_id as "eventId", attempts, due_at as "nextAttemptAt", leased_until is not null as "isUnderWay",
      last_error as "lastError"
    from deliveries where organization_id = ${organizationId}
    order by due_at, event_id
    limit ${limit} offset ${offset}`;
  return rows.map((row) => ({ ...row, nextAttemptAt: row.nextAttemptAt.toISOString() }));
}

export async function countDeliveries(sql: Sql, organizationId: string): Promise<number> {
  const [row] = await sql<{ total: number }>`
    select count(*)::int as total from deliveries where organization_id = ${organizationId}`;
  return row?.total ?? 0;
}

type Breaker = Pick<DeliveryPage, 'failuresInARow' | 'pausedUntil'>;

/** The breaker of the present address. */
export async function selectBreaker(sql: Sql, organizationId: string): Promise<Breaker> {
  const [row] = await sql<{ failures: number; openUntil: Date | null }>`
    select b.failures, b.open_until as "openUntil"
    from webhook_breakers b join organizations o on o.id = b.organization_id and o.webhook_url = b.address
    where b.organization_id = ${organizationId}`;
  if (row === undefined) return { failuresInARow: 0, pausedUntil: null };
  return { failuresInARow: row.failures, pausedUntil: row.openUntil?.toISOString() ?? null };
}

const withStatus: Readonly<Record<EventStatus, SqlPart>> = {
  pending: part`and e.status = 'pending' and coalesce(d.attempts, e.attempts) = 0`,
  delivered: part`and e.status = 'delivered'`,
  retrying: part`and e.status = 'pending' and coalesce(d.attempts, e.attempts) > 0`,
  failed: part`and e.status = 'failed'`,
};

export async function selectEventSummaries(
  sql: Sql,
  organizationId: string,
  { status, type, before }: EventSummaryQuery,
  limit: number,
): Promise<EventSummary[]> {
  const rows = await sql<
    Omit<EventSummary, 'createdAt' | 'nextAttemptAt'> & { createdAt: Date; nextAttemptAt: Date | null }
  >`
    select e.id, e.type, e.dedup_id as "dedupId", coalesce(d.attempts, e.attempts) as attempts,
      case when e.status = 'pending' and coalesce(d.attempts, e.attempts) > 0 then 'retrying' else e.status end
        as status,
      d.due_at as "nextAttemptAt", e.last_error as "lastError", e.created_at as "createdAt"
    from events e left join deliveries d on d.event_id = e.id
    where e.organization_id = ${organizationId}
      ${status === undefined ? part`` : withStatus[status]}
      ${type === undefined ? part`` : part`and e.type = ${type}`}
      ${before === undefined ? part`` : part`and e.id < ${before}`}
    order by e.id desc limit ${limit}`;
  return rows.map(({ createdAt, nextAttemptAt, ...row }) => ({
    ...row,
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  }));
}
