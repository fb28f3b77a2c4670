import type { PublicSigningJwk } from '../crypto/signing-key.ts';
import type { Sql } from '../database/sql.ts';

/** @returns whether the key was not known before; a key that comes back is not */
export async function insertSigningKey(
  tx: Sql,
  publicJwk: PublicSigningJwk,
  now: Date,
  verifyUntil: Date,
): Promise<boolean> {
  const rows = await tx`
    insert into signing_keys (kid, public_jwk, created_at, verify_until)
    values (${publicJwk.kid}, ${publicJwk}::jsonb, ${now}, ${verifyUntil})
    on conflict (kid) do nothing
    returning kid`;
  return rows.length > 0;
}

/** Only ever moves the time ahead, and never that of a key that was cut off. */
export async function renewSigningKey(sql: Sql, kid: string, verifyUntil: Date): Promise<void> {
  await sql`
    update signing_keys set verify_until = ${verifyUntil} 
    where kid = ${kid} and revoked_at is null and verify_until < ${verifyUntil}`;
}

export interface SigningKeyRow {
  publicJwk: PublicSigningJwk;
  verifyUntil: Date;
}

/** The keys whose tokens are accepted. One that was cut off is not among them, however far ahead that clock was. */
export async function selectSigningKeys(sql: Sql, now: Date): Promise<SigningKeyRow[]> {
  return await sql<SigningKeyRow>`
    select public_jwk as "publicJwk", verify_until as "verifyUntil"
    from signing_keys
    where verify_until > ${now} and revoked_at is null
    order by created_at desc, kid`;
}

/** Cuts a key off at once and for good. @returns false when there is none to cut off */
export async function revokeSigningKey(tx: Sql, kid: string, now: Date): Promise<boolean> {
  const rows = await tx`
    update signing_keys set verify_until = least(verify_until, ${now}), revoked_at = ${now}
    where kid = ${kid} and revoked_at is null
    returning kid`;
  return rows.length > 0;
}

/** A key that was cut off is kept for good, or it would pass for a new one when somebody brings it back. */
export async function deleteExpiredSigningKeys(sql: Sql, before: Date): Promise<void> {
  await sql`delete from signing_keys where verify_until < ${before} and revoked_at is null`;
}

/** Tells every node to read the keys anew, its own file included. */
export async function announceSigningKeys(sql: Sql): Promise<void> {
  await sql`select pg_notify('irontrack_changes', 'signing-keys:')`;
}
