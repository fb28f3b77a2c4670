/** Accounts as their owners see them: sign up, sign in, change the password and the profile. */
import type { Registration } from '@irontrack/contract/access.ts';
import type { ProblemCode } from '@irontrack/contract/problems.ts';
import { defaultRole, type RoleSlug } from '@irontrack/contract/roles.ts';
import type { User } from '@irontrack/contract/users.ts';
import { uuidv7 } from 'uuidv7';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { HashQueueFull } from '../crypto/hash-queue.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { type Database, isUniqueViolation } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import { isEmail, normalizeEmail } from '../email.ts';
import type { Caller } from '../http/guard.ts';
import { networkOf, type RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import type { Sessions, SessionTokens } from '../sessions/sessions.ts';
import {
  type Credentials,
  emailExists,
  findCredentials,
  insertAccount,
  replacePasswordHash,
  selectSessionAddresses,
  updateName,
} from './accounts.sql.ts';
import type { Attempt, AttemptLimits } from './attempt-limits.ts';

/** What it takes to make an account. The e-mail is normalised, the password is a PHC string. */
export interface NewAccount {
  id: string;
  email: string;
  name: string | null;
  passwordHash: string;
  isActive: boolean;
  role: RoleSlug;
  isPrimaryAdministrator?: boolean;
  now: Date;
}

export interface Accounts {
  /** @throws Problem `email-taken`, `too-many-attempts`, `hash-queue-full` */
  signUp(input: Registration, source: RequestSource): Promise<User>;
  /** @throws Problem `invalid-credentials`, `too-many-attempts`, `hash-queue-full` */
  signIn(input: { email: string; password: string }, source: RequestSource): Promise<SessionTokens>;
  /** @throws Problem `wrong-current-password`, `too-many-attempts`, `hash-queue-full` */
  changePassword(
    caller: Caller,
    input: { currentPassword: string; newPassword: string },
    source: RequestSource,
  ): Promise<void>;
  changeProfile(caller: Caller, input: { name?: string | null }, source: RequestSource): Promise<User>;
}

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  sessions: Sessions;
  passwords: PasswordHasher;
  limits: AttemptLimits;
}

export function createAccounts({ database, audit, clock, sessions, passwords, limits }: Needs): Accounts {
  async function recordFailure(
    action: 'user.sign_in_failed' | 'password.change_failed',
    credentials: Credentials | undefined,
    email: string,
    source: RequestSource,
  ): Promise<void> {
    // The same statement whoever it was, so that the answer takes as long for an unknown e-mail.
    await audit.record(database.forRequest(source.requestId), source, {
      action,
      subjectId: credentials?.id ?? null,
      // Who types the password where the e-mail belongs must not find it in the trail.
      details: isEmail(email) ? { email } : {},
    });
  }

  /** Always the work of one password check, whether or not there is an account that may sign in. */
  async function check(credentials: Credentials | undefined, password: string) {
    const noMatch = { matches: false, needsRenewal: false };
    if (credentials === undefined) {
      await passwords.spend(password);
      return noMatch;
    }
    const outcome = await passwords.verify(credentials.passwordHash, password);
    return credentials.isActive ? outcome : noMatch;
  }

  async function startSession(
    credentials: Credentials,
    renewedHash: string | undefined,
    source: RequestSource,
  ): Promise<SessionTokens | undefined> {
    const now = clock();
    const started = await database.transaction(source.requestId, async (tx) => {
      if (renewedHash !== undefined) {
        const { id, passwordHash } = credentials;
        if (!(await replacePasswordHash(tx, id, passwordHash, renewedHash, now))) return undefined;
        await audit.record(tx, source, { action: 'password.hash_renewed', actorId: id, subjectId: id });
      }
      const verifiedHash = renewedHash ?? credentials.passwordHash;
      const session = await sessions.start(tx, { userId: credentials.id, verifiedHash }, source);
      if (session === undefined) return undefined;
      await audit.record(tx, source, {
        action: 'user.signed_in',
        actorId: credentials.id,
        subjectId: credentials.id,
        sessionId: session.sessionId,
      });
      return session;
    });
    if (started !== undefined && started.ended.length > 0) sessions.forget(credentials.id, started.ended);
    return started?.tokens;
  }

  async function tryCredentials(
    credentials: Credentials | undefined,
    password: string,
    source: RequestSource,
  ): Promise<SessionTokens | 'no match' | 'changed meanwhile'> {
    const { matches, needsRenewal } = await hashing(() => check(credentials, password));
    if (!matches || credentials === undefined) return 'no match';
    const renewedHash = needsRenewal ? await hashing(() => passwords.hash(password)) : undefined;
    return (await startSession(credentials, renewedHash, source)) ?? 'changed meanwhile';
  }

  async function startSessionOf(
    email: string,
    password: string,
    source: RequestSource,
  ): Promise<SessionTokens> {
    const sql = database.forRequest(source.requestId);
    let credentials = await findCredentials(sql, email);
    let outcome = await tryCredentials(credentials, password, source);
    if (outcome === 'changed meanwhile') {
      // Most likely another sign-in renewed the hash; the password is as good against the new one.
      credentials = await findCredentials(sql, email);
      outcome = await tryCredentials(credentials, password, source);
    }
    if (typeof outcome === 'object') return outcome;
    await recordFailure('user.sign_in_failed', credentials, email, source);
    throw new Problem('invalid-credentials');
  }

  /** Keeps the failure a guess ends in: a success, an overload, an outage is not for the owner to pay. */
  async function countingFailures<Result>(
    attempt: Attempt,
    failure: ProblemCode,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const admission = await limits.admit(attempt);
    try {
      const result = await work();
      await admission.refund();
      return result;
    } catch (error) {
      const isCounted = error instanceof Problem && error.code === failure;
      if (!isCounted) await admission.refund();
      throw error;
    }
  }

  return {
    async signUp(input, source) {
      const email = normalizeEmail(input.email);
      await limits.admit({ call: 'sign-up', account: email, address: source.ipAddress });
      // Spares the hash where the answer is known; two at once are told apart by the unique index below.
      if (await emailExists(database.forRequest(source.requestId), email)) throw new Problem('email-taken');
      const passwordHash = await hashing(() => passwords.hash(input.password));
      const account = { id: uuidv7(), email, name: input.name ?? null, passwordHash, now: clock() };
      return await createAccount(database, audit, { ...account, isActive: true, role: defaultRole }, source);
    },

    async signIn(input, source) {
      const email = normalizeEmail(input.email);
      const address = source.ipAddress;
      const sql = database.forRequest(source.requestId);
      const attempt: Attempt = {
        call: 'sign-in',
        account: email,
        address,
        isKnownAddress: async () => address !== null && (await hadSessionFrom(sql, email, address)),
      };
      return await countingFailures(attempt, 'invalid-credentials', () =>
        startSessionOf(email, input.password, source),
      );
    },

    async changePassword(caller, { currentPassword, newPassword }, source) {
      const { id, email } = caller.user;
      const attempt: Attempt = {
        call: 'sign-in',
        account: email,
        address: source.ipAddress,
        isKnownAddress: async () => true,
      };
      const ended = await countingFailures(attempt, 'wrong-current-password', async () => {
        const credentials = await findCredentials(database.forRequest(source.requestId), email);
        const { matches } = await hashing(() => check(credentials, currentPassword));
        if (!matches || credentials === undefined || credentials.id !== id) {
          await recordFailure('password.change_failed', credentials, email, source);
          throw new Problem('wrong-current-password');
        }
        const newHash = await hashing(() => passwords.hash(newPassword));
        return await database.transaction(source.requestId, async (tx) => {
          // Somebody changed it in the meantime, so the current password is no longer the one that was given.
          if (!(await replacePasswordHash(tx, id, credentials.passwordHash, newHash, clock())))
            throw new Problem('wrong-current-password');
          const sessionIds = await sessions.endAllOfUser(tx, id, 'password changed');
          await audit.record(tx, source, {
            action: 'password.changed',
            actorId: id,
            subjectId: id,
            sessionId: caller.sessionId,
            details: { endedSessions: sessionIds.length },
          });
          return sessionIds;
        });
      });
      sessions.forget(id, ended);
    },

    async changeProfile(caller, { name }, source) {
      if (name === undefined) return caller.user;
      const user = await database.transaction(source.requestId, async (tx) => {
        const changed = await updateName(tx, caller.user.id, name, clock());
        if (changed === undefined) throw new Problem('user-not-found');
        const { id } = changed;
        await audit.record(tx, source, {
          action: 'user.updated',
          actorId: id,
          subjectId: id,
          details: { fields: ['name'] },
        });
        return changed;
      });
      sessions.forget(user.id, []);
      return user;
    },
  };
}

/** An account's own addresses are looked for among this many of its sessions, the latest first. */
const sessionsLookedAt = 1_000;

/** Has this account had a session from that network? By network, since that is what the limits count. */
async function hadSessionFrom(sql: Sql, email: string, address: string): Promise<boolean> {
  const network = networkOf(address);
  const addresses = await selectSessionAddresses(sql, email, sessionsLookedAt);
  return addresses.some((known) => networkOf(known) === network);
}

/** Says in the words of the contract that no hash slot will be free in time. */
export async function hashing<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof HashQueueFull)) throw error;
    throw new Problem('hash-queue-full', undefined, {
      headers: { 'retry-after': String(error.retryAfterSeconds) },
      cause: error,
    });
  }
}

/**
 * Inserts an account with its audit entry; the way for a sign-up, an administrator and the command line alike.
 * `before` runs first in the same transaction; what it throws stops everything.
 *
 * @throws Problem `email-taken`
 */
export async function createAccount(
  database: Database,
  audit: Audit,
  account: NewAccount,
  source: RequestSource,
  { actorId = account.id, before }: { actorId?: string | null; before?: (tx: Sql) => Promise<void> } = {},
): Promise<User> {
  try {
    return await database.transaction(source.requestId, async (tx) => {
      await before?.(tx);
      const user = await insertAccount(tx, account);
      await audit.record(tx, source, {
        action: 'user.created',
        actorId,
        subjectId: user.id,
        details: { email: user.email, role: user.roleSlug },
      });
      return user;
    });
  } catch (error) {
    throw isUniqueViolation(error, 'users_email_key') ? new Problem('email-taken') : error;
  }
}
