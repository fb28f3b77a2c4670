/**
 * The other workers of this node, as one of them sees them: what it changed is told to them, and its answer leaves when
 * they have dropped their copies.
 */
import type { MetricsPart } from '../telemetry/joined-metrics.ts';
import type { Link } from './link.ts';
import { answered } from './linked-counters.ts';
import type { Change, SupervisorCalls } from './messages.ts';

export interface Siblings {
  /** Tells of one change, after it was committed and dropped here. */
  tell(topic: string, id: string): void;
  /** Resolves when all that was told before is heard, or given up on; undefined when nothing is on its way. */
  heard(): Promise<void> | undefined;
  /**
   * Metrics of the others.
   *
   * @param own of this worker
   * @throws Problem `overloaded` when the supervisor does not answer
   */
  collect(own: MetricsPart): Promise<MetricsPart[]>;
}

/**
 * An answer waits this long at most for the others. They hear of every change from PostgreSQL too, so one that is too
 * busy to say so is late by no more than another node.
 */
const longestWaitMs = 1_000;

/** The supervisor waits 1.5 s for a worker that says nothing. Scrapers give up after 10 s by default. */
const longestCollectMs = 5_000;

export function createSiblings(link: Link<SupervisorCalls>): Siblings {
  let untold: Change[] = [];
  let last: Promise<void> | undefined;

  async function spread(before: Promise<void> | undefined): Promise<void> {
    // Whatever else the same request forgets goes in one message.
    await Promise.resolve();
    const changes = untold;
    untold = [];
    await link.ask(longestWaitMs, 'spread', changes).catch(() => undefined);
    await before;
  }

  return {
    tell(topic, id) {
      untold.push([topic, id]);
      if (untold.length > 1) return;
      const told = spread(last);
      last = told;
      void told.then(() => {
        if (last === told) last = undefined;
      });
    },
    heard: () => last,
    collect: (own) => answered(link.ask(longestCollectMs, 'collect', own)),
  };
}
