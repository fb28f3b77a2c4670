import { parseRefreshToken } from '../crypto/refresh-token.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import type { Sessions, SessionTokens } from '../sessions/sessions.ts';
import type { AttemptLimits } from './attempt-limits.ts';

/** Refreshes within the limits. What is no token of ours at all is refused before it is counted for a session. */
export async function refreshWithinLimits(
  { limits, sessions }: { limits: AttemptLimits; sessions: Sessions },
  refreshToken: string,
  source: RequestSource,
): Promise<SessionTokens> {
  const presented = parseRefreshToken(refreshToken);
  if (presented === undefined) throw new Problem('refresh-token-refused');
  await limits.admit({ call: 'refresh', account: presented.sessionId, address: source.ipAddress });
  return await sessions.refresh(refreshToken, source);
}
