/**
 * A level of cache that nodes share in Valkey. Never stale longer than a node's own hearing, by two means:
 *
 * - A value is stored only under the lease that its reader took before it asked the database. Dropping a key removes value
 *   and lease alike, so a reader that has the row of before the change finds its lease gone.
 * - Values count only in the epoch they were stored in. A node that could not hear, of changes or of Valkey, begins a new
 *   epoch before it takes anything from there.
 *
 * The whole argument is in docs/decisions/0015-valkey.md.
 */
import type { FarCache } from '../tiered-cache.ts';
import type { Reply } from './connection.ts';
import type { ValkeyLink } from './link.ts';
import type { ValkeyNames } from './names.ts';
import { createScript } from './script.ts';
import { seal, sealSaltBytes, unseal } from './seal.ts';

/** A lease outlives every load: a statement is given up after 5 s. */
const leaseMs = 15_000;
const valueMs = 10 * 60_000;
/** Keys of one command, which keeps the server for less than a millisecond. */
const mostDropped = 1_000;
const epochMs = 7 * 24 * 3_600_000;

/** The epoch, and the value of this epoch or a lease: that of who looked before, or a new one. */
const lookScript = createScript(`
local epoch = redis.call('GET', KEYS[1])
if not epoch then
  epoch = ARGV[1]
  redis.call('SET', KEYS[1], epoch, 'PX', ARGV[4])
end
local found = redis.call('GET', KEYS[2])
if found and string.sub(found, 2, #epoch + 2) == epoch .. ' ' then return {epoch, found} end
local lease = 'L' .. epoch .. ' ' .. ARGV[2]
redis.call('SET', KEYS[2], lease, 'PX', ARGV[3])
return {epoch, lease}
`);

/** Stores under the lease. The last look makes the server tell us when it changes: what one writes oneself is not told. */
const storeScript = createScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('GET', KEYS[1])
return 1
`);

interface Needs {
  link: ValkeyLink;
  /** Known once the database was asked for the installation's secret. */
  names: () => ValkeyNames | undefined;
  /** Of the program: another one may mean something else by the same members. */
  version: string;
  randomBytes: (size: number) => Buffer;
}

/** @param name of the cache; the shared level is shown as `<name>_shared` */
export function createFarCache<Value extends object>(
  name: string,
  { link, names, version, randomBytes }: Needs,
): FarCache<Value> {
  const counts = { hits: 0, misses: 0 };
  const forgetters: ((key: string | null) => void)[] = [];
  const newToken = () => randomBytes(12).toString('base64url');
  let isTrusted = false;
  let isSuspended = true;
  /** Which beginning of an epoch is the last; earlier ones that are still under way do not count. */
  let beginning = 0;
  /** Dropped and not sent yet: who ends 20,000 sessions at once does not send as many commands. */
  let dropped: string[] = [];

  const prefixOf = (known: ValkeyNames) => `${known.prefix}:${version}:${name}:`;
  const epochKeyOf = (known: ValkeyNames) => `${known.prefix}:${version}:epoch:${name}`;
  const placeOf = (fullKey: string, epoch: string) => `${fullKey} ${epoch}`;

  /** Nothing that is there now will be read from here any more. */
  async function beginEpoch(): Promise<void> {
    isTrusted = false;
    beginning += 1;
    const mine = beginning;
    const known = names();
    if (known === undefined || isSuspended || !link.isUp) return;
    try {
      await link.run(['SET', epochKeyOf(known), newToken(), 'PX', String(epochMs)]);
    } catch {
      link.fail('A new epoch of the cache could not be begun.');
      return;
    }
    if (mine === beginning) isTrusted = true;
  }

  function distrust(): void {
    beginning += 1;
    isTrusted = false;
  }

  function forget(key: string | null): void {
    for (const each of forgetters) each(key);
  }

  /** Sent before anything that is read from here later. */
  function sendDrops(): void {
    const keys = dropped;
    dropped = [];
    for (let at = 0; at < keys.length; at += mostDropped) {
      if (!link.isUp) return;
      // One that does not get there must not be followed by a read: then the link is no good.
      link
        .run(['UNLINK', ...keys.slice(at, at + mostDropped)])
        .catch(() => link.fail('Values could not be dropped from the cache.'));
    }
  }

  async function look(known: ValkeyNames, fullKey: string): Promise<{ lease: string } | { value: Value }> {
    sendDrops();
    const keys = [epochKeyOf(known), fullKey];
    const args = [newToken(), newToken(), String(leaseMs), String(epochMs)];
    const [epoch, found] = readTexts(await link.runScript(lookScript, keys, args));
    if (found.startsWith('L')) return { lease: found };
    const text = unseal(known.sealingKey, placeOf(fullKey, epoch), found.slice(epoch.length + 2));
    if (text === undefined) throw new Error('A value in Valkey was not sealed by us.');
    // parser: sealed by this very function, of this version.
    return { value: JSON.parse(text) as Value };
  }

  async function store(known: ValkeyNames, fullKey: string, lease: string, value: Value): Promise<void> {
    const epoch = lease.slice(1, lease.indexOf(' '));
    const text = JSON.stringify(value);
    const sealed = seal(known.sealingKey, placeOf(fullKey, epoch), text, randomBytes(sealSaltBytes));
    await link.runScript(storeScript, [fullKey], [lease, `V${epoch} ${sealed}`, String(valueMs)]);
  }

  link.listen({
    up: () => void beginEpoch(),
    down() {
      distrust();
      forget(null);
    },
    invalidated(fullKey) {
      const known = names();
      if (fullKey === null) forget(null);
      else if (known !== undefined && fullKey.startsWith(prefixOf(known)))
        forget(fullKey.slice(prefixOf(known).length));
    },
  });

  return {
    name: `${name}_shared`,
    counts,
    /** Not known to any one node. */
    size: 0,
    async read(key, load) {
      const known = names();
      if (known === undefined || !isTrusted) return await load();
      const fullKey = prefixOf(known) + key;
      let lease: string;
      try {
        const found = await look(known, fullKey);
        if ('value' in found) {
          counts.hits += 1;
          return found.value;
        }
        lease = found.lease;
      } catch {
        return await load();
      }
      counts.misses += 1;
      const value = await load();
      // Nobody has to wait for it. Where it fails the link is lost, or the next reader tries again.
      if (value !== undefined && isTrusted) store(known, fullKey, lease, value).catch(() => undefined);
      return value;
    },
    drop(key) {
      const known = names();
      if (known === undefined || !link.isUp) return;
      if (dropped.length === 0) queueMicrotask(sendDrops);
      dropped.push(prefixOf(known) + key);
    },
    clear: () => void beginEpoch(),
    suspend() {
      isSuspended = true;
      distrust();
    },
    resume() {
      isSuspended = false;
      void beginEpoch();
    },
    onChanged: (handler) => void forgetters.push(handler),
  };
}

function readTexts(reply: Reply): [string, string] {
  const [first, second] = Array.isArray(reply) ? reply : [];
  if (typeof first === 'string' && typeof second === 'string') return [first, second];
  throw new Error('The script of the cache did not answer with two texts.');
}
