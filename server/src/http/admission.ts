/**
 * Who is let in when there is too much to do: the cheap before the costly, decided before anything of a request is
 * parsed. What presses is looked at ten times a second; a request costs one comparison. See docs/decisions/0012.
 */
import { cpuUsage } from 'node:process';
import type { onRequestHookHandler } from 'fastify';
import { Problem } from '../problem.ts';
import type { App } from './app.ts';

/**
 * What a route costs, and so who goes first when there is too much. `exempt` is never refused (probes); `cheap` is
 * answered from memory mostly; `costly` scans lists or takes large batches; `password` hashes one, and is refused also
 * while the queue for that is full. A route that says nothing is `normal`.
 */
export type Cost = 'exempt' | 'cheap' | 'normal' | 'costly' | 'password';

declare module 'fastify' {
  interface FastifyContextConfig {
    cost?: Cost;
  }
}

/** Shares of a limit at which one class more is refused. */
const steps = [0.5, 0.75, 4] as const;

/** The number of steps that have to be passed until the class is refused. */
const refusedAt: Readonly<Record<Cost, number>> = {
  password: 1,
  costly: 1,
  normal: 2,
  cheap: 3,
  exempt: Number.POSITIVE_INFINITY,
};

export type PressureName = 'event-loop' | 'database';

/** Something that can be too much, read as a share of its limit: 1 is the limit. */
export interface Pressure {
  readonly name: PressureName;
  read(): number;
}

export interface Admission {
  /** @returns whether the class is let in now, apart from the queue for passwords */
  admits(cost: Cost): boolean;
  /** Steps passed: 0 when everybody is let in. */
  readonly level: number;
  /** Puts the check before every route that is mounted from now on, and before the guards mounted so far. */
  mount(app: App): void;
  /** Begins to watch; before that everybody is let in. */
  start(): void;
  stop(): void;
}

interface AdmissionOptions {
  pressures: readonly Pressure[];
  /** The refusal of a password that would wait too long; undefined while there is room. */
  refusePassword: () => { retryAfterSeconds: number } | undefined;
  onRefused: (reason: PressureName | 'password-queue', cost: Cost) => void;
  /** Requests begin to be refused, or no longer are. */
  onChange: (reason: PressureName | undefined) => void;
}

const lookEveryMs = 100;

export function createAdmission(options: AdmissionOptions): Admission {
  const { pressures, refusePassword, onRefused, onChange } = options;
  const previous = pressures.map(() => 0);
  let level = 0;
  let reason: PressureName = 'event-loop';
  let timer: NodeJS.Timeout | undefined;
  let refusals = 0;

  function look(): void {
    let highest = 0;
    let name = reason;
    for (const [index, pressure] of pressures.entries()) {
      const now = pressure.read();
      // Twice in a row: a pause of the machine, or one long answer, is over when it is seen.
      const lasting = Math.min(now, previous[index] ?? 0);
      previous[index] = now;
      if (lasting > highest) {
        highest = lasting;
        name = pressure.name;
      }
    }
    const before = level;
    level = nextLevel(before, highest);
    if (level > 0 && highest > 0) reason = name;
    if (before === 0 && level > 0) onChange(reason);
    else if (before > 0 && level === 0) onChange(undefined);
  }

  function refuse(cost: Cost): Problem | undefined {
    if (level >= refusedAt[cost]) {
      onRefused(reason, cost);
      refusals += 1;
      // 1, 2 or 3 seconds in turn, so that those who were refused together do not come back together.
      return new Problem('overloaded', undefined, { headers: { 'retry-after': String(1 + (refusals % 3)) } });
    }
    if (cost !== 'password') return undefined;
    const full = refusePassword();
    if (full === undefined) return undefined;
    onRefused('password-queue', cost);
    return new Problem('hash-queue-full', undefined, {
      headers: { 'retry-after': String(full.retryAfterSeconds) },
    });
  }

  return {
    admits: (cost) => level < refusedAt[cost],
    get level() {
      return level;
    },
    mount(app) {
      app.addHook('onRoute', (route) => {
        const cost = route.config?.cost ?? 'normal';
        if (cost === 'exempt') return;
        const check: onRequestHookHandler = (_request, _reply, done) => {
          done(level === 0 && cost !== 'password' ? undefined : refuse(cost));
        };
        route.onRequest = [check, ...[route.onRequest ?? []].flat()];
      });
    },
    start() {
      timer ??= setInterval(look, lookEveryMs).unref();
    },
    stop() {
      clearInterval(timer);
      timer = undefined;
    },
  };
}

/** Up at once, as far as it takes; down one step at a look, and only when the pressure is below half of the step. */
export function nextLevel(level: number, pressure: number): number {
  const reached = steps.filter((step) => pressure >= step).length;
  if (reached >= level) return reached;
  return pressure < (steps[level - 1] ?? 0) / 2 ? level - 1 : level;
}

/**
 * How late the event loop is, as a share of what it may be: the time since the last look beyond what was to be. Not by
 * monitorEventLoopDelay: that is a histogram, which the metrics read and clear at every scrape, and its figures include
 * its own interval.
 *
 * @param maxDelayMs 0 turns it off
 * @param now a monotonic clock in milliseconds
 * @param workedMs the CPU time that the thread of the event loop has had, in milliseconds
 */
export function watchEventLoop(
  maxDelayMs: number,
  now: () => number,
  workedMs: () => number = readThreadCpuMs,
): Pressure {
  let lookedAt = now();
  let workedBefore = workedMs();
  return {
    name: 'event-loop',
    read() {
      const lateMs = Math.max(0, now() - lookedAt - lookEveryMs);
      const worked = workedMs() - workedBefore;
      lookedAt = now();
      workedBefore += worked;
      return maxDelayMs === 0 ? 0 : Math.min(lateMs, worked * starvedBelow) / maxDelayMs;
    },
  };
}

/**
 * A loop that had less than a quarter of a core while it was late was kept from working by others: refusing its few
 * requests would not make it faster. At load 40 on two cores, tests with 500 requests at once saw refusals without this.
 */
const starvedBelow = 4;

/** Node 20 knows only the time of the whole process. */
function readThreadCpuMs(): number {
  const { user, system } = 'threadCpuUsage' in process ? process.threadCpuUsage() : cpuUsage();
  return (user + system) / 1000;
}

/** How full the lines in front of the database are, by number and by time. */
export function watchDatabase(
  limits: { mostWaiting: number; maxWaitMs: number },
  loads: () => readonly { waiting: number; oldestWaitMs: number }[],
): Pressure {
  return {
    name: 'database',
    read: () =>
      loads().reduce(
        (most, { waiting, oldestWaitMs }) =>
          Math.max(most, waiting / limits.mostWaiting, oldestWaitMs / limits.maxWaitMs),
        0,
      ),
  };
}
