/** Roles: who has which, and the rules of changing one. */
import { type AssignableRole, defaultRole, type RoleSlug } from '@irontrack/contract/roles.ts';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import { normalizeEmail } from '../email.ts';
import type { Caller } from '../http/guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import {
  hasAnotherActiveSuperuser,
  isLiveSuperuser,
  lockRoleHolder,
  lockStandings,
  type RoleHolder,
  updateRole,
} from './roles.sql.ts';

export interface Roles {
  /** @returns the sentence that says so */
  assign(caller: Caller, email: string, role: AssignableRole, source: RequestSource): Promise<string>;
  revoke(caller: Caller, email: string, role: AssignableRole, source: RequestSource): Promise<string>;
}

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  /** Makes the next request of this user read the account anew. */
  forgetUser: (userId: string) => void;
}

export function createRoles({ database, audit, clock, forgetUser }: Needs): Roles {
  async function change(
    caller: Caller,
    email: string,
    source: RequestSource,
    decide: (holder: RoleHolder) => RoleSlug,
  ): Promise<RoleHolder> {
    const holder = await database.transaction(source.requestId, async (tx) => {
      await lockAsSuperuser(tx, caller, clock());
      const found = await lockRoleHolder(tx, { email: normalizeEmail(email) });
      if (found === undefined)
        throw new Problem('user-not-found', `There is no user with the e-mail ${email}.`);
      requireChangeable(found, caller.user.id);
      if (!found.isActive) throw new Problem('inactive-user');
      const role = decide(found);
      await changeRole(tx, found, role, { audit, now: clock(), actorId: caller.user.id, source });
      return found;
    });
    forgetUser(holder.id);
    return holder;
  }

  return {
    async assign(caller, email, role, source) {
      const holder = await change(caller, email, source, ({ email: stored, roleSlug }) => {
        if (roleSlug === role) {
          throw new Problem('role-already-assigned', `User ${stored} already has the '${role}' role`);
        }
        return role;
      });
      return `Successfully assigned the '${role}' role to ${holder.email}`;
    },
    async revoke(caller, email, role, source) {
      const holder = await change(caller, email, source, ({ email: stored, roleSlug }) => {
        if (roleSlug !== role) {
          throw new Problem(
            'role-mismatch',
            `User ${stored} currently has the '${roleSlug}' role, which does not match the requested role ` +
              `'${role}' for revocation`,
          );
        }
        return defaultRole;
      });
      return (
        `Successfully revoked the '${role}' role for ${holder.email} ` +
        `and set to default role '${defaultRole}'`
      );
    },
  };
}

/** Who somebody is to the rules: role, activity, primary administrator. */
export type Standing = RoleHolder;

/** Locks and reads it. Needs `lockAsSuperuser` before it. */
export async function readStanding(tx: Sql, userId: string): Promise<Standing | undefined> {
  return await lockRoleHolder(tx, { id: userId });
}

/**
 * Takes the lock under which standings change, and asks once more whether the caller may still use it: since the
 * request was let in a password may have been hashed, and the caller dismissed.
 *
 * @throws Problem `not-permitted`
 */
export async function lockAsSuperuser(tx: Sql, caller: Caller, now: Date): Promise<void> {
  await lockStandings(tx);
  if (!(await isLiveSuperuser(tx, caller.user.id, caller.sessionId, now))) throw new Problem('not-permitted');
}

/** Nobody changes their own standing, and nobody the primary administrator's. */
export function requireChangeable(
  holder: Pick<RoleHolder, 'id' | 'isPrimaryAdministrator'>,
  callerId: string,
): void {
  if (holder.id === callerId) throw new Problem('own-account');
  if (holder.isPrimaryAdministrator) throw new Problem('primary-administrator');
}

/** Throws unless there is an active superuser beside this one. Needs `lockStandings` before it. */
export async function requireAnotherSuperuser(tx: Sql, userId: string): Promise<void> {
  if (!(await hasAnotherActiveSuperuser(tx, userId))) throw new Problem('last-superuser');
}

interface ChangeContext {
  audit: Audit;
  now: Date;
  actorId: string | null;
  source: RequestSource;
}

/** The one way a role changes, whichever call asked for it. Needs `lockStandings` before it. */
export async function changeRole(
  tx: Sql,
  holder: RoleHolder,
  role: RoleSlug,
  { audit, now, actorId, source }: ChangeContext,
): Promise<void> {
  if (holder.roleSlug === role) return;
  if (holder.roleSlug === 'superuser' && holder.isActive) await requireAnotherSuperuser(tx, holder.id);
  await updateRole(tx, holder.id, role, now);
  await audit.record(tx, source, {
    action: 'role.changed',
    actorId,
    subjectId: holder.id,
    details: { from: holder.roleSlug, to: role },
  });
}
