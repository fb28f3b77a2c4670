/** Sessions: started by a sign-in, kept alive by refresh rotation, ended once and everywhere. */
import type { Session } from '@irontrack/contract/sessions.ts';
import { uuidv7 } from 'uuidv7';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { createFirstRefreshToken } from '../crypto/refresh-token.ts';
import type { Database } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import type { Caller } from '../http/guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import type { Callers } from './callers.ts';
import type { Keyring } from './keyring.ts';
import { createRotation } from './rotation.ts';
import { createRotationBatch, type RotationLine } from './rotation-batch.ts';
import { createTokenIssuer } from './session-tokens.ts';
import {
  deleteDeadSessions,
  deleteIdleSessions,
  endLeastUsedSessions,
  endLiveSession,
  endLiveSessionsOfUser,
  findOwner,
  insertSession,
  selectLiveSessions,
  selectSessionsEndedSince,
} from './sessions.sql.ts';

/** Why a session ended; kept in its row and in the audit trail. */
export type EndReason =
  | 'signed out'
  | 'revoked'
  | 'password changed'
  | 'password set by an administrator'
  | 'deactivated'
  | 'refresh token reused'
  | 'too many sessions';

/** What a client holds of a session. */
export interface SessionTokens {
  accessToken: string;
  accessSeconds: number;
  refreshToken: string;
  refreshSeconds: number;
}

export interface Sessions {
  /**
   * Starts a session in the transaction of the sign-in, provided that the account is active and its password hash
   * still is the one that was verified. Ends those used longest ago of an account that has too many.
   *
   * @returns undefined when it is not: the account changed while the password was being checked. Else call `forget` with
   *   what was ended after the commit
   */
  start(
    tx: Sql,
    account: { userId: string; verifiedHash: string },
    source: RequestSource,
  ): Promise<{ sessionId: string; tokens: SessionTokens; ended: readonly string[] } | undefined>;
  /** @throws Problem `refresh-token-refused` */
  refresh(refreshToken: string, source: RequestSource): Promise<SessionTokens>;
  /** Ends the session of whichever token is still good. @returns whether there was one */
  signOut(tokens: { access?: string; refresh?: string }, source: RequestSource): Promise<boolean>;
  list(caller: Caller, source: RequestSource): Promise<Session[]>;
  /** @throws Problem `session-not-found`, also for somebody else's session unless the caller is a superuser */
  end(caller: Caller, sessionId: string, source: RequestSource): Promise<void>;
  endOthers(caller: Caller, source: RequestSource): Promise<void>;
  /** Ends all sessions of a user in a transaction; call `forget` with what it returns after the commit. */
  endAllOfUser(tx: Sql, userId: string, because: EndReason): Promise<string[]>;
  forget(userId: string, sessionIds: readonly string[]): void;
  /** Refreshes that wait for their turn, and how long the first of them has, milliseconds. */
  load(): { waiting: number; oldestWaitMs: number };
  /** Deletes sessions that ended before a time. */
  tidy(endedBefore: Date): Promise<void>;
}

/** Of one account. More than anybody has devices; without an end a list of them could be of any length. */
export const mostLiveSessions = 1_000;

const tidyBatchSize = 1_000;

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  keyring: Keyring;
  callers: Callers;
  randomBytes: (size: number) => Buffer;
  lifetimes: { accessTtlMs: number; refreshTtlMs: number; sessionMaxTtlMs: number };
  token: { issuer: string; audience: string };
  /** The line of refreshes in front of the database. */
  line: RotationLine;
  /** For the metric: a refresh token came back after its grace. */
  onReuse: () => void;
}

/** News of an ended session reaches every node well within this, or the node knows that it hears none. */
const newsDelayMs = 10_000;

export function createSessions(needs: Needs): Sessions {
  const { database, audit, clock, keyring, callers, randomBytes, lifetimes } = needs;
  const issueTokens = createTokenIssuer({ ...needs, accessTtlMs: lifetimes.accessTtlMs });
  const batch = createRotationBatch({
    sql: database.sql,
    clock,
    idleTtlMs: lifetimes.refreshTtlMs,
    line: needs.line,
  });
  const rotation = createRotation({ ...needs, issueTokens, rotate: batch.rotate });

  /**
   * Whoever ends all sessions expects none of them to be answered here any more: also one that another node has ended
   * and whose news is still on the way.
   */
  async function withJustEnded(tx: Sql, userId: string, ids: readonly string[]): Promise<string[]> {
    const since = new Date(clock().getTime() - newsDelayMs);
    return [...new Set([...ids, ...(await selectSessionsEndedSince(tx, userId, since))])];
  }

  async function endOne(
    sessionId: string,
    event: { action: 'user.signed_out' | 'session.revoked'; because: EndReason; actorId: string | null },
    source: RequestSource,
  ): Promise<boolean> {
    const now = clock();
    const userId = await database.transaction(source.requestId, async (tx) => {
      const owner = await endLiveSession(tx, sessionId, event.because, now);
      if (owner === undefined) return undefined;
      const actorId = event.actorId ?? owner;
      await audit.record(tx, source, { action: event.action, actorId, subjectId: owner, sessionId });
      return owner;
    });
    callers.forgetSession(sessionId);
    return userId !== undefined;
  }

  return {
    async start(tx, { userId, verifiedHash }, source) {
      await keyring.prepare();
      const now = clock();
      const sessionId = uuidv7();
      const first = createFirstRefreshToken(sessionId, randomBytes);
      const absoluteEndsAt = new Date(now.getTime() + lifetimes.sessionMaxTtlMs);
      const endsAt = await insertSession(tx, {
        sessionId,
        userId,
        verifiedHash,
        generation: first.generation,
        tagKey: first.tagKey,
        currentHash: first.currentHash,
        now,
        idleEndsAt: new Date(now.getTime() + lifetimes.refreshTtlMs),
        absoluteEndsAt,
        source,
      });
      if (endsAt === undefined) return undefined;
      const ended = await endLeastUsedSessions(tx, userId, mostLiveSessions, 'too many sessions', now);
      if (ended.length > 0) {
        const details = { most: mostLiveSessions };
        const revoked = { action: 'session.revoked', actorId: userId, subjectId: userId, details } as const;
        const events = ended.map((id) => ({ ...revoked, sessionId: id }));
        await audit.recordAll(tx, source, events);
      }
      return { sessionId, tokens: issueTokens({ userId, sessionId, endsAt }, first.token, now), ended };
    },

    refresh: rotation.refresh,

    load: batch.load,

    async signOut({ access, refresh }, source) {
      const claims = access === undefined ? undefined : callers.readExpired(access);
      const held = refresh === undefined ? undefined : await rotation.findHolder(refresh);
      const sessionIds = new Set([claims?.sid, held].filter((id) => id !== undefined));
      let ended = false;
      for (const sessionId of sessionIds) {
        const event = { action: 'user.signed_out', because: 'signed out', actorId: null } as const;
        ended = (await endOne(sessionId, event, source)) || ended;
      }
      return ended;
    },

    async list(caller, source) {
      return await selectLiveSessions(
        database.forRequest(source.requestId),
        caller.user.id,
        caller.sessionId,
        clock(),
      );
    },

    async end(caller, sessionId, source) {
      const owner = await findOwner(database.forRequest(source.requestId), sessionId, clock());
      if (owner === undefined || (owner !== caller.user.id && !caller.user.isSuperuser)) {
        throw new Problem('session-not-found');
      }
      const event = { action: 'session.revoked', because: 'revoked', actorId: caller.user.id } as const;
      if (!(await endOne(sessionId, event, source))) throw new Problem('session-not-found');
    },

    async endOthers(caller, source) {
      const now = clock();
      const ended = await database.transaction(source.requestId, async (tx) => {
        const ids = await endLiveSessionsOfUser(tx, caller.user.id, 'revoked', now, caller.sessionId);
        const subjectId = caller.user.id;
        const events = ids.map((sessionId) => ({
          action: 'session.revoked' as const,
          actorId: subjectId,
          subjectId,
          sessionId,
        }));
        await audit.recordAll(tx, source, events);
        return await withJustEnded(tx, subjectId, ids);
      });
      for (const id of ended) callers.forgetSession(id);
    },

    endAllOfUser: async (tx, userId, because) =>
      withJustEnded(tx, userId, await endLiveSessionsOfUser(tx, userId, because, clock(), null)),

    forget(userId, sessionIds) {
      callers.forgetUser(userId);
      for (const id of sessionIds) callers.forgetSession(id);
    },

    async tidy(endedBefore) {
      while ((await deleteDeadSessions(database.sql, endedBefore, tidyBatchSize)) === tidyBatchSize);
      while ((await deleteIdleSessions(database.sql, endedBefore, tidyBatchSize)) === tidyBatchSize);
    },
  };
}
