import type { RoleSlug } from '@irontrack/contract/roles.ts';
import { part, type Sql } from '../database/sql.ts';

export interface RoleHolder {
  id: string;
  email: string;
  isActive: boolean;
  roleSlug: RoleSlug;
  isPrimaryAdministrator: boolean;
}

/**
 * Lets one transaction at a time change who is what, until it ends. Locking the rows alone would not do: two
 * administrators who demote each other would each hold one row and wait for the other's.
 */
export async function lockStandings(tx: Sql): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('irontrack:standings', 0))`;
}

/** Locks the row, so that a sign-in that is under way comes before or after the change, not in between. */
export async function lockRoleHolder(
  tx: Sql,
  who: { email: string } | { id: string },
): Promise<RoleHolder | undefined> {
  const [holder] = await tx<RoleHolder>`
    select id, email, is_active as "isActive", role_slug as "roleSlug",
      is_primary_administrator as "isPrimaryAdministrator"
    from users
    where ${'id' in who ? part`id = ${who.id}` : part`email = ${who.email}`}
    for update`;
  return holder;
}

export async function hasAnotherActiveSuperuser(tx: Sql, userId: string): Promise<boolean> {
  const [row] = await tx<{ found: boolean }>`
    select exists (
      select from users where role_slug = 'superuser' and is_active and id <> ${userId}
    ) as found`;
  return row?.found ?? false;
}

export async function updateRole(tx: Sql, userId: string, role: RoleSlug, now: Date): Promise<void> {
  await tx`update users set role_slug = ${role}, updated_at = ${now} where id = ${userId}`;
}

/** Adds the roles that the database lacks, by slug; those that are there stay as they are. */
export async function insertMissingRoles(
  tx: Sql,
  roles: Readonly<Record<RoleSlug, { name: string }>>,
): Promise<void> {
  const rows = Object.entries(roles).map(([slug, { name }]) => ({ slug, name }));
  await tx`
    insert into roles (slug, name)
    select slug, name from jsonb_to_recordset(${rows}::jsonb) as given (slug text, name text)
    on conflict (slug) do nothing`;
}

/** Is this session still alive, and its user an active superuser? */
export async function isLiveSuperuser(
  tx: Sql,
  userId: string,
  sessionId: string,
  now: Date,
): Promise<boolean> {
  const rows = await tx`
    select 1 as found from users u join sessions s on s.user_id = u.id
    where u.id = ${userId} and u.is_active and u.role_slug = 'superuser'
      and s.id = ${sessionId} and s.ended_at is null and s.idle_ends_at > ${now} and s.absolute_ends_at > ${now}`;
  return rows.length > 0;
}
