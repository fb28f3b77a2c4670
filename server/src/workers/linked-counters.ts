/** Counters that all workers of a node have together: the supervisor counts, and each of them asks it. */
import type { Count, Counters } from '../cache/counters.ts';
import type { Link } from './link.ts';
import type { SupervisorCalls } from './messages.ts';

/** An answer takes some 0.2 ms; without one in this time the supervisor is stuck or gone. */
const longestCountMs = 2_000;

/** @throws LinkError when the supervisor does not answer; it is about to end this process then */
export function createLinkedCounters(link: Link<SupervisorCalls>): Counters {
  return {
    take: (claim): Promise<Count> => link.ask(longestCountMs, 'take', claim),
    takeEach: (claims) => link.ask(longestCountMs, 'takeEach', claims),
    read: (claim) => link.ask(longestCountMs, 'read', claim),
    async giveBack(claims) {
      await link.ask(longestCountMs, 'giveBack', claims).catch(() => undefined);
    },
  };
}
