/** How many keys one address may have made. */
import type { Claim, Counters } from '../cache/counters.ts';
import { networkOf } from '../http/request-source.ts';
import { Problem } from '../problem.ts';

/** Whoever is on the machine itself sets things up, or tests them. */
export const signupLimits = {
  loopback: { points: 3_000, seconds: 60 },
  elsewhere: { points: 30, seconds: 300 },
} as const;

export interface SignupLimit {
  /**
   * @param address null on a Unix socket without a trusted proxy, which is taken for the machine itself
   * @throws Problem `too-many-attempts` with Retry-After in seconds
   */
  admit(address: string | null): Promise<void>;
}

export function createSignupLimit(isOn: boolean, counters: Counters, onRefusal: () => void): SignupLimit {
  if (!isOn) return { admit: async () => undefined };
  return {
    async admit(address) {
      const { isGranted, endsInMs } = await counters.take(claimOf(address));
      if (isGranted) return;
      onRefusal();
      const seconds = Math.max(1, Math.ceil(endsInMs / 1000));
      throw new Problem('too-many-attempts', `Too many keys were made. Try again in ${seconds} s.`, {
        headers: { 'retry-after': String(seconds) },
      });
    },
  };
}

function claimOf(address: string | null): Claim {
  const isLocal = address === null || address === '::1' || address.startsWith('127.');
  const { points, seconds } = isLocal ? signupLimits.loopback : signupLimits.elsewhere;
  const limit = { name: isLocal ? 'key:loopback' : 'key:address', points, windowMs: seconds * 1000 };
  return { limit, subject: isLocal ? '' : networkOf(address) };
}
