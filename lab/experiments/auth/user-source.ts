/** Where the experiment's users come from: two statements or one, in turn or at once, each time or kept. */
import type { Switches } from './steps.ts';
import { keep } from './tokens.ts';
import {
  type Credentials,
  type Profile,
  type Sql,
  selectCredentials,
  selectProfile,
  selectRole,
  selectRoleOfUser,
  selectWholeUser,
  selectWholeUserByEmail,
  type UserRow,
} from './users.sql.ts';

export interface UserSource {
  findProfile(id: string): Promise<Profile | undefined>;
  findCredentials(email: string): Promise<Credentials | undefined>;
  /** What a sign-up answers with: read back from the database, or known already. */
  readNew(profile: Profile): Promise<Profile>;
}

export function createUserSource(
  sql: Sql,
  { statements, userCache }: Pick<Switches, 'statements' | 'userCache'>,
): UserSource {
  const kept = new Map<string, Profile>();
  const read = reader(sql, statements);
  return {
    async findProfile(id) {
      const known = kept.get(id);
      if (known !== undefined) return known;
      const profile = await read(id);
      if (userCache && profile !== undefined) keep(kept, id, profile);
      return profile;
    },
    async findCredentials(email) {
      if (statements === 'one') return selectCredentials(sql, email);
      const user = await selectWholeUserByEmail(sql, email);
      if (user !== undefined) await selectRole(sql, user.roleId);
      return user;
    },
    async readNew(profile) {
      return statements === 'one' ? profile : ((await read(profile.id)) ?? profile);
    },
  };
}

function reader(sql: Sql, statements: Switches['statements']): (id: string) => Promise<Profile | undefined> {
  switch (statements) {
    case 'one':
      return (id) => selectProfile(sql, id);
    case 'two':
      return async (id) => {
        const user = await selectWholeUser(sql, id);
        return user === undefined ? undefined : toProfile(user, await selectRole(sql, user.roleId));
      };
    // Over one connection or two: the size of the pool says which.
    case 'pipelined':
    case 'parallel':
      return async (id) => {
        const [user, roleSlug] = await Promise.all([selectWholeUser(sql, id), selectRoleOfUser(sql, id)]);
        return user === undefined ? undefined : toProfile(user, roleSlug);
      };
  }
}

function toProfile({ id, name, email, isActive, isSuperuser }: UserRow, roleSlug: string): Profile {
  return { id, name, email, isActive, isSuperuser, roleSlug };
}
