/** How the service is: alive, able to serve, and what its parts say. */
import type { Health, Readiness } from '@irontrack/contract/system.ts';
import type { Cache } from '../cache/cache.ts';
import type { Database } from '../database/database.ts';

const appName = 'IronTrack';

export interface System {
  readonly name: string;
  readonly version: string;
  health(): Promise<{ status: 200 | 503; body: Health }>;
  isReady(): boolean;
  /** Whether limits and caches are shared with other nodes now. Asks nobody. */
  cacheState(): Readiness['cache'];
  /** As `isReady`, and the database answers. */
  canServe(): Promise<boolean>;
}

/** What starts and stops the process tells through this. */
export interface Lifecycle {
  state: 'starting' | 'serving' | 'draining';
}

/** A part that did not answer by then is offline. */
const healthTimeoutMs = 1_500;

interface Needs {
  database: Database;
  probeCache: () => Promise<boolean>;
  /** Undefined where none is configured. */
  valkey: { readonly isUp: boolean } | undefined;
  lifecycle: Lifecycle;
  version: string;
}

export function createSystem({ database, probeCache, valkey, lifecycle, version }: Needs): System {
  const isDatabaseThere = () =>
    answersInTime(async () => {
      await database.probe();
      return true;
    });
  return {
    name: appName,
    version,
    async health() {
      const [isDatabaseOnline, isCacheOnline] = await Promise.all([
        isDatabaseThere(),
        answersInTime(probeCache),
      ]);
      return {
        status: isDatabaseOnline && isCacheOnline ? 200 : 503,
        body: {
          database_status: isDatabaseOnline ? 'online' : 'offline',
          cache_status: isCacheOnline ? 'online' : 'offline',
          app: appName,
          version,
        },
      };
    },
    isReady: () => lifecycle.state === 'serving',
    cacheState() {
      if (valkey === undefined) return 'process';
      return valkey.isUp ? 'shared' : 'away';
    },
    canServe: async () => lifecycle.state === 'serving' && (await isDatabaseThere()),
  };
}

/** A round trip through the cache in this process. */
export async function probeMemoryCache(cache: Cache<object>): Promise<boolean> {
  const key = 'probe';
  cache.drop(key);
  const found = await cache.read(key, async () => ({ probed: true }));
  cache.drop(key);
  return found !== undefined && cache.peek(key) === undefined;
}

async function answersInTime(probe: () => Promise<boolean>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), healthTimeoutMs);
  try {
    return await Promise.race([probe(), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
