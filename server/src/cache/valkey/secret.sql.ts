import type { Sql } from '../../database/sql.ts';

const purpose = 'shared cache';

/** The secret under which nodes share a cache; of several nodes that offer one at once, the first wins. */
export async function readSharedCacheSecret(sql: Sql, offered: Buffer): Promise<Buffer> {
  await sql`
    insert into installation_secrets (purpose, secret) values (${purpose}, ${offered})
    on conflict (purpose) do nothing`;
  const [row] = await sql<{ secret: Buffer }>`
    select secret from installation_secrets where purpose = ${purpose}`;
  if (row === undefined) throw new Error('The secret of the shared cache is gone from the database.');
  return row.secret;
}
