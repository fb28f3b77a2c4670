import type { Sql } from '../database/sql.ts';

export interface NewPartition {
  parent: string;
  keyColumn: string;
  name: string;
  /** The first key that belongs to it, and the first that no longer does. */
  low: string;
  high: string;
}

/** The partitions of a table but the default one. */
export async function selectPartitions(sql: Sql, parent: string): Promise<string[]> {
  const rows = await sql<{ name: string }>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ${parent}::regclass and c.relname <> ${`${parent}_default`}
    order by c.relname`;
  return rows.map(({ name }) => name);
}

/** Does nothing when it is there already. */
export async function makePartition(sql: Sql, partition: NewPartition): Promise<void> {
  const { parent, keyColumn, name, low, high } = partition;
  await sql`select make_partition(${parent}, ${keyColumn}, ${name}, ${low}, ${high})`;
}

export async function dropPartition(sql: Sql, parent: string, name: string): Promise<void> {
  await sql`select drop_partition(${parent}, ${name})`;
}

/** Old rows that never got a partition. @returns how many were deleted, at most `limit` */
export async function deleteStrayEvents(sql: Sql, beforeId: string, limit: number): Promise<number> {
  const rows = await sql`
    delete from events_default where id in (select id from events_default where id < ${beforeId} limit ${limit})
    returning 1`;
  return rows.length;
}

export async function deleteStrayAttempts(sql: Sql, before: Date, limit: number): Promise<number> {
  const rows = await sql`
    delete from delivery_attempts_default where ctid = any (
      array(select ctid from delivery_attempts_default where at < ${before} limit ${limit}))
    returning 1`;
  return rows.length;
}

export async function deleteExpiredMarks(sql: Sql, now: Date, limit: number): Promise<number> {
  const rows = await sql`
    delete from event_dedup where (organization_id, dedup_id) in (
      select organization_id, dedup_id from event_dedup where expires_at <= ${now} limit ${limit}
      for update skip locked)
    returning 1`;
  return rows.length;
}

export async function deleteExpiredLeases(sql: Sql, now: Date, limit: number): Promise<number> {
  const rows = await sql`
    delete from inbox_leases where event_id in (
      select event_id from inbox_leases where until <= ${now} limit ${limit} for update skip locked)
    returning 1`;
  return rows.length;
}
