/** The two tokens that a client holds of a session. */
import { uuidv7 } from 'uuidv7';
import { type AccessTokenIssuer, createAccessTokenIssuer } from '../crypto/access-token.ts';
import type { Keyring } from './keyring.ts';
import type { SessionTokens } from './sessions.ts';

/** The session that tokens are issued for. */
interface TokenSubject {
  userId: string;
  sessionId: string;
  /** When the session ends unless it is refreshed. */
  endsAt: Date;
}

export type IssueTokens = (subject: TokenSubject, refreshToken: string, now: Date) => SessionTokens;

interface Needs {
  keyring: Keyring;
  token: { issuer: string; audience: string };
  accessTtlMs: number;
}

/** Makes the function that signs an access token to go with a refresh token, with whichever key is current. */
export function createTokenIssuer({ keyring, token, accessTtlMs }: Needs): IssueTokens {
  const ttlSeconds = Math.floor(accessTtlMs / 1000);
  let issuer: { kid: string; issue: AccessTokenIssuer } | undefined;

  return ({ userId, sessionId, endsAt }, refreshToken, now) => {
    const key = keyring.current();
    if (issuer?.kid !== key.kid) {
      issuer = { kid: key.kid, issue: createAccessTokenIssuer({ key, ...token, ttlSeconds }) };
    }
    const nowSeconds = Math.floor(now.getTime() / 1000);
    const refreshSeconds = Math.max(0, Math.floor((endsAt.getTime() - now.getTime()) / 1000));
    return {
      accessToken: issuer.issue({ sub: userId, sid: sessionId, jti: uuidv7(), nowSeconds }).token,
      // Close to its absolute end a session is over before the token is.
      accessSeconds: Math.min(ttlSeconds, refreshSeconds),
      refreshToken,
      refreshSeconds,
    };
  };
}
