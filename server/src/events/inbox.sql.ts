import type { EventStatus } from '@irontrack/contract/events.ts';
import { arrayText, part, type Sql, type SqlPart } from '../database/sql.ts';

/** An event as its organization sees it. */
export interface InboxRow {
  id: string;
  type: string;
  /** JSON text. */
  payload: string;
  dedupId: string | null;
  createdAt: Date;
  status: EventStatus;
  attempts: number;
  nextAttemptAt: Date | null;
  lastError: string | null;
  finishedAt: Date | null;
}

/** While a delivery is under way its row knows more than the event's. */
const columnsBesidePayload = part`
  e.id, e.type, e.dedup_id as "dedupId", e.created_at as "createdAt",
  case when e.status = 'pending' and d.attempts > 0 then 'retrying' else e.status end as status,
  greatest(e.attempts, coalesce(d.attempts, 0)) as attempts, d.due_at as "nextAttemptAt",
  coalesce(d.last_error, e.last_error) as "lastError", e.finished_at as "finishedAt"`;
const columns = part`e.payload, ${columnsBesidePayload}`;

const filters: Readonly<Record<EventStatus, SqlPart>> = {
  pending: part`and e.status = 'pending' and not exists (
    select from deliveries t where t.event_id = e.id and t.attempts > 0)`,
  delivered: part`and e.status = 'delivered'`,
  retrying: part`and e.status = 'pending' and e.id in (
    select t.event_id from deliveries t where t.organization_id = e.organization_id and t.attempts > 0)`,
  failed: part`and e.status = 'failed'`,
};

export interface InboxPosition {
  organizationId: string;
  status: EventStatus | undefined;
  /** The page begins below this id. */
  before: string | undefined;
  limit: number;
  offset: number;
}

export interface InboxEntry extends Omit<InboxRow, 'payload'> {
  /** Null when it is larger than was let through; then its size is told instead. */
  payload: string | null;
  largeBytes: number | null;
}

/**
 * Newest first. Of payloads that are stored apart no more is read than their length.
 *
 * @param mostPayloadBytes larger payloads are left out
 */
export async function selectInbox(
  sql: Sql,
  position: InboxPosition,
  mostPayloadBytes: number,
): Promise<InboxEntry[]> {
  const { organizationId, status, before, limit, offset } = position;
  return await sql<InboxEntry>`
    select case when octet_length(e.payload) <= ${mostPayloadBytes} then e.payload end as payload,
      case when octet_length(e.payload) > ${mostPayloadBytes} then octet_length(e.payload) end as "largeBytes",
      ${columnsBesidePayload}
    from (
      select e.* from events e
      where e.organization_id = ${organizationId} ${status === undefined ? part`` : filters[status]}
        ${before === undefined ? part`` : part`and e.id < ${before}`}
      order by e.id desc limit ${limit} offset ${offset}
    ) e
    left join deliveries d on d.event_id = e.id
    order by e.id desc`;
}

/** @param eventIds at least one @returns payloads by the ids of their events, but of those that are gone */
export async function selectPayloads(sql: Sql, eventIds: readonly string[]): Promise<Map<string, string>> {
  const { first, last } = rangeOf(eventIds);
  const rows = await sql<{ id: string; payload: string }>`
    select id, payload from events
    where id = any (${arrayText(eventIds)}::uuid[]) and id between ${first} and ${last}`;
  return new Map(rows.map(({ id, payload }) => [id, payload]));
}

export async function countInbox(
  sql: Sql,
  organizationId: string,
  status: EventStatus | undefined,
): Promise<number> {
  const [row] = await sql<{ total: number }>`
    select count(*)::int as total from events e
    where e.organization_id = ${organizationId} ${status === undefined ? part`` : filters[status]}`;
  return row?.total ?? 0;
}

/** How much is given at once. */
export interface Room {
  events: number;
  /** Of payloads: the event that brings them to it is the last. */
  bytes: number;
}

/** Leases of one organization are given out one after the other until the transaction ends. */
export async function lockLeases(tx: Sql, organizationId: string): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended(${`inbox lease ${organizationId}`}, 0))`;
}

/** Hides the oldest events that nobody acknowledged and nobody holds. @returns them, oldest first */
export async function leaseEvents(
  tx: Sql,
  lease: { organizationId: string; room: Room; now: Date; until: Date },
): Promise<InboxRow[]> {
  const { organizationId, room, now, until } = lease;
  const waiting = (status: string) => part`(
    select e.id, octet_length(e.payload) as bytes from events e
    where e.organization_id = ${organizationId} and e.status = ${status}
      and not exists (select from inbox_leases l where l.event_id = e.id and l.until > ${now})
    order by e.id limit ${room.events})`;
  return await tx<InboxRow>`
    with chosen as (
      select w.id from (
        select w.id, sum(w.bytes) over (order by w.id rows between unbounded preceding and 1 preceding) as earlier_bytes
        from (${waiting('pending')} union all ${waiting('failed')}) w order by w.id limit ${room.events}
      ) w
      where w.earlier_bytes is null or w.earlier_bytes < ${room.bytes}
    ),
    leased as (
      insert into inbox_leases as held (event_id, organization_id, until)
      select id, ${organizationId}, ${until} from chosen
      on conflict (event_id) do update set until = excluded.until
      returning event_id
    )
    select ${columns} from leased
    join events e on e.id = leased.event_id
    left join deliveries d on d.event_id = e.id
    order by e.id`;
}

/**
 * Acknowledges events of an organization and calls off what was still to be delivered or leased.
 *
 * @returns those it acknowledged now; not those that were before, nor those of others
 */
export async function acknowledgeEvents(
  sql: Sql,
  organizationId: string,
  eventIds: readonly string[],
  now: Date,
): Promise<string[]> {
  const ids = `{${eventIds.join(',')}}`;
  const { first, last } = rangeOf(eventIds);
  // Deliveries are locked before events everywhere, or two statements could wait for each other.
  const rows = await sql<{ id: string }>`
    with called_off as (
      delete from deliveries where event_id = any (${ids}::uuid[]) and organization_id = ${organizationId}
      returning attempts
    ),
    released as (
      delete from inbox_leases where event_id = any (${ids}::uuid[]) and organization_id = ${organizationId}
    )
    update events set status = 'delivered', finished_at = ${now}
    where id = any (${ids}::uuid[]) and id between ${first} and ${last}
      and organization_id = ${organizationId} and status <> 'delivered'
      and (select count(*) from called_off) >= 0
    returning id`;
  return rows.map(({ id }) => id);
}

/** When events were acknowledged or delivered; those of other organizations are not found. */
export async function selectFinished(
  sql: Sql,
  organizationId: string,
  eventIds: readonly string[],
): Promise<{ id: string; finishedAt: Date | null }[]> {
  const { first, last } = rangeOf(eventIds);
  return await sql<{ id: string; finishedAt: Date | null }>`
    select id, finished_at as "finishedAt" from events
    where id = any (${`{${eventIds.join(',')}}`}::uuid[]) and id between ${first} and ${last}
      and organization_id = ${organizationId} and status = 'delivered'`;
}

export async function findEvent(
  sql: Sql,
  organizationId: string,
  eventId: string,
): Promise<InboxRow | undefined> {
  const [row] = await sql<InboxRow>`
    select ${columns} from events e left join deliveries d on d.event_id = e.id
    where e.id = ${eventId} and e.organization_id = ${organizationId}`;
  return row;
}

export interface AttemptRow {
  at: Date;
  statusCode: number | null;
  durationMs: number;
  error: string | null;
}

/** @param since not before the event was made: partitions before that are not looked at */
export async function selectAttempts(sql: Sql, eventId: string, since: Date): Promise<AttemptRow[]> {
  return await sql<AttemptRow>`
    select at, status_code as "statusCode", duration_ms as "durationMs", error from delivery_attempts
    where event_id = ${eventId} and at >= ${since}
    order by at, number`;
}

/** Ids are ordered by time: their range tells which partitions to look into, which a list of them does not. */
export function rangeOf(eventIds: readonly string[]): { first: string; last: string } {
  const sorted = eventIds.toSorted();
  return { first: sorted[0] ?? '', last: sorted.at(-1) ?? '' };
}
