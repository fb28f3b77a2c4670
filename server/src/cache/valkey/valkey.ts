/**
 * What several nodes share in Valkey: counts for the limits, a second level of cache, and news of changes besides those
 * of PostgreSQL. Everything in it can be lost at any time.
 */
import type { Logger } from 'pino';
import type { ValkeyAddress } from '../../config-fields.ts';
import type { Sql } from '../../database/sql.ts';
import type { Cache, CacheCounts } from '../cache.ts';
import type { Counters } from '../counters.ts';
import { createTieredCache } from '../tiered-cache.ts';
import { createValkeyCounters } from './counters.ts';
import { createFarCache } from './far-cache.ts';
import { createValkeyLink } from './link.ts';
import { createValkeyNames, type ValkeyNames } from './names.ts';
import { readSharedCacheSecret } from './secret.sql.ts';

export interface Valkey {
  /** Counted by all nodes together; by this process alone while Valkey is away. */
  readonly counters: Counters;
  readonly state: ValkeyState;
  /** Puts a level that all nodes share behind a cache of this process. It is used from the first `resume` on. */
  share<Value extends object>(near: Cache<Value>): Cache<Value>;
  /** The shared levels, for metrics. */
  readonly caches: readonly CacheCounts[];
  /** Tells the other nodes of a change that was made and committed here. It may get lost: PostgreSQL tells them too. */
  announce(payload: string): void;
  /** A round trip. */
  probe(): Promise<boolean>;
  /**
   * Connects. A server that is away is no failure: it is tried again and again.
   *
   * @param sql for the secret that the nodes of this installation share
   */
  open(sql: Sql): Promise<void>;
  close(): Promise<void>;
}

/** What metrics show. */
export interface ValkeyState {
  readonly isUp: boolean;
  readonly losses: number;
  /** Decisions by who counted for them. */
  readonly counted: { readonly valkey: number; readonly process: number };
}

interface Needs {
  /** Who counts while Valkey is away. */
  local: Counters;
  log: Pick<Logger, 'info' | 'warn'>;
  /** Another node announced something. */
  onNews: (payload: string) => void;
  version: string;
  randomBytes: (size: number) => Buffer;
}

/** For a node of its own: its caches stay as they are. */
export const unshared: Pick<Valkey, 'share'> = { share: (near) => near };

/** Payloads of one message: 50 KB. */
const mostInMessage = 1_000;

/** @param address undefined: none is configured, and there is nothing to share */
export function createValkey({
  address,
  ...needs
}: Needs & { address: ValkeyAddress | undefined }): Valkey | undefined {
  return address === undefined ? undefined : openValkey(address, needs);
}

function openValkey(address: ValkeyAddress, needs: Needs): Valkey {
  const { local, log, onNews, version, randomBytes } = needs;
  const link = createValkeyLink({
    address,
    // Once each, not at every try.
    onChange(isUp, reason) {
      if (isUp) log.info('Valkey is back: limits and caches are shared by all nodes again.');
      else {
        log.warn(
          { reason },
          'Valkey is away: until it is back this node counts its limits for itself and asks PostgreSQL.',
        );
      }
    },
  });
  const counted = { valkey: 0, process: 0 };
  const caches: CacheCounts[] = [];
  let names: ValkeyNames | undefined;

  /** Goes before what this node says, which is no news to it. */
  const sender = `${randomBytes(9).toString('base64url')} `;
  const channelOf = ({ prefix }: ValkeyNames) => `${prefix}:news`;
  link.listen({
    published(message) {
      if (message.startsWith(sender)) return;
      for (const payload of message.slice(sender.length).split('\n')) onNews(payload);
    },
  });

  /** What one request changed goes out together. */
  let news: string[] = [];
  function sendNews(): void {
    const payloads = news;
    news = [];
    if (names === undefined) return;
    for (let at = 0; at < payloads.length && link.isUp; at += mostInMessage) {
      const message = sender + payloads.slice(at, at + mostInMessage).join('\n');
      link.run(['PUBLISH', channelOf(names), message]).catch(() => undefined);
    }
  }

  return {
    caches,
    share<Value extends object>(near: Cache<Value>) {
      const far = createFarCache<Value>(near.name, {
        link,
        names: () => names,
        version,
        randomBytes,
      });
      caches.push(far);
      return createTieredCache(near, far);
    },
    announce(payload) {
      if (news.length === 0) queueMicrotask(sendNews);
      news.push(payload);
    },
    counters: createValkeyCounters({
      link,
      names: () => names,
      local,
      onCounted: (where) => {
        counted[where] += 1;
      },
    }),
    state: {
      get isUp() {
        return link.isUp;
      },
      get losses() {
        return link.losses;
      },
      counted,
    },
    probe: async () => (await link.run(['PING'])) === 'PONG',
    async open(sql) {
      names = createValkeyNames(await readSharedCacheSecret(sql, randomBytes(32)));
      await link.open(channelOf(names));
    },
    close: link.close,
  };
}
