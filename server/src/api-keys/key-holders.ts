/** Whose an API key is: looked up once, then known for a while; so is that a key is nobody's. */
import { LRUCache } from 'lru-cache';
import type { CacheCounts } from '../cache/cache.ts';
import { createMemoryCache } from '../cache/memory-cache.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { AuthenticateKey, Organization } from '../http/key-guard.ts';
import type { Organizations } from '../organizations/organizations.ts';
import { hashApiKey, isApiKey } from './api-key.ts';
import { findKeyHolder } from './api-keys.sql.ts';

export interface KeyHolders {
  authenticateKey: AuthenticateKey;
  /** @param hash SHA-256 of the key, in hex */
  forgetKey(hash: string): void;
  suspend(): void;
  resume(): void;
  readonly cache: CacheCounts;
}

interface Needs {
  database: Database;
  clock: Clock;
  organizations: Organizations;
}

interface Holder {
  organizationId: string;
  /** Looked up again from then on. Milliseconds since 1970. */
  staleAtMs: number;
}

const capacity = 20_000;
/** Apart from the keys that are good, so that guesses cannot push those out. */
const strangerCapacity = 10_000;

const freshMs = 60_000;
const strangerFreshMs = 30_000;

export function createKeyHolders({ database, clock, organizations }: Needs): KeyHolders {
  const holders = createMemoryCache<Holder>('api_key', capacity);
  const strangers = new LRUCache<string, number>({ max: strangerCapacity });
  let isSuspended = false;

  async function load(hash: string): Promise<Organization | undefined> {
    const holder = await holders.read(hash, async () => {
      const organizationId = await findKeyHolder(database.sql, hash);
      const staleAtMs = clock().getTime() + freshMs;
      return organizationId === undefined ? undefined : { organizationId, staleAtMs };
    });
    if (holder !== undefined) return await organizations.find(holder.organizationId);
    if (!isSuspended) strangers.set(hash, clock().getTime() + strangerFreshMs);
    return undefined;
  }

  return {
    cache: holders,
    authenticateKey(apiKey) {
      if (!isApiKey(apiKey)) return undefined;
      const hash = hashApiKey(apiKey);
      const nowMs = clock().getTime();
      const holder = holders.peek(hash);
      if (holder !== undefined && nowMs < holder.staleAtMs) {
        return organizations.peek(holder.organizationId) ?? organizations.find(holder.organizationId);
      }
      if (holder !== undefined) holders.drop(hash);
      const strangerUntilMs = strangers.get(hash);
      if (strangerUntilMs !== undefined && nowMs < strangerUntilMs) return undefined;
      return load(hash);
    },
    forgetKey(hash) {
      holders.drop(hash);
      strangers.delete(hash);
    },
    suspend() {
      isSuspended = true;
      strangers.clear();
      holders.suspend();
    },
    resume() {
      strangers.clear();
      holders.resume();
      isSuspended = false;
    },
  };
}
