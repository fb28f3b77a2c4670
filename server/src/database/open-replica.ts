/** The replica of the configuration, with its own pool and its words in the log. */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { openDatabase } from './database.ts';
import { createReplica, type Reads, type Replica } from './replica.ts';
import type { ReplicaPlace } from './route.ts';
import type { Sql } from './sql.ts';

/** A replica that is silent for this long is given up, and the primary asked, which has its own time. */
const timeoutMs = 2_000;

/** @returns undefined when there is none */
export function openReplica(
  place: ReplicaPlace | undefined,
  primary: { reads: Reads; position: Sql },
  log: Pick<Logger, 'info' | 'warn'>,
  onRead: (from: 'replica' | 'primary') => void,
): Replica | undefined {
  if (place === undefined) return undefined;
  return createReplica({
    primary: primary.reads,
    position: primary.position,
    replica: openDatabase({ ...place, timeoutMs }),
    now: () => performance.now(),
    onRead,
    onChange(reason) {
      if (reason === undefined) log.info('Lists and inbox pages are read from the replica.');
      else log.warn({ err: reason }, 'The replica is not used: lists are read from the primary until it is.');
    },
  });
}
