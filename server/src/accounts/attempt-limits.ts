/**
 * How often somebody may try. Counted per account, per address and per pair of both, so that guessing one account
 * from many addresses, many accounts from one address, and one account from one address are each slowed down.
 */
import type { Claim, Counters } from '../cache/counters.ts';
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

/** An attempt that may go ahead. */
export interface Admission {
  /** Gives back what the attempt took, since it turned out to be rightful. */
  refund(): Promise<void>;
}

export interface AttemptLimits {
  /** @throws Problem `too-many-attempts` with Retry-After in seconds; what was counted by then stays counted */
  admit(attempt: Attempt): Promise<Admission>;
}

interface ScopedClaim extends Claim {
  readonly scope: Scope;
}

/** @param onRefusal for the metric: which call, and which of the three limits refused it */
export function createAttemptLimits(
  isOn: boolean,
  counters: Counters,
  onRefusal: (call: LimitedCall, scope: Scope) => void,
): AttemptLimits {
  if (!isOn) return { admit: async () => ({ refund: async () => undefined }) };

  return {
    async admit(attempt) {
      const claims = claimsOf(attempt);
      const counts = await counters.takeEach(claims);
      const last = counts.length - 1;
      const refusal = counts[last];
      const refused = claims[last];
      if (refusal === undefined || refused === undefined || refusal.isGranted) {
        return { refund: async () => counters.giveBack(claims) };
      }
      const taken = claims.slice(0, last);
      const refund = async () => counters.giveBack(taken);
      if (refused.scope === 'account' && (await isKnown(attempt, refund))) return { refund };
      onRefusal(attempt.call, refused.scope);
      const seconds = Math.max(1, Math.ceil(refusal.endsInMs / 1000));
      throw new Problem('too-many-attempts', `Too many attempts. Try again in ${seconds} s.`, {
        headers: { 'retry-after': String(seconds) },
      });
    },
  };
}

/** When that cannot be found out, the attempt failed for a reason of ours. */
async function isKnown({ isKnownAddress }: Attempt, refund: () => Promise<void>): Promise<boolean> {
  try {
    return (await isKnownAddress?.()) ?? false;
  } catch (error) {
    await refund();
    throw error;
  }
}

/**
 * Address, pair, account: what one address may do is used up before the account's own attempts are touched, so that a
 * flood from there takes at most the pair's share of them. Only attempts from many addresses use up an account.
 */
function claimsOf({ call, account, address }: Attempt): ScopedClaim[] {
  const claim = (scope: Scope, subject: string): ScopedClaim => {
    const { points, seconds } = attemptLimits[call][scope];
    return { scope, limit: { name: `${call}:${scope}`, points, windowMs: seconds * 1000 }, subject };
  };
  if (address === null) return [claim('account', account)];
  const network = networkOf(address);
  return [claim('address', network), claim('pair', `${network} ${account}`), claim('account', account)];
}
