import type { Sql } from './sql.ts';

/** How far PostgreSQL's log is, in bytes. Everything that was confirmed is flushed, and replicas are sent no more. */
export async function readFlushed(primary: Sql): Promise<bigint> {
  const [row] = await primary<{ position: string }>`
    select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::text as position`;
  return BigInt(row?.position ?? 0);
}

/** @throws when it is no replica, or none any longer */
export async function readReplayed(replica: Sql): Promise<bigint> {
  const [row] = await replica<{ position: string | null }>`
    select case when pg_is_in_recovery() then pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::text end as position`;
  if (row === undefined || row.position === null) throw new Error('It replays nothing.');
  return BigInt(row.position);
}

/** The system identifier is the same for a primary and its replicas, and no other database has it. */
export async function readPrimary(primary: Sql): Promise<{ position: bigint; system: string }> {
  const [row] = await primary<{ position: string; system: string }>`
    select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::text as position,
      (select system_identifier::text from pg_control_system()) as system`;
  return { position: BigInt(row?.position ?? 0), system: row?.system ?? '' };
}

export async function readReplica(replica: Sql): Promise<{ isReplica: boolean; system: string }> {
  const [row] = await replica<{ isReplica: boolean; system: string }>`
    select pg_is_in_recovery() as "isReplica",
      (select system_identifier::text from pg_control_system()) as system`;
  if (row === undefined) throw new Error('The replica did not say who it is.');
  return row;
}
