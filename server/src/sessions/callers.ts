/** Whom an access token speaks for: verified once, then answered out of three maps without SQL or a signature check. */
import type { User } from '@irontrack/contract/users.ts';
import { LRUCache } from 'lru-cache';
import type { Cache, CacheCounts } from '../cache/cache.ts';
import { createMemoryCache } from '../cache/memory-cache.ts';
import type { Clock } from '../clock.ts';
import { type AccessTokenClaims, verifyAccessToken } from '../crypto/access-token.ts';
import type { Database } from '../database/database.ts';
import type { Caller } from '../http/guard.ts';
import { type LiveSession, selectActiveUser, selectLiveSession } from './callers.sql.ts';
import type { Keyring } from './keyring.ts';

export interface Callers {
  authenticate(accessToken: string): Caller | undefined | Promise<Caller | undefined>;
  /** Checks the signature and the issuer but not the time: what a sign-out still accepts. */
  readExpired(accessToken: string): AccessTokenClaims | undefined;
  forgetUser(userId: string): void;
  forgetSession(sessionId: string): void;
  /** After a change of keys every token is verified anew. */
  forgetTokens(): void;
  /** No news can be heard: ask the database every time. */
  suspend(): void;
  resume(): void;
  /** For metrics and the health check. */
  readonly caches: readonly CacheCounts[];
}

interface Needs {
  database: Database;
  clock: Clock;
  keyring: Keyring;
  issuer: string;
  audience: string;
  /** Puts a level that all nodes share behind a cache of this process, or leaves it as it is. */
  share: <Value extends object>(near: Cache<Value>) => Cache<Value>;
}

// About 0.8 KiB a token with its claims, 0.6 KiB a user and 0.3 KiB their answer of /me: 41 MB when all three are full.
const tokenCapacity = 20_000;
const sessionCapacity = 20_000;
const userCapacity = 20_000;

/** How far another node's clock may run ahead of ours when it issues a token. It prolongs no token here. */
const clockSkewSeconds = 5;

/** A UUID as PostgreSQL spells it. */
const isOwnId = (id: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);

/** For a sign-out the time of a token does not matter, only whose it is. */
const anyAgeSeconds = 10 * 365 * 86_400;

export function createCallers(needs: Needs): Callers {
  const { database, clock, keyring, issuer, audience, share } = needs;
  // Keyed by the whole token: a key taken out of it before verification would let a forgery pass for the original.
  const tokens = new LRUCache<string, AccessTokenClaims>({ max: tokenCapacity });
  const tokenCounts = { hits: 0, misses: 0 };
  const tokenView: CacheCounts = {
    name: 'token',
    counts: tokenCounts,
    get size() {
      return tokens.size;
    },
  };
  const sessions = share(createMemoryCache<LiveSession>('session', sessionCapacity));
  const users = share(createMemoryCache<User>('user', userCapacity));

  function verify(
    token: string,
    findKey: Keyring['find'],
    nowMs: number,
    leewaySeconds = clockSkewSeconds,
  ): AccessTokenClaims | undefined {
    const nowSeconds = Math.floor(nowMs / 1000);
    const claims = verifyAccessToken(token, { findKey, issuer, audience, nowSeconds, leewaySeconds });
    // Whoever else signs with our key may name anything; another spelling of an id would escape `forgetSession`.
    return claims !== undefined && isOwnId(claims.sub) && isOwnId(claims.sid) ? claims : undefined;
  }

  /** Verifies and remembers. A token of a key that is not known here may be of a key that is new elsewhere. */
  function verifyNew(token: string, nowMs: number): AccessTokenClaims | { unknownKid: string } | undefined {
    let unknownKid: string | undefined;
    const claims = verify(
      token,
      (kid) => {
        const key = keyring.find(kid);
        if (key === undefined) unknownKid = kid;
        return key;
      },
      nowMs,
    );
    if (claims !== undefined) tokens.set(token, claims);
    return claims ?? (unknownKid === undefined ? undefined : { unknownKid });
  }

  function admit(
    claims: AccessTokenClaims,
    session: LiveSession,
    user: User,
    nowMs: number,
  ): Caller | undefined {
    const lives = nowMs < claims.exp * 1000 && nowMs < session.endsAtMs;
    return lives && session.userId === claims.sub && user.isActive
      ? { sessionId: claims.sid, user }
      : undefined;
  }

  async function load(claims: AccessTokenClaims): Promise<Caller | undefined> {
    const [session, user] = await Promise.all([
      sessions.read(claims.sid, () => selectLiveSession(database.sql, claims.sid)),
      users.read(claims.sub, () => selectActiveUser(database.sql, claims.sub)),
    ]);
    if (session === undefined || user === undefined) return undefined;
    const nowMs = clock().getTime();
    if (nowMs < session.endsAtMs) return admit(claims, session, user, nowMs);
    // The copy may be older than the last refresh, which moved the end ahead.
    sessions.drop(claims.sid);
    const renewed = await sessions.read(claims.sid, () => selectLiveSession(database.sql, claims.sid));
    return renewed === undefined ? undefined : admit(claims, renewed, user, nowMs);
  }

  async function retryWithNewKey(token: string, kid: string): Promise<Caller | undefined> {
    if ((await keyring.findNew(kid)) === undefined) return undefined;
    const claims = verifyNew(token, clock().getTime());
    return claims === undefined || 'unknownKid' in claims ? undefined : load(claims);
  }

  return {
    caches: [tokenView, sessions, users],
    authenticate(token) {
      const nowMs = clock().getTime();
      const known = tokens.get(token);
      if (known === undefined) tokenCounts.misses += 1;
      else tokenCounts.hits += 1;
      const claims = known ?? verifyNew(token, nowMs);
      if (claims === undefined) return undefined;
      if ('unknownKid' in claims) return retryWithNewKey(token, claims.unknownKid);
      const session = sessions.peek(claims.sid);
      const user = users.peek(claims.sub);
      if (session !== undefined && user !== undefined && nowMs < session.endsAtMs) {
        return admit(claims, session, user, nowMs);
      }
      return load(claims);
    },
    readExpired: (token) => verify(token, keyring.find, clock().getTime(), anyAgeSeconds),
    forgetUser: (userId) => users.drop(userId),
    forgetSession: (sessionId) => sessions.drop(sessionId),
    forgetTokens: () => tokens.clear(),
    suspend() {
      sessions.suspend();
      users.suspend();
    },
    resume() {
      sessions.resume();
      users.resume();
    },
  };
}
