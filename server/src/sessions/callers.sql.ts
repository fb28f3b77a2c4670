import type { User } from '@irontrack/contract/users.ts';
import type { Sql } from '../database/sql.ts';
import { toUser, type UserRow, userColumns } from '../database/user-row.ts';

export interface LiveSession {
  userId: string;
  /** When it ends unless it is refreshed before. Milliseconds since 1970. */
  endsAtMs: number;
}

export async function selectLiveSession(sql: Sql, sessionId: string): Promise<LiveSession | undefined> {
  const [row] = await sql<{ userId: string; endsAt: Date }>`
    select user_id as "userId", least(idle_ends_at, absolute_ends_at) as "endsAt"
    from sessions
    where id = ${sessionId} and ended_at is null`;
  return row === undefined ? undefined : { userId: row.userId, endsAtMs: row.endsAt.getTime() };
}

export async function selectActiveUser(sql: Sql, userId: string): Promise<User | undefined> {
  const [row] = await sql<UserRow>`
    select ${userColumns} from users u join roles r on r.slug = u.role_slug
    where u.id = ${userId} and u.is_active`;
  return row === undefined ? undefined : toUser(row);
}
