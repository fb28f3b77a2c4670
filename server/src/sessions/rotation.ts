/**
 * Refresh rotation: the live token makes its successor, its last predecessor gets the same one again for a moment, and
 * any older one ends the session. docs/decisions/0003-refresh-tokens.md
 */
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import {
  createSuccessor,
  deriveSuccessorSecret,
  encodeRefreshToken,
  hashRefreshSecret,
  parseRefreshToken,
  type RefreshToken,
  rotationSaltBytes,
  secretMatches,
  tagMatches,
} from '../crypto/refresh-token.ts';
import type { Database } from '../database/database.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import type { Callers } from './callers.ts';
import type { Keyring } from './keyring.ts';
import type { RotateToken } from './rotation-batch.ts';
import type { IssueTokens } from './session-tokens.ts';
import { endLiveSession, findRefreshState, type RefreshState } from './sessions.sql.ts';
import type { SessionTokens } from './sessions.ts';

export interface Rotation {
  /** @throws Problem `refresh-token-refused` */
  refresh(refreshToken: string, source: RequestSource): Promise<SessionTokens>;
  /** The session that a refresh token proves to hold: by the live one of its generation, or its last predecessor. */
  findHolder(refreshToken: string): Promise<string | undefined>;
}

/** A second use of a refresh token this soon after the first gets the same successor: two tabs, a lost answer. */
export const graceMs = 10_000;

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  keyring: Keyring;
  callers: Callers;
  randomBytes: (size: number) => Buffer;
  issueTokens: IssueTokens;
  rotate: RotateToken;
  /** For the metric: a refresh token came back after its grace. */
  onReuse: () => void;
}

export function createRotation(needs: Needs): Rotation {
  const { database, audit, clock, keyring, callers, randomBytes, issueTokens, rotate, onReuse } = needs;

  /** The successor again, when this token is the last one but one and was rotated a moment ago. */
  function repeatSuccessor(
    state: RefreshState,
    presented: RefreshToken,
    now: Date,
  ): SessionTokens | undefined {
    const { previousHash, rotationSalt, rotatedAt } = state;
    if (previousHash === null || rotationSalt === null || rotatedAt === null) return undefined;
    if (presented.generation !== state.generation - 1 || !secretMatches(presented.secret, previousHash)) {
      return undefined;
    }
    if (now.getTime() - rotatedAt.getTime() > graceMs) return undefined;
    const successor = createSuccessor(state.tagKey, presented, rotationSalt);
    const { userId, endsAt } = state;
    return issueTokens({ userId, sessionId: presented.sessionId, endsAt }, successor.token, now);
  }

  async function endReused(
    state: RefreshState,
    presented: RefreshToken,
    source: RequestSource,
  ): Promise<void> {
    const now = clock();
    const ended = await database.transaction(source.requestId, async (tx) => {
      const userId = await endLiveSession(tx, presented.sessionId, 'refresh token reused', now);
      if (userId === undefined) return false;
      await audit.record(tx, source, {
        action: 'refresh.reused',
        subjectId: userId,
        sessionId: presented.sessionId,
        details: { generation: presented.generation, current: state.generation },
      });
      return true;
    });
    callers.forgetSession(presented.sessionId);
    if (ended) onReuse();
  }

  /** What to do with a token that is not the live one of its session: repeat, refuse, or end the session. */
  async function settleStale(
    presented: RefreshToken,
    source: RequestSource,
  ): Promise<SessionTokens | undefined> {
    const now = clock();
    const state = await findRefreshState(database.sql, presented.sessionId, now);
    if (state === undefined) return undefined;
    const repeated = repeatSuccessor(state, presented, now);
    if (repeated !== undefined) return repeated;
    // Only what was issued for this session can have been stolen from it; anything else is a guess and ends nothing.
    const isLive =
      presented.generation === state.generation && secretMatches(presented.secret, state.currentHash);
    if (!isLive && tagMatches(state.tagKey, presented) && presented.generation <= state.generation) {
      await endReused(state, presented, source);
    }
    return undefined;
  }

  async function findHolder(refreshToken: string): Promise<string | undefined> {
    const presented = parseRefreshToken(refreshToken);
    if (presented === undefined) return undefined;
    const state = await findRefreshState(database.sql, presented.sessionId, clock());
    if (state === undefined || !tagMatches(state.tagKey, presented)) return undefined;
    const proves =
      secretMatches(presented.secret, state.currentHash) ||
      (state.previousHash !== null && secretMatches(presented.secret, state.previousHash));
    return proves ? presented.sessionId : undefined;
  }

  return {
    async refresh(refreshToken, source) {
      const presented = parseRefreshToken(refreshToken);
      if (presented === undefined) throw new Problem('refresh-token-refused');
      await keyring.prepare();
      const rotationSalt = randomBytes(rotationSaltBytes);
      const secret = deriveSuccessorSecret(presented, rotationSalt);
      const successorHash = hashRefreshSecret(secret);
      const rotated = await rotate({ presented, rotationSalt, successorHash });
      if (rotated !== undefined) {
        const { sessionId } = presented;
        const successor = encodeRefreshToken(rotated.tagKey, {
          sessionId,
          generation: presented.generation + 1,
          secret,
        });
        const { userId, endsAt } = rotated;
        return issueTokens({ userId, sessionId, endsAt }, successor, clock());
      }
      const tokens = await settleStale(presented, source);
      if (tokens === undefined) throw new Problem('refresh-token-refused');
      return tokens;
    },

    findHolder,
  };
}
