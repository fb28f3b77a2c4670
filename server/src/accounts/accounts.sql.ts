import type { User } from '@irontrack/contract/users.ts';
import type { Sql } from '../database/sql.ts';
import { toUser, type UserRow, userColumns } from '../database/user-row.ts';
import type { NewAccount } from './accounts.ts';

export interface Credentials {
  id: string;
  passwordHash: string;
  isActive: boolean;
}

export async function findCredentials(sql: Sql, email: string): Promise<Credentials | undefined> {
  const [row] = await sql<Credentials>`
    select id, password_hash as "passwordHash", is_active as "isActive" from users where email = ${email}`;
  return row;
}

export async function emailExists(sql: Sql, email: string): Promise<boolean> {
  const rows = await sql`select 1 as found from users where email = ${email}`;
  return rows.length > 0;
}

/** Where the account's latest sessions came from, those that have ended too: they are kept for a while. */
export async function selectSessionAddresses(sql: Sql, email: string, limit: number): Promise<string[]> {
  const rows = await sql<{ address: string }>`
    select distinct ip_address as address from (
      select s.ip_address from sessions s join users u on u.id = s.user_id
      where u.email = ${email} and s.ip_address is not null
      order by s.last_seen_at desc limit ${limit}
    ) latest`;
  return rows.map((row) => row.address);
}

export async function insertAccount(tx: Sql, account: NewAccount): Promise<User> {
  const [row] = await tx<UserRow>`
    with u as (
      insert into users
        (id, email, name, password_hash, is_active, role_slug, is_primary_administrator, created_at, updated_at)
      values
        (${account.id}, ${account.email}, ${account.name}, ${account.passwordHash}, ${account.isActive},
         ${account.role}, ${account.isPrimaryAdministrator ?? false}, ${account.now}, ${account.now})
      returning *
    )
    select ${userColumns} from u join roles r on r.slug = u.role_slug`;
  if (row === undefined) throw new Error('An insert returned no row.');
  return toUser(row);
}

/** Compare-and-swap. @returns false when the hash is another one by now */
export async function replacePasswordHash(
  tx: Sql,
  userId: string,
  from: string,
  to: string,
  now: Date,
): Promise<boolean> {
  const rows = await tx`
    update users set password_hash = ${to}, updated_at = ${now}
    where id = ${userId} and password_hash = ${from}
    returning id`;
  return rows.length > 0;
}

export async function updateName(
  tx: Sql,
  userId: string,
  name: string | null,
  now: Date,
): Promise<User | undefined> {
  const [row] = await tx<UserRow>`
    with u as (
      update users set name = ${name}, updated_at = ${now} where id = ${userId} returning *
    )
    select ${userColumns} from u join roles r on r.slug = u.role_slug`;
  return row === undefined ? undefined : toUser(row);
}

export async function primaryAdministratorExists(sql: Sql): Promise<boolean> {
  const rows = await sql`select 1 as found from users where is_primary_administrator`;
  return rows.length > 0;
}
