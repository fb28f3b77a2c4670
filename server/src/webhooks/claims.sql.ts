import { arrayText, part, type Sql, type SqlPart } from '../database/sql.ts';

/** One delivery that is this worker's until the lease ends, with everything an attempt needs. */
export interface Claim {
  eventId: string;
  organizationId: string;
  /** Attempts made before. */
  attempts: number;
  /** The number of this claim and of no other: a result with an older one comes too late. */
  fence: number;
  address: string;
  secret: Uint8Array;
  /** Null unless a rotation overlaps. */
  previousSecret: Uint8Array | null;
}

/**
 * The organizations that have deliveries at all: one look into the index for each, however many deliveries there are.
 */
const waitingOrganizations: SqlPart = part`
  (select organization_id from deliveries order by organization_id limit 1)
  union all
  select (
    select d.organization_id from deliveries d where d.organization_id > w.organization_id
    order by d.organization_id limit 1
  )
  from waiting w where w.organization_id is not null`;

interface Room {
  /** Deliveries to take at most. */
  free: number;
  /** Of these, how many may go to organizations that have their share already. */
  spare: number;
  /** What each organization may have under way before others come first, and what it may have at most. */
  share: number;
  most: number;
  /** How many deliveries of each organization are under way here. */
  underWay: ReadonlyMap<string, number>;
}

/**
 * Claims what is due, the organization that was served longest ago first, each its share, then the rest first come
 * first served. An address with failures gets no more than a share; one whose breaker is open nothing, and a single
 * probe once its time is over. A claimed delivery is due again when its lease ends.
 *
 * @param lease when that is: ISO 8601 with microseconds that no other claim has, so that it can be given back by them
 * @returns the claims, and how many were chosen: others may have claimed some in between
 */
export async function claimDeliveries(
  sql: Sql,
  now: Date,
  { lease, probingUntil }: { lease: string; probingUntil: Date },
  { free, spare, share, most, underWay }: Room,
): Promise<{ claims: Claim[]; chosen: number }> {
  const counts = [...underWay].map(([id, count]) => ({ id, count }));
  const rows = await sql<{ chosen: number } & { [Member in keyof Claim]: Claim[Member] | null }>`
    with recursive waiting as (${waitingOrganizations}),
    probes as (
      update webhook_breakers b set open_until = ${probingUntil}, is_probing = true
      where b.open_until <= ${now} and exists (
        select from deliveries d where d.organization_id = b.organization_id and d.due_at <= ${now})
      returning b.organization_id
    ),
    rooms as (
      select r.organization_id, r.served_at, r.busy, r.room
      from (
        select o.id as organization_id, t.served_at, coalesce(busy.count, 0) as busy,
          case
            when b.open_until is null then case when b.failures > 0 then ${share}::int else ${most}::int end
              - coalesce(busy.count, 0)
            when exists (select from probes p where p.organization_id = o.id) then 1
            else 0
          end as room
        from waiting w
        join organizations o on o.id = w.organization_id
          and o.webhook_url <> '' and o.webhook_secret is not null and o.webhook_disabled_at is null
        left join webhook_breakers b on b.organization_id = o.id and b.address = o.webhook_url
        left join delivery_turns t on t.organization_id = o.id
        left join jsonb_to_recordset(${counts}::jsonb) as busy (id uuid, count int) on busy.id = o.id
      ) as r
      cross join lateral (
        select due_at from deliveries
        where organization_id = r.organization_id and due_at <= ${now}
        order by due_at limit 1
      ) as first
      where r.room > 0
      -- There is no room for more of them than that.
      order by r.served_at nulls first, first.due_at limit ${free}::int
    ),
    ranked as (
      select due.event_id, r.busy + due.number <= ${share}::int as is_share,
        row_number() over (
          order by r.busy + due.number <= ${share}::int desc,
            case when r.busy + due.number <= ${share}::int then r.served_at end nulls first, due.due_at
        ) as place
      from rooms r
      cross join lateral (
        select d.event_id, d.due_at, row_number() over (order by d.due_at) as number
        from (
          select event_id, due_at from deliveries
          where organization_id = r.organization_id and due_at <= ${now}
          order by due_at limit r.room
        ) as d
      ) as due
    ),
    chosen as (
      select event_id from ranked where place <= ${free}::int and (is_share or place <= ${spare}::int)
    ),
    locked as (
      select event_id from deliveries
      where event_id in (select event_id from chosen) and due_at <= ${now}
      for update skip locked
    ),
    claimed as (
      -- As text: the driver would make it a date of milliseconds.
      update deliveries d set due_at = ${lease}::text::timestamptz, leased_until = ${lease}::text::timestamptz,
        fence = nextval('delivery_fences')
      from locked l where d.event_id = l.event_id
      returning d.event_id, d.organization_id, d.attempts, d.fence
    ),
    turns as (
      insert into delivery_turns (organization_id, served_at)
      select distinct organization_id, ${now}::timestamptz from claimed order by organization_id
      on conflict (organization_id) do update set served_at = excluded.served_at
    )
    select (select count(*)::int from chosen) as chosen,
      c.event_id as "eventId", c.organization_id as "organizationId", c.attempts, c.fence,
      o.webhook_url as address, o.webhook_secret as secret,
      case when o.previous_webhook_secret_until > ${now} then o.previous_webhook_secret end as "previousSecret"
    from (select) as one left join claimed c on true left join organizations o on o.id = c.organization_id`;
  return { claims: rows.flatMap(toClaim), chosen: rows[0]?.chosen ?? 0 };
}

/**
 * Makes due at once what was claimed with these leases, if it was: of a claim whose answer was lost nobody knows.
 *
 * @returns how many
 */
export async function releaseClaims(sql: Sql, now: Date, leases: readonly string[]): Promise<number> {
  const rows = await sql`
    with recursive waiting as (${waitingOrganizations})
    update deliveries set due_at = ${now}, leased_until = null
    where organization_id in (select organization_id from waiting)
      and due_at = any(${arrayText(leases)}::text::timestamptz[]) and leased_until = due_at
    returning event_id`;
  return rows.length;
}

/** A row without a delivery says only how many were chosen. */
function toClaim(row: { [Member in keyof Claim]: Claim[Member] | null }): Claim[] {
  const { eventId, organizationId, attempts, fence, address, secret, previousSecret } = row;
  if (eventId === null || organizationId === null || attempts === null || fence === null) return [];
  if (address === null || secret === null) return [];
  return [{ eventId, organizationId, attempts, fence, address, secret, previousSecret }];
}

export interface EventText {
  id: string;
  type: string;
  /** JSON as it came. */
  payload: string;
  createdAt: Date;
}

/** The events of some ids, in no order; those that retention has dropped are missing. */
export async function selectEventTexts(sql: Sql, ids: readonly string[]): Promise<EventText[]> {
  const { first, last } = rangeOf(ids);
  return await sql<EventText>`
    select id, type, payload, created_at as "createdAt" from events
    where id = any(${arrayText(ids)}::uuid[]) and id between ${first} and ${last}`;
}

/** Ids are ordered by time, so their range tells which partitions to look into. */
export function rangeOf(ids: readonly string[]): { first: string; last: string } {
  const sorted = ids.toSorted();
  return { first: sorted[0] ?? '', last: sorted.at(-1) ?? '' };
}

/**
 * Takes out deliveries that have nowhere to go: no address any more, or one that answered 410. Those of a disabled
 * address have failed; without an address events go on waiting in the inbox.
 *
 * @returns how many
 */
export async function dropHomelessDeliveries(sql: Sql, now: Date, limit: number): Promise<number> {
  const rows = await sql`
    with recursive waiting as (${waitingOrganizations}),
    homeless as (
      select w.organization_id, o.webhook_disabled_at is not null as is_disabled
      from waiting w left join organizations o on o.id = w.organization_id
      where w.organization_id is not null and (o.id is null or o.webhook_url = '' or o.webhook_secret is null
        or o.webhook_disabled_at is not null)
    ),
    chosen as (
      select d.event_id, h.is_disabled from deliveries d join homeless h on h.organization_id = d.organization_id
      where d.leased_until is null or d.leased_until < ${now}
      limit ${limit}
      for update of d skip locked
    ),
    dropped as (
      delete from deliveries d using chosen c where d.event_id = c.event_id returning d.event_id, c.is_disabled
    ),
    failed as (
      update events e set status = 'failed', finished_at = ${now},
        last_error = 'The address is disabled since it answered 410.'
      from dropped d where e.id = d.event_id and d.is_disabled and e.status = 'pending'
    )
    select event_id from dropped`;
  return rows.length;
}

/** Takes out claimed deliveries whose events are gone. */
export async function dropDeliveries(sql: Sql, eventIds: readonly string[]): Promise<void> {
  await sql`delete from deliveries where event_id = any(${arrayText(eventIds)}::uuid[])`;
}
