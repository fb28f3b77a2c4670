/** Accounts as administrators see them. */
import { defaultRole } from '@irontrack/contract/roles.ts';
import type { User, UserChange, UserCreation, UserPage, UserQuery } from '@irontrack/contract/users.ts';
import { uuidv7 } from 'uuidv7';
import { createAccount, hashing, type NewAccount } from '../accounts/accounts.ts';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { type Database, isUniqueViolation } from '../database/database.ts';
import type { Reads } from '../database/replica.ts';
import type { Sql } from '../database/sql.ts';
import { normalizeEmail } from '../email.ts';
import type { Caller } from '../http/guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import {
  changeRole,
  lockAsSuperuser,
  readStanding,
  requireAnotherSuperuser,
  requireChangeable,
  type Standing,
} from '../roles/roles.ts';
import type { EndReason, Sessions } from '../sessions/sessions.ts';
import { countUsers, deleteUser, findUser, selectUsers, updateUser } from './users.sql.ts';

export interface Users {
  /** @throws Problem `email-taken` */
  create(caller: Caller, input: UserCreation, source: RequestSource): Promise<User>;
  list(query: UserQuery, source: RequestSource): Promise<UserPage>;
  /** @throws Problem `user-not-found` */
  read(userId: string, source: RequestSource): Promise<User>;
  /** @throws Problem `user-not-found`, `email-taken`, `own-account`, `primary-administrator`, `last-superuser` */
  change(caller: Caller, userId: string, input: UserChange, source: RequestSource): Promise<User>;
  /** @throws Problem as `change` */
  remove(caller: Caller, userId: string, source: RequestSource): Promise<void>;
}

interface Needs {
  database: Database;
  /** For the list. */
  reads: Reads;
  audit: Audit;
  clock: Clock;
  passwords: PasswordHasher;
  sessions: Sessions;
}

export function createUsers({ database, reads, audit, clock, passwords, sessions }: Needs): Users {
  /** Everything but the role, each kind of change with its own audit entry. @returns the sessions that ended */
  async function applyChange(
    tx: Sql,
    caller: Caller,
    before: Standing,
    change: UserChange & { passwordHash: string | undefined },
    source: RequestSource,
  ): Promise<string[]> {
    const { name, email, isActive, passwordHash } = change;
    const actorId = caller.user.id;
    const subjectId = before.id;
    const fields = Object.entries({ name, email }).flatMap(([field, value]) =>
      value === undefined ? [] : [field],
    );
    const normalized = email === undefined ? undefined : normalizeEmail(email);
    await updateUser(tx, before.id, { name, email: normalized, isActive, passwordHash }, clock());
    const ended: string[] = [];
    const end = async (because: EndReason) => {
      ended.push(...(await sessions.endAllOfUser(tx, before.id, because)));
    };
    if (fields.length > 0) {
      const moved = normalized === undefined ? {} : { emailFrom: before.email, emailTo: normalized };
      const details = { fields, ...moved };
      await audit.record(tx, source, { action: 'user.updated', actorId, subjectId, details });
    }
    if (isActive === true && !before.isActive) {
      await audit.record(tx, source, { action: 'user.activated', actorId, subjectId });
    }
    if (isActive === false && before.isActive) {
      await end('deactivated');
      await audit.record(tx, source, { action: 'user.deactivated', actorId, subjectId });
    }
    if (passwordHash !== undefined) {
      await end('password set by an administrator');
      await audit.record(tx, source, { action: 'password.set_by_administrator', actorId, subjectId });
    }
    return ended;
  }

  async function requireStanding(tx: Sql, caller: Caller, userId: string): Promise<Standing> {
    await lockAsSuperuser(tx, caller, clock());
    const standing = await readStanding(tx, userId);
    if (standing === undefined) throw new Problem('user-not-found');
    requireChangeable(standing, caller.user.id);
    return standing;
  }

  return {
    async create(caller, input, source) {
      const passwordHash = await hashing(() => passwords.hash(input.password));
      const account: NewAccount = {
        id: uuidv7(),
        email: normalizeEmail(input.email),
        name: input.name ?? null,
        passwordHash,
        isActive: input.isActive ?? true,
        role: input.isSuperuser === true ? 'superuser' : defaultRole,
        now: clock(),
      };
      return await createAccount(database, audit, account, source, {
        actorId: caller.user.id,
        before: (tx) => lockAsSuperuser(tx, caller, clock()),
      });
    },

    async list(query, source) {
      const sql = reads.forRequest(source.requestId);
      const limit = query.pageSize;
      const offset = (query.currentPage - 1) * limit;
      const [items, total] = await Promise.all([
        selectUsers(sql, query, limit, offset),
        countUsers(sql, query),
      ]);
      return { items, limit, offset, total };
    },

    async read(userId, source) {
      const user = await findUser(database.forRequest(source.requestId), userId);
      if (user === undefined) throw new Problem('user-not-found');
      return user;
    },

    async change(caller, userId, input, source) {
      // Refused before a hash slot is taken; looked at again under the lock.
      await requireStanding(database.forRequest(source.requestId), caller, userId);
      const { password } = input;
      const passwordHash = password === undefined ? undefined : await hashing(() => passwords.hash(password));
      try {
        const { user, ended } = await database.transaction(source.requestId, async (tx) => {
          const before = await requireStanding(tx, caller, userId);
          const loses = input.isActive === false && before.isActive && before.roleSlug === 'superuser';
          if (loses) await requireAnotherSuperuser(tx, userId);
          if (input.isSuperuser !== undefined && input.isSuperuser !== (before.roleSlug === 'superuser')) {
            const role = input.isSuperuser ? 'superuser' : defaultRole;
            await changeRole(tx, before, role, { audit, now: clock(), actorId: caller.user.id, source });
          }
          const sessionIds = await applyChange(tx, caller, before, { ...input, passwordHash }, source);
          return { user: await findUser(tx, userId), ended: sessionIds };
        });
        if (user === undefined) throw new Problem('user-not-found');
        sessions.forget(userId, ended);
        return user;
      } catch (error) {
        throw isUniqueViolation(error, 'users_email_key') ? new Problem('email-taken') : error;
      }
    },

    async remove(caller, userId, source) {
      const ended = await database.transaction(source.requestId, async (tx) => {
        const standing = await requireStanding(tx, caller, userId);
        if (standing.roleSlug === 'superuser' && standing.isActive) await requireAnotherSuperuser(tx, userId);
        const { email, sessionIds } = await deleteUser(tx, userId);
        const subjectId = userId;
        await audit.record(tx, source, {
          action: 'user.deleted',
          actorId: caller.user.id,
          subjectId,
          details: { email },
        });
        return sessionIds;
      });
      sessions.forget(userId, ended);
    },
  };
}
