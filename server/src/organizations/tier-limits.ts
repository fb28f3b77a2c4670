/** How many events an organization may send: a counted window of 60 s that begins with its first event. */
import { type Tier, tiers } from '@irontrack/contract/organizations.ts';
import {
  type Claim,
  type Count,
  type Counters,
  type Limit,
  type Soon,
  whenKnown,
} from '../cache/counters.ts';
import type { Clock } from '../clock.ts';
import type { Allowance, Organization } from '../http/key-guard.ts';
import { Problem } from '../problem.ts';

export interface Taken extends Allowance {
  /** False: the event is one too many, and counts for nothing. */
  readonly isGranted: boolean;
}

export interface TierLimits {
  /** What is left, taking nothing. */
  allowanceOf(organization: Organization): Soon<Allowance>;
  /** Takes one event. Call it once an event, before anything is stored. */
  take(organization: Organization): Soon<Taken>;
  /** Gives an event back that was not stored for a reason of ours. */
  giveBack(organization: Organization): void;
}

const windowMs = 60_000;

/** One name for all tiers: a tier that is changed within the window counts what was sent already. */
const limitOf = (tier: Tier): Limit => ({ name: 'event', points: tiers[tier].eventsPerMinute, windowMs });

const limits: Readonly<Record<Tier, Limit>> = {
  free: limitOf('free'),
  pro: limitOf('pro'),
  business: limitOf('business'),
  enterprise: limitOf('enterprise'),
};

const claimOf = ({ id, tier }: Organization): Claim => ({ limit: limits[tier], subject: id });

/** @param clock of this node, by which answers say when the window ends */
export function createTierLimits(counters: Counters, clock: Clock): TierLimits {
  function toTaken({ points }: Limit, { isGranted, used, endsInMs }: Count): Taken {
    return {
      isGranted,
      limit: points,
      remaining: Math.max(0, points - used),
      resetsAtMs: clock().getTime() + endsInMs,
    };
  }
  return {
    allowanceOf(organization) {
      const claim = claimOf(organization);
      return whenKnown(counters.read(claim), (count) => toTaken(claim.limit, count));
    },
    take(organization) {
      const claim = claimOf(organization);
      return whenKnown(counters.take(claim), (count) => toTaken(claim.limit, count));
    },
    giveBack(organization) {
      // Never fails, and nobody has to wait for it.
      void counters.giveBack([claimOf(organization)]);
    },
  };
}

/** What an event over the limit is answered with. */
export function tierLimitReached({ limit, resetsAtMs }: Allowance, now: Date): Problem {
  const seconds = Math.max(1, Math.ceil((resetsAtMs - now.getTime()) / 1000));
  return new Problem(
    'event-limit-reached',
    `The ${limit} events of this minute are used up. Try again in ${seconds} s.`,
    { headers: { 'retry-after': String(seconds) } },
  );
}
