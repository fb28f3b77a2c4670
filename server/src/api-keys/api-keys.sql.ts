import type { Sql } from '../database/sql.ts';

// Hashes are SHA-256 in hex.

export async function insertKey(tx: Sql, hash: string, organizationId: string, now: Date): Promise<void> {
  await tx`
    insert into api_keys (hash, organization_id, created_at) values (decode(${hash}, 'hex'), ${organizationId}, ${now})`;
}

/** @returns the organization of a key that is in force */
export async function findKeyHolder(sql: Sql, hash: string): Promise<string | undefined> {
  const [row] = await sql<{ id: string }>`
    select organization_id as id from api_keys where hash = decode(${hash}, 'hex') and revoked_at is null`;
  return row?.id;
}

/** Ends every key of an organization. @returns their hashes */
export async function revokeKeys(tx: Sql, organizationId: string, now: Date): Promise<string[]> {
  const rows = await tx<{ hash: string }>`
    update api_keys set revoked_at = ${now}
    where organization_id = ${organizationId} and revoked_at is null
    returning encode(hash, 'hex') as hash`;
  return rows.map(({ hash }) => hash);
}
