/** Every statement of the experiment. Its tables lie in a schema of their own. */
import type postgres from 'postgres';

export type Sql = postgres.Sql;

/** Wide on purpose: what an object mapper fetches when nobody says which columns. */
export interface UserRow {
  id: string;
  email: string;
  passwordHash: string;
  name: string | null;
  isActive: boolean;
  isSuperuser: boolean;
  roleId: number;
  [column: string]: unknown;
}

export interface Credentials {
  id: string;
  passwordHash: string;
  isActive: boolean;
}

export interface Profile {
  id: string;
  name: string | null;
  email: string;
  isActive: boolean;
  isSuperuser: boolean;
  roleSlug: string;
}

/** Safe to run by several services at once: each waits for the one before it. */
export async function createTables(sql: Sql): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(7310651)`;
    await tx`create schema if not exists lab_experiment`;
    await tx`
      create table if not exists lab_experiment.roles (id int primary key, slug text not null unique, name text not null,
        description text)`;
    await tx`
      insert into lab_experiment.roles (id, slug, name, description)
      values (1, 'user', 'User', 'May use the application') on conflict do nothing`;
    await tx`
      create table if not exists lab_experiment.users (
        id uuid primary key, email text not null unique, password_hash text not null, name text, bio text, city text,
        country text, avatar_path text, locale text not null default 'en', time_zone text not null default 'UTC',
        is_active boolean not null default true, is_superuser boolean not null default false,
        role_id int not null references lab_experiment.roles default 1, sign_ins int not null default 0,
        created_at timestamptz not null default now(), updated_at timestamptz not null default now())`;
  });
}

export async function dropTables(sql: Sql): Promise<void> {
  await sql`drop schema if exists lab_experiment cascade`;
}

/** @returns false when the e-mail is taken */
export async function insertUser(
  sql: Sql,
  user: { id: string; email: string; passwordHash: string; name: string | null },
): Promise<boolean> {
  const rows = await sql`
    insert into lab_experiment.users (id, email, password_hash, name)
    values (${user.id}, ${user.email}, ${user.passwordHash}, ${user.name}) on conflict (email) do nothing returning id`;
  return rows.length > 0;
}

export async function selectWholeUser(sql: Sql, id: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    select id, email, password_hash, name, bio, city, country, avatar_path, locale, time_zone, is_active, is_superuser,
      role_id, sign_ins, created_at, updated_at
    from lab_experiment.users where id = ${id}`;
  return row;
}

export async function selectWholeUserByEmail(sql: Sql, email: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    select id, email, password_hash, name, bio, city, country, avatar_path, locale, time_zone, is_active, is_superuser,
      role_id, sign_ins, created_at, updated_at
    from lab_experiment.users where email = ${email}`;
  return row;
}

export async function selectRole(sql: Sql, roleId: number): Promise<string> {
  const [row] = await sql<{ id: number; slug: string; name: string; description: string | null }[]>`
    select id, slug, name, description from lab_experiment.roles where id = ${roleId}`;
  return row?.slug ?? '';
}

/** The role without waiting for the user's row: what sending both statements at once needs. */
export async function selectRoleOfUser(sql: Sql, userId: string): Promise<string> {
  const [row] = await sql<{ id: number; slug: string; name: string; description: string | null }[]>`
    select r.id, r.slug, r.name, r.description
    from lab_experiment.roles r join lab_experiment.users u on u.role_id = r.id where u.id = ${userId}`;
  return row?.slug ?? '';
}

export async function selectProfile(sql: Sql, id: string): Promise<Profile | undefined> {
  const [row] = await sql<Profile[]>`
    select u.id, u.name, u.email, u.is_active, u.is_superuser, r.slug as role_slug
    from lab_experiment.users u join lab_experiment.roles r on r.id = u.role_id where u.id = ${id}`;
  return row;
}

export async function selectCredentials(sql: Sql, email: string): Promise<Credentials | undefined> {
  const [row] = await sql<Credentials[]>`
    select id, password_hash, is_active from lab_experiment.users where email = ${email}`;
  return row;
}
