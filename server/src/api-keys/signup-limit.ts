/** How many keys one address may have made. */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
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

export function createSignupLimit(isOn: boolean, onRefusal: () => void): SignupLimit {
  if (!isOn) return { admit: async () => undefined };
  const { loopback, elsewhere } = signupLimits;
  const local = new RateLimiterMemory({ points: loopback.points, duration: loopback.seconds });
  const remote = new RateLimiterMemory({ points: elsewhere.points, duration: elsewhere.seconds });
  return {
    async admit(address) {
      const isLocal = address === null || address === '::1' || address.startsWith('127.');
      try {
        await (isLocal ? local.consume('loopback') : remote.consume(networkOf(address)));
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        onRefusal();
        const seconds = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
        throw new Problem('too-many-attempts', `Too many keys were made. Try again in ${seconds} s.`, {
          headers: { 'retry-after': String(seconds) },
        });
      }
    },
  };
}
