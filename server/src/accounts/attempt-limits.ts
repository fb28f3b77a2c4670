/**
 * How often somebody may try. Counted per account, per address and per pair of both, so that guessing one account
 * from many addresses, many accounts from one address, and one account from one address are each slowed down.
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { networkOf } from '../http/request-source.ts';
import { Problem } from '../problem.ts';

type LimitedCall = 'sign-in' | 'sign-up' | 'refresh';
type Scope = 'account' | 'address' | 'pair';

interface Limit {
  points: number;
  seconds: number;
}

/** The whole policy. Sign-in counts failures: a success gives the attempt back. */
export const attemptLimits: Readonly<Record<LimitedCall, Readonly<Record<Scope, Limit>>>> = {
  'sign-in': {
    pair: { points: 10, seconds: 300 },
    account: { points: 50, seconds: 900 },
    address: { points: 200, seconds: 300 },
  },
  'sign-up': {
    pair: { points: 10, seconds: 300 },
    account: { points: 20, seconds: 900 },
    address: { points: 300, seconds: 300 },
  },
  refresh: {
    pair: { points: 60, seconds: 60 },
    account: { points: 120, seconds: 60 },
    address: { points: 3_000, seconds: 60 },
  },
};

export interface Attempt {
  call: LimitedCall;
  /** Whose: an e-mail for sign-in and sign-up, a session for refresh. */
  account: string;
  /** From where; null on a Unix socket without a trusted proxy, and then only the account counts. */
  address: string | null;
  /**
   * Asked only when the account's own limit is used up: has this address held a session of this account? Then the
   * attempt goes ahead (its pair is still limited), so that nobody can lock the owner out from elsewhere.
   */
  isKnownAddress?: () => Promise<boolean>;
}

export interface AttemptLimits {
  /** @throws Problem `too-many-attempts` with Retry-After in seconds */
  admit(attempt: Attempt): Promise<void>;
  /** Gives an attempt back that turned out to be rightful. */
  refund(attempt: Attempt): Promise<void>;
}

/** @param onRefusal for the metric: which call, and which of the three limits refused it */
export function createAttemptLimits(
  isOn: boolean,
  onRefusal: (call: LimitedCall, scope: Scope) => void,
): AttemptLimits {
  if (!isOn) return { admit: async () => undefined, refund: async () => undefined };

  const limiters = new Map<string, RateLimiterMemory>();
  for (const [call, scopes] of Object.entries(attemptLimits)) {
    for (const [scope, { points, seconds }] of Object.entries(scopes)) {
      const keyPrefix = `${call}:${scope}`;
      limiters.set(keyPrefix, new RateLimiterMemory({ keyPrefix, points, duration: seconds }));
    }
  }

  function limiterOf(call: LimitedCall, scope: Scope): RateLimiterMemory {
    const limiter = limiters.get(`${call}:${scope}`);
    if (limiter === undefined) throw new Error(`There is no limit for ${call} by ${scope}.`);
    return limiter;
  }

  return {
    async admit(attempt) {
      for (const [scope, key] of keysOf(attempt)) {
        const refusal = await consume(limiterOf(attempt.call, scope), key);
        if (refusal === undefined) continue;
        if (scope === 'account' && (await attempt.isKnownAddress?.())) continue;
        onRefusal(attempt.call, scope);
        const seconds = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
        throw new Problem('too-many-attempts', `Too many attempts. Try again in ${seconds} s.`, {
          headers: { 'retry-after': String(seconds) },
        });
      }
    },
    async refund(attempt) {
      await Promise.all(
        [...keysOf(attempt)].map(([scope, key]) => limiterOf(attempt.call, scope).reward(key, 1)),
      );
    },
  };
}

/**
 * Address, pair, account: what one address may do is used up before the account's own attempts are touched, so that a
 * flood from there takes at most the pair's share of them. Only attempts from many addresses use up an account.
 */
function* keysOf({ account, address }: Attempt): Generator<[Scope, string]> {
  if (address !== null) {
    const network = networkOf(address);
    yield ['address', network];
    yield ['pair', `${network} ${account}`];
  }
  yield ['account', account];
}

async function consume(limiter: RateLimiterMemory, key: string): Promise<RateLimiterRes | undefined> {
  try {
    await limiter.consume(key);
    return undefined;
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return refusal;
    throw refusal;
  }
}
