/** How a User of the contract is read out of the tables. */
import type { User } from '@irontrack/contract/users.ts';
import { part } from './sql.ts';

/** For every statement that reads a User from `users u join roles r on r.slug = u.role_slug`. */
export const userColumns = part`
  u.id, u.name, u.email, u.is_active as "isActive", (u.role_slug = 'superuser') as "isSuperuser",
  r.name as "roleName", u.role_slug as "roleSlug", u.created_at as "createdAt", u.updated_at as "updatedAt"`;

export interface UserRow extends Omit<User, 'createdAt' | 'updatedAt'> {
  createdAt: Date;
  updatedAt: Date;
}

export function toUser(row: UserRow): User {
  return { ...row, createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
}
