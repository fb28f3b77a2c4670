/** What the supervisor and its workers say to each other. */
import type { Claim, Count } from '../cache/counters.ts';
import type { DatabasePlaces } from '../database/route.ts';
import type { MetricsPart } from '../telemetry/joined-metrics.ts';

/** A topic and an id, as in database/announcements.ts. */
export type Change = readonly [topic: string, id: string];

/** What a worker needs to know before it starts. */
export interface Post {
  /** 0 and up; who takes a dead worker's place gets its number. */
  readonly place: number;
  readonly database: DatabasePlaces;
  /** Passwords this worker may hash at once: its share of HASH_CONCURRENCY. */
  readonly hashConcurrency: number;
}

export interface StartFailure {
  readonly status: number;
  readonly message: string;
}

/** Functions of the supervisor that a worker calls. */
export interface SupervisorCalls {
  /** The first thing a worker says: from now on it hears what the others change. */
  join(): Post;
  /** It serves. @param address what to show: a URL, or the path of the socket */
  serving(address: string): void;
  cannotStart(failure: StartFailure): void;
  /** Resolves when every other worker has dropped its copies. */
  spread(changes: readonly Change[]): Promise<void>;
  /**
   * Metrics of the other workers, of those that have ended, and of the supervisor itself.
   *
   * @param own of the worker that asks, which the page will show too
   */
  collect(own: MetricsPart): Promise<MetricsPart[]>;
  /** The last thing a worker says: what it has counted in its life. */
  leave(metrics: MetricsPart): void;
  take(claim: Claim): Promise<Count> | Count;
  takeEach(claims: readonly Claim[]): Promise<readonly Count[]> | readonly Count[];
  read(claim: Claim): Promise<Count> | Count;
  /** Takes up to so many points. @returns how many it got, and the last count, a refusal when it got none */
  lease(claim: Claim, points: number): Promise<{ granted: number; last: Count }>;
  giveBack(claims: readonly Claim[]): Promise<void> | void;
}

/** Functions of a worker that the supervisor calls. */
export interface WorkerCalls {
  /** Says that it does not hang. */
  answer(): void;
  hear(changes: readonly Change[]): void;
  report(): Promise<MetricsPart>;
  /** End, while the others go on: open requests finish, and each connection is told to close with its next answer. */
  retire(): void;
  /** End, like all others. */
  drain(): void;
}
