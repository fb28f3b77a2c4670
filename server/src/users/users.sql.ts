import type { User, UserQuery } from '@irontrack/contract/users.ts';
import { part, type Sql, type SqlPart } from '../database/sql.ts';
import { toUser, type UserRow, userColumns } from '../database/user-row.ts';

export async function findUser(sql: Sql, userId: string): Promise<User | undefined> {
  const [row] = await sql<UserRow>`
    select ${userColumns} from users u join roles r on r.slug = u.role_slug where u.id = ${userId}`;
  return row === undefined ? undefined : toUser(row);
}

/** What a list can be ordered by. The id makes the order total, so that pages neither repeat nor skip a user. */
const orders: Readonly<Record<UserQuery['orderBy'], Readonly<Record<UserQuery['sortOrder'], SqlPart>>>> = {
  name: {
    asc: part`lower(u.name) asc, u.id asc`,
    desc: part`lower(u.name) desc, u.id desc`,
  },
  email: { asc: part`u.email asc`, desc: part`u.email desc` },
  createdAt: { asc: part`u.created_at asc, u.id asc`, desc: part`u.created_at desc, u.id desc` },
};

export async function selectUsers(
  sql: Sql,
  query: UserQuery,
  limit: number,
  offset: number,
): Promise<User[]> {
  const rows = await sql<UserRow>`
    select ${userColumns} from users u join roles r on r.slug = u.role_slug
    where true ${matching(query)}
    order by ${orders[query.orderBy][query.sortOrder]}
    limit ${limit} offset ${offset}`;
  return rows.map(toUser);
}

export async function countUsers(sql: Sql, query: UserQuery): Promise<number> {
  const [row] = await sql<{ total: number }>`
    select count(*)::int as total from users u where true ${matching(query)}`;
  return row?.total ?? 0;
}

function matching({ searchString, isActive, createdBefore, createdAfter }: UserQuery): SqlPart {
  return part`
    ${searchString === undefined || searchString === '' ? part`` : containing(searchString)}
    ${isActive === undefined ? part`` : part`and u.is_active = ${isActive}`}
    ${createdBefore === undefined ? part`` : part`and u.created_at < ${new Date(createdBefore)}`}
    ${createdAfter === undefined ? part`` : part`and u.created_at > ${new Date(createdAfter)}`}`;
}

function containing(searchString: string): SqlPart {
  const pattern = `%${searchString.replaceAll(/[\\%_]/g, '\\$&')}%`;
  return part`and (u.name ilike ${pattern} or u.email ilike ${pattern})`;
}

interface Change {
  name: string | null | undefined;
  email: string | undefined;
  isActive: boolean | undefined;
  passwordHash: string | undefined;
}

/** `undefined` leaves a column as it is. */
export async function updateUser(tx: Sql, userId: string, change: Change, now: Date): Promise<void> {
  const { name, email, isActive, passwordHash } = change;
  await tx`
    update users set
      ${name === undefined ? part`` : part`name = ${name},`}
      ${email === undefined ? part`` : part`email = ${email},`}
      ${isActive === undefined ? part`` : part`is_active = ${isActive},`}
      ${passwordHash === undefined ? part`` : part`password_hash = ${passwordHash},`}
      updated_at = ${now}
    where id = ${userId}`;
}

/** Deletes the user with all sessions. */
export async function deleteUser(tx: Sql, userId: string): Promise<{ email: string; sessionIds: string[] }> {
  const sessions = await tx<{ id: string }>`delete from sessions where user_id = ${userId} returning id`;
  const [user] = await tx<{ email: string }>`delete from users where id = ${userId} returning email`;
  return { email: user?.email ?? '', sessionIds: sessions.map((row) => row.id) };
}
