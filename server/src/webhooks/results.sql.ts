import type { Sql } from '../database/sql.ts';
import { rangeOf } from './claims.sql.ts';
import type { Outcome } from './outcome.ts';

export interface Result {
  eventId: string;
  organizationId: string;
  fence: number;
  /** Which attempt of the delivery it was, from 1. */
  number: number;
  kind: Outcome['kind'];
  at: Date;
  /** When the next attempt is due; of no meaning unless there is one. */
  dueAt: Date;
  statusCode: number | null;
  durationMs: number;
  error: string | null;
}

/** What a batch says of one address. */
export interface AddressNews {
  organizationId: string;
  address: string;
  /** Failures since its last success in the batch. */
  failures: number;
  hadSuccess: boolean;
  /** Left alone until then, when it asked to be. */
  pausedUntil: Date | null;
  isGone: boolean;
}

interface Breaker {
  now: Date;
  /** This many failures in a row open it, until then. */
  threshold: number;
  openUntil: Date;
}

/**
 * Writes what came of a batch of attempts, in one transaction. A result whose delivery was claimed anew meanwhile
 * changes nothing; its attempt is on record all the same, as it was made. The same batch may be written again when the
 * answer was lost, and the earlier try be carried out before, after or meanwhile: it changes nothing twice.
 *
 * @returns the events whose results counted
 */
export async function writeResults(
  sql: Sql,
  results: readonly Result[],
  news: readonly AddressNews[],
  { now, threshold, openUntil }: Breaker,
): Promise<Set<string>> {
  const { first, last } = rangeOf(results.map(({ eventId }) => eventId));
  const rows = await sql<{ eventId: string }>`
    with result as (
      select * from jsonb_to_recordset(${results}::jsonb)
        as r ("eventId" uuid, "organizationId" uuid, fence int, number smallint, kind text, at timestamptz,
          "dueAt" timestamptz, "statusCode" smallint, "durationMs" int, error text)
    ),
    ended as (
      delete from deliveries d using result r
      where d.event_id = r."eventId" and d.fence = r.fence and r.kind <> 'retry'
      returning r.*
    ),
    retried as (
      update deliveries d
      set attempts = r.number, due_at = r."dueAt", leased_until = null, last_error = r.error
      from result r
      where d.event_id = r."eventId" and d.fence = r.fence and r.kind = 'retry'
      returning r.*
    ),
    counted as (select * from ended union all select * from retried),
    logged as (
      insert into delivery_attempts (event_id, organization_id, number, at, status_code, duration_ms, error)
      select "eventId", "organizationId", number, at, "statusCode", "durationMs", error from result
      -- An earlier try has logged them all, or is waited for and then has or has not.
      on conflict do nothing
      returning organization_id
    ),
    news as (
      select * from jsonb_to_recordset(${news}::jsonb)
        as n ("organizationId" uuid, address text, failures int, "hadSuccess" boolean, "pausedUntil" timestamptz,
          "isGone" boolean)
      -- A failure that was logged before has been counted before.
      where "organizationId" in (select l.organization_id from logged l)
    ),
    told as (
      update events e set
        attempts = c.number,
        last_error = c.error,
        status = case when e.status <> 'pending' or c.kind = 'retry' then e.status
          when c.kind = 'delivered' then 'delivered' else 'failed' end,
        finished_at = case when e.status <> 'pending' or c.kind = 'retry' then e.finished_at else c.at end
      from counted c where e.id = c."eventId" and e.id between ${first} and ${last}
    ),
    recovered as (
      update webhook_breakers set
        -- A pause that the receiver asked for is not shortened by what was under way before.
        open_until = case when is_probing or failures >= ${threshold}::int then null else open_until end,
        failures = 0,
        is_probing = false
      where organization_id in (select "organizationId" from news where "hadSuccess" and failures = 0)
        and (failures > 0 or open_until is not null)
    ),
    failing as (
      select f."organizationId" as organization_id, f.address, f.failures,
        greatest(f."pausedUntil", case when f.failures >= ${threshold}::int then ${openUntil}::timestamptz end)
          as open_until
      from (
        select n."organizationId", n.address, n."pausedUntil",
          n.failures + case when n."hadSuccess" or b.address is distinct from n.address then 0 else b.failures end
            as failures
        from news n left join webhook_breakers b on b.organization_id = n."organizationId"
        where n.failures > 0
      ) as f
    ),
    broken as (
      insert into webhook_breakers (organization_id, address, failures, open_until)
      select organization_id, address, failures, open_until from failing order by organization_id
      on conflict (organization_id) do update set
        address = excluded.address,
        failures = excluded.failures,
        open_until = case when webhook_breakers.address = excluded.address
          then greatest(webhook_breakers.open_until, excluded.open_until) else excluded.open_until end,
        is_probing = false
    ),
    disabled as (
      update organizations o set webhook_disabled_at = ${now}
      from news n
      where n."isGone" and o.id = n."organizationId" and o.webhook_url = n.address
        and o.webhook_disabled_at is null
    )
    select "eventId" from counted`;
  return new Set(rows.map(({ eventId }) => eventId));
}
