/**
 * Counted in Valkey for all nodes together: one script a decision, by the clock of the server. While it is away each node
 * counts for itself.
 */
import type { Claim, Count, Counters, Soon } from '../counters.ts';
import type { Reply } from './connection.ts';
import type { ValkeyLink } from './link.ts';
import type { ValkeyNames } from './names.ts';
import { createScript } from './script.ts';

/**
 * Takes points of each key in turn until one does not have them all. A key is a number that expires with its window.
 * Per key three arguments: the limit's points, its window in milliseconds, how many are wanted (0: only look).
 * Returns three numbers a key: used before, granted, milliseconds until the window is over.
 */
const takeScript = createScript(`
local result = {}
for index, key in ipairs(KEYS) do
  local points = tonumber(ARGV[3 * index - 2])
  local window = tonumber(ARGV[3 * index - 1])
  local wanted = tonumber(ARGV[3 * index])
  local value = redis.call('GET', key)
  local used = tonumber(value or '0')
  local left = window
  if value then
    left = redis.call('PTTL', key)
    if left < 0 then
      redis.call('PEXPIRE', key, window)
      left = window
    end
  end
  local granted = math.min(wanted, math.max(0, points - used))
  if granted > 0 then
    if value then redis.call('INCRBY', key, granted)
    else redis.call('SET', key, granted, 'PX', window) end
  end
  result[#result + 1] = used
  result[#result + 1] = granted
  result[#result + 1] = left
  if granted < wanted then break end
end
return result
`);

const giveBackScript = createScript(`
for _, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  if value and tonumber(value) > 0 then redis.call('DECR', key) end
end
return 0
`);

interface Needs {
  link: ValkeyLink;
  /** Known once the database was asked for the installation's secret. */
  names: () => ValkeyNames | undefined;
  /** Who counts while Valkey is away: this process, or the workers of this node together. */
  local: Counters;
  /** For the metric: who counted. */
  onCounted: (where: 'valkey' | 'process') => void;
}

/** What the script says of a key: points used before, points granted. */
interface Row {
  before: number;
  granted: number;
  endsInMs: number;
}

interface Waiting {
  claim: Claim;
  resolve: (count: Count) => void;
  reject: (error: unknown) => void;
}

/** What one run of the script takes of a limit at most, so that it never keeps the server long. */
const mostAtOnce = 10_000;

export function createValkeyCounters({ link, names, local, onCounted }: Needs): Counters {
  /** For each key whose script is running, who came meanwhile; they are the next run together. */
  const gathering = new Map<string, Waiting[]>();

  async function runTake(known: ValkeyNames, claims: readonly Claim[], wanted: number): Promise<Row[]> {
    const keys = claims.map(({ limit, subject }) => known.count(limit.name, subject));
    const args = claims.flatMap(({ limit }) => [limit.points, limit.windowMs, wanted].map(String));
    const numbers = readNumbers(await link.runScript(takeScript, keys, args));
    const rows: Row[] = [];
    for (let at = 0; at + 2 < numbers.length; at += 3) {
      const [before = 0, granted = 0, endsInMs = 0] = numbers.slice(at, at + 3);
      rows.push({ before, granted, endsInMs });
    }
    if (rows.length === 0 && claims.length > 0) throw new Error('The counting script answered nothing.');
    return rows;
  }

  /** Whether points were taken when the answer is lost cannot be known; at worst one is taken twice. */
  async function orLocal<Result>(ask: () => Promise<Result>, here: () => Soon<Result>): Promise<Result> {
    try {
      const result = await ask();
      onCounted('valkey');
      return result;
    } catch {
      onCounted('process');
      return await here();
    }
  }

  async function takeTogether(known: ValkeyNames, key: string, waiting: Waiting[]): Promise<void> {
    const group = waiting.splice(0, mostAtOnce);
    const [first] = group;
    if (first === undefined) {
      gathering.delete(key);
      return;
    }
    const together = async () => {
      const [row = { before: 0, granted: 0, endsInMs: 0 }] = await runTake(
        known,
        [first.claim],
        group.length,
      );
      const { before, granted, endsInMs } = row;
      return group.map((_, index) => ({
        isGranted: index < granted,
        used: before + Math.min(index + 1, granted),
        endsInMs,
      }));
    };
    try {
      const counts = await orLocal(together, () => Promise.all(group.map(({ claim }) => local.take(claim))));
      for (const [index, count] of counts.entries()) group[index]?.resolve(count);
    } catch (error) {
      // Nobody can count, not even here; whoever waits must not wait for ever.
      for (const { reject } of group) reject(error);
    }
    void takeTogether(known, key, waiting);
  }

  function take(claim: Claim): Soon<Count> {
    const known = names();
    if (known === undefined || !link.isUp) {
      onCounted('process');
      return local.take(claim);
    }
    const { limit, subject } = claim;
    const key = `${limit.name}\n${limit.points}\n${subject}`;
    const { promise, resolve, reject } = Promise.withResolvers<Count>();
    const waiting = gathering.get(key);
    if (waiting === undefined) {
      const others: Waiting[] = [{ claim, resolve, reject }];
      gathering.set(key, others);
      void takeTogether(known, key, others);
    } else {
      waiting.push({ claim, resolve, reject });
    }
    return promise;
  }

  return {
    take,
    takeEach(claims) {
      const known = names();
      if (known === undefined || !link.isUp) {
        onCounted('process');
        return local.takeEach(claims);
      }
      return orLocal(
        async () =>
          (await runTake(known, claims, 1)).map(({ before, granted, endsInMs }) => ({
            isGranted: granted === 1,
            used: before + granted,
            endsInMs,
          })),
        () => local.takeEach(claims),
      );
    },
    read(claim) {
      const known = names();
      if (known === undefined || !link.isUp) return local.read(claim);
      const ask = async () => {
        const [row = { before: 0, endsInMs: 0 }] = await runTake(known, [claim], 0);
        const { before: used, endsInMs } = row;
        return { isGranted: used < claim.limit.points, used, endsInMs };
      };
      return ask().catch(async () => await local.read(claim));
    },
    giveBack(claims) {
      const known = names();
      if (known === undefined || !link.isUp) return local.giveBack(claims);
      const keys = claims.map(({ limit, subject }) => known.count(limit.name, subject));
      return link.runScript(giveBackScript, keys, []).then(
        () => undefined,
        async () => await local.giveBack(claims),
      );
    },
  };
}

function readNumbers(reply: Reply): number[] {
  if (!Array.isArray(reply)) throw new Error('The counting script did not answer with a list.');
  return reply.map(Number);
}
