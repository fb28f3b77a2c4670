import { part, type Sql } from '../database/sql.ts';

/** An event on its way into the database. */
export interface NewEvent {
  readonly id: string;
  readonly organizationId: string;
  readonly type: string;
  /** JSON text. */
  readonly payload: string;
  readonly dedupId: string | null;
  /** SHA-256 of type and payload in hex, when there is a dedup id. */
  readonly contentHash: string | null;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** The event that a dedup id stands for. */
export interface DedupMark {
  organizationId: string;
  dedupId: string;
  eventId: string;
  contentHash: string;
}

/** JSON text has no control characters but white space, so this one can stand between two. */
const separator = '\x1f';

/** Looking for a conflict costs an eighth of storing the event, and a new id has none. */
const ifMissing = { first: part``, again: part`on conflict (id) do nothing` } as const;

/**
 * Stores events, their dedup marks and their deliveries: one statement, so all of it or nothing. Run `again` with the
 * same events it changes nothing that is there already, and says the same.
 *
 * @param events in the order of organization and dedup id, each pair once: one order of locks for all
 * @returns ids of the events whose dedup id belongs to another event, and how many deliveries were made
 */
export async function insertEvents(
  sql: Sql,
  events: readonly NewEvent[],
  run: 'first' | 'again',
): Promise<{ duplicates: readonly string[]; deliveries: number }> {
  const { ids, organizationIds, types, payloads, dedupIds, contentHashes, instants, targets } =
    toColumns(events);
  const [row] = await sql<{ duplicates: string | null; deliveries: number }>`
    with given as materialized (
      select * from unnest(
        ${ids}::uuid[], ${organizationIds}::uuid[], ${types}::text[], string_to_array(${payloads}, chr(31)),
        ${dedupIds}::text[], ${contentHashes}::text[], ${instants}::timestamptz[]
      ) as g (id, organization_id, type, payload, dedup_id, content_hash, created_at)
    ),
    marked as (
      insert into event_dedup as known (organization_id, dedup_id, event_id, content_hash, expires_at)
      select organization_id, dedup_id, id, decode(content_hash, 'hex'), created_at + interval '24 hours'
      from given where dedup_id is not null
      on conflict (organization_id, dedup_id) do update
        set event_id = excluded.event_id, content_hash = excluded.content_hash, expires_at = excluded.expires_at
        where known.expires_at <= excluded.expires_at - interval '24 hours' or known.event_id = excluded.event_id
      returning event_id
    ),
    stored as (
      insert into events (id, organization_id, type, payload, dedup_id, created_at)
      select id, organization_id, type, payload, dedup_id, created_at from given
      where dedup_id is null or id in (select event_id from marked)
      ${ifMissing[run]}
      returning id, organization_id, created_at
    ),
    -- Looked up once a statement. In a join with what was stored, each row sorted and searched the whole list: a quarter
    -- of what PostgreSQL did for an event.
    reached as materialized (
      select id from organizations
      where id = any (${targets}::uuid[]) and webhook_url <> '' and webhook_disabled_at is null
    ),
    queued as (
      insert into deliveries (event_id, organization_id, due_at)
      select id, organization_id, created_at from stored
      where organization_id in (select id from reached)
      returning 1
    )
    select (
        select string_agg(id::text, ',') from given
        where dedup_id is not null and id not in (select event_id from marked)
      ) as duplicates,
      (select count(*) from queued)::int as deliveries`;
  if (row === undefined) throw new Error('The statement that stores events returned nothing.');
  return { duplicates: row.duplicates?.split(',') ?? [], deliveries: row.deliveries };
}

/** What the dedup ids of these events stand for by now. */
export async function selectDedupMarks(sql: Sql, events: readonly NewEvent[]): Promise<DedupMark[]> {
  const { organizationIds, dedupIds } = toColumns(events);
  return await sql<DedupMark>`
    select known.organization_id as "organizationId", known.dedup_id as "dedupId", known.event_id as "eventId",
      encode(known.content_hash, 'hex') as "contentHash"
    from unnest(${organizationIds}::uuid[], ${dedupIds}::text[]) as asked (organization_id, dedup_id)
    join event_dedup known using (organization_id, dedup_id)`;
}

/** Each column as the text of an array. Composed by hand: postgres.js would look at every value of every row. */
function toColumns(events: readonly NewEvent[]) {
  let ids = '';
  let organizationIds = '';
  let types = '';
  let payloads = '';
  let dedupIds = '';
  let contentHashes = '';
  let instants = '';
  const targets = new Set<string>();
  let comma = '';
  let between = '';
  for (const event of events) {
    ids += comma + event.id;
    organizationIds += comma + event.organizationId;
    types += comma + quote(event.type);
    payloads += between + event.payload;
    dedupIds += comma + (event.dedupId === null ? 'NULL' : quote(event.dedupId));
    contentHashes += comma + (event.contentHash ?? 'NULL');
    instants += comma + event.createdAt;
    targets.add(event.organizationId);
    comma = ',';
    between = separator;
  }
  return {
    ids: `{${ids}}`,
    organizationIds: `{${organizationIds}}`,
    types: `{${types}}`,
    payloads,
    dedupIds: `{${dedupIds}}`,
    contentHashes: `{${contentHashes}}`,
    instants: `{${instants}}`,
    targets: `{${[...targets].join(',')}}`,
  };
}

function quote(text: string): string {
  return /["\\]/.test(text) ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : `"${text}"`;
}
