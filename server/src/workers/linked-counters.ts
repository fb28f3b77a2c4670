/** Counters that all workers of a node have together: the supervisor counts, and each of them asks it. */
import type { Claim, Count, Counters, Limit } from '../cache/counters.ts';
import { Problem } from '../problem.ts';
import { type Link, LinkError } from './link.ts';
import type { SupervisorCalls } from './messages.ts';

/** An answer takes some 0.2 ms; without one in this time the supervisor is stuck or gone. */
const longestCountMs = 2_000;

/**
 * Below this a limit is exact. Above, a worker takes points a hundredth of the limit at a time and counts those by itself,
 * so that a busy organization costs one question in a hundred events or more. Never more than the limit are granted;
 * towards its end a worker may refuse while another still holds up to a hundredth.
 */
const leastLeased = 1_000;
const leasesOfLimit = 100;

/** From this many on, those of windows that are over are dropped before another is kept. */
const mostLeases = 1_000;

/** Points that were taken ahead. */
interface Lease {
  left: number;
  /** Points of the window that are used up, counting the lease as used only as far as it is. */
  used: number;
  endsAtMs: number;
}

/**
 * @param now a monotonic clock in milliseconds
 * @throws Problem `overloaded` when the supervisor does not answer: it has too much to do, or is gone and this process soon
 */
export function createLinkedCounters(link: Link<SupervisorCalls>, now: () => number): Counters {
  const leases = new Map<string, Lease>();
  const asking = new Map<string, Promise<Count>>();

  const keyOf = ({ limit, subject }: Claim) => `${limit.name} ${limit.points} ${subject}`;

  function takeLeased(key: string): Count | undefined {
    const lease = leases.get(key);
    if (lease === undefined) return undefined;
    const endsInMs = lease.endsAtMs - now();
    if (lease.left === 0 || endsInMs <= 0) {
      leases.delete(key);
      return undefined;
    }
    lease.left -= 1;
    lease.used += 1;
    return { isGranted: true, used: lease.used, endsInMs };
  }

  /** Takes a point and some ahead. Whoever comes meanwhile waits for those. */
  async function lease(claim: Claim, key: string): Promise<Count> {
    const wanted = Math.floor(claim.limit.points / leasesOfLimit);
    const { granted, last } = await answered(link.ask(longestCountMs, 'lease', claim, wanted));
    if (granted === 0) return last;
    const used = last.used - granted + 1;
    if (leases.size >= mostLeases) dropOver();
    leases.set(key, { left: granted - 1, used, endsAtMs: now() + last.endsInMs });
    return { isGranted: true, used, endsInMs: last.endsInMs };
  }

  function dropOver(): void {
    for (const [key, { endsAtMs }] of leases) if (now() >= endsAtMs) leases.delete(key);
  }

  async function takeAsking(claim: Claim, key: string): Promise<Count> {
    for (;;) {
      const before = asking.get(key);
      if (before === undefined) break;
      const outcome = await before;
      // None left for the one who asked: none for whoever waited for it.
      if (!outcome.isGranted) return outcome;
      const taken = takeLeased(key);
      if (taken !== undefined) return taken;
    }
    const asked = lease(claim, key);
    asking.set(key, asked);
    try {
      return await asked;
    } finally {
      asking.delete(key);
    }
  }

  /** A point that came out of a lease goes back into it; others go back to the supervisor. */
  function returnToLease(claim: Claim): boolean {
    const held = isLeased(claim.limit) ? leases.get(keyOf(claim)) : undefined;
    if (held === undefined || now() >= held.endsAtMs) return false;
    held.left += 1;
    held.used -= 1;
    return true;
  }

  return {
    take(claim) {
      if (!isLeased(claim.limit)) return answered(link.ask(longestCountMs, 'take', claim));
      const key = keyOf(claim);
      return takeLeased(key) ?? takeAsking(claim, key);
    },
    takeEach: (claims) => answered(link.ask(longestCountMs, 'takeEach', claims)),
    async read(claim) {
      const count = await answered(link.ask(longestCountMs, 'read', claim));
      const held = isLeased(claim.limit) ? leases.get(keyOf(claim)) : undefined;
      if (held === undefined || held.left === 0 || now() >= held.endsAtMs) return count;
      return { ...count, isGranted: true, used: count.used - held.left };
    },
    async giveBack(claims) {
      const rest = claims.filter((claim) => !returnToLease(claim));
      if (rest.length > 0) await link.ask(longestCountMs, 'giveBack', rest).catch(() => undefined);
    },
  };
}

/**
 * What the supervisor answers. Who cannot be counted is not let in, and half a page of metrics is none; but nothing of ours
 * broke, and it is worth trying again.
 *
 * @throws Problem `overloaded` without an answer
 */
export async function answered<Value>(question: Promise<Value>): Promise<Value> {
  try {
    return await question;
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    throw new Problem('overloaded', undefined, { headers: { 'retry-after': '2' }, cause: error });
  }
}

/** What the supervisor answers. */
export function createCountingCalls(
  counters: Counters,
): Pick<SupervisorCalls, 'take' | 'takeEach' | 'read' | 'giveBack' | 'lease'> {
  return {
    take: (claim) => counters.take(claim),
    takeEach: (claims) => counters.takeEach(claims),
    read: (claim) => counters.read(claim),
    giveBack: (claims) => counters.giveBack(claims),
    async lease(claim, points) {
      const counts = await counters.takeEach(Array.from({ length: points }, () => claim));
      const granted = counts.filter(({ isGranted }) => isGranted);
      const last = granted.at(-1) ?? counts.at(-1);
      if (last === undefined) throw new Error('A lease is of one point or more.');
      return { granted: granted.length, last };
    },
  };
}

function isLeased({ points }: Limit): boolean {
  return points >= leastLeased;
}
