import type { EventStatus } from '@irontrack/contract/events.ts';
import { part, type Sql, type SqlPart } from '../database/sql.ts';
import { rangeOf } from './inbox.sql.ts';

/** Which events are to be replayed; each member narrows it. */
export interface ReplayScope {
  organizationId: string;
  status?: EventStatus | undefined;
  type?: string | undefined;
  /** Ids from here on, and below. */
  fromId?: string | undefined;
  beforeId?: string | undefined;
}

const conditions: Readonly<Record<EventStatus, SqlPart>> = {
  pending: part`and e.status = 'pending' and (d.attempts is null or d.attempts = 0)`,
  delivered: part`and e.status = 'delivered'`,
  retrying: part`and e.status = 'pending' and d.attempts > 0`,
  failed: part`and e.status = 'failed'`,
};

/** The oldest events of a scope, after one of them. */
export async function selectReplayable(
  sql: Sql,
  { organizationId, status, type, fromId, beforeId }: ReplayScope,
  afterId: string | undefined,
  limit: number,
): Promise<string[]> {
  const rows = await sql<{ id: string }>`
    select e.id from events e left join deliveries d on d.event_id = e.id
    where e.organization_id = ${organizationId}
      ${status === undefined ? part`` : conditions[status]}
      ${type === undefined ? part`` : part`and e.type = ${type}`}
      ${fromId === undefined ? part`` : part`and e.id >= ${fromId}`}
      ${beforeId === undefined ? part`` : part`and e.id < ${beforeId}`}
      ${afterId === undefined ? part`` : part`and e.id > ${afterId}`}
    order by e.id limit ${limit}`;
  return rows.map(({ id }) => id);
}

/**
 * Makes events of an organization pending again, and due now where it has an address. A delivery that is under way is
 * overtaken: its fence is another, so that its result counts no more.
 *
 * @param eventIds at least one
 */
export async function replayEvents(
  sql: Sql,
  organizationId: string,
  eventIds: readonly string[],
  now: Date,
): Promise<{ replayed: number; deliveries: number }> {
  const { first, last } = rangeOf(eventIds);
  const [row] = await sql<{ replayed: number; deliveries: number }>`
    with chosen as materialized (
      select id from events
      where id = any (${`{${eventIds.join(',')}}`}::uuid[]) and id between ${first} and ${last}
        and organization_id = ${organizationId}
    ),
    queued as (
      insert into deliveries as due (event_id, organization_id, due_at)
      select c.id, o.id, ${now} from chosen c
      join organizations o on o.id = ${organizationId} and o.webhook_url <> '' and o.webhook_disabled_at is null
      order by c.id
      on conflict (event_id) do update
        set due_at = excluded.due_at, attempts = 0, leased_until = null, fence = nextval('delivery_fences'),
          last_error = null
      returning 1
    ),
    reopened as (
      update events e set status = 'pending', finished_at = null, attempts = 0, last_error = null
      from chosen c where e.id = c.id and e.id between ${first} and ${last}
        and (select count(*) from queued) >= 0
      returning 1
    )
    select (select count(*) from reopened)::int as replayed, (select count(*) from queued)::int as deliveries`;
  return row ?? { replayed: 0, deliveries: 0 };
}
