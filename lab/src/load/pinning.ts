/** Gives the server and the generator cores of their own, so that neither waits for the other. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { exitStatus, LabError } from '../exit-status.ts';
import type { Fault } from '../result/result.ts';

const run = promisify(execFile);

/** Cores as `taskset -c` takes them ("0-2,4"); null is not pinned. */
export interface CorePlan {
  server: string | null;
  generator: string | null;
  /** What a report must say beside the figures. */
  faults: Fault[];
}

interface PlanOptions {
  /** False for a closed loop that only asks how much, which may share a core; true unless told. */
  latency?: boolean;
  /** Whether `taskset` is there; see `canPin`. */
  canPin?: boolean;
}

/** True on Linux with util-linux; other systems offer no way to bind a process to cores. */
export function canPin(): boolean {
  return (
    process.platform === 'linux' && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0
  );
}

/**
 * Numbers of the cores this process may use, rising. A container with a cpuset may hold 4 and 5 of a machine of 64,
 * so neither their count nor their numbers follow from the machine.
 */
export function readAllowedCores(statusFile = '/proc/self/status'): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync(statusFile, 'utf8'))?.[1];
    return list === undefined ? [] : parseCores(list);
  } catch {
    return [];
  }
}

/**
 * Divides the cores. `auto`: the generator gets the last one, the server the rest. `off`: nobody is pinned.
 * `server=0-2,generator=3`: as asked; the side that is not named gets what is left.
 *
 * @throws LabError when `pin` is malformed or names a core that is not there, and "not measurable here" when a latency
 *   is asked for with fewer than two cores: the generator's own waiting would be in every figure
 */
export function planCores(
  allowed: readonly number[],
  pin: string | undefined,
  options: PlanOptions = {},
): CorePlan {
  const { latency = true, canPin: isPossible = true } = options;
  const asked = parsePin(pin ?? 'auto');
  if (allowed.length < 2) {
    if (latency) {
      throw new LabError(
        exitStatus.unstable,
        `Latency is not measurable here: server and generator need a core each, and this machine gives ${allowed.length}; use a machine with two, or --max for throughput alone.`,
      );
    }
    return unpinned('Server and generator shared one core, so the throughput is a lower bound.');
  }
  if (asked === 'off')
    return unpinned('Server and generator were not pinned, so they may have shared a core.');
  if (!isPossible) {
    return unpinned(
      'This system cannot pin processes to cores (taskset), so server and generator may have shared one.',
    );
  }
  if (asked === 'auto') {
    return {
      server: formatCores(allowed.slice(0, -1)),
      generator: formatCores(allowed.slice(-1)),
      faults: [],
    };
  }
  return planAsked(allowed, asked);
}

/**
 * Moves a process with the threads it has; what it starts later inherits. One that has ended meanwhile is no error.
 *
 * @throws LabError when the cores do not exist or the process belongs to somebody else
 */
export async function pinProcess(pid: number, cores: string): Promise<void> {
  try {
    await run('taskset', ['-acp', cores, String(pid)]);
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : '';
    throw new LabError(
      exitStatus.tool,
      `Process ${pid} cannot be pinned to core ${cores} (${reason}); try --pin off.`,
      { cause: error },
    );
  }
}

/** One thread alone. Where it cannot be, as when it has just ended, it stays where it is. */
export async function pinThread(thread: number, cores: string): Promise<void> {
  await run('taskset', ['-cp', cores, String(thread)]).catch(() => undefined);
}

/** "0-2,4" as [0, 1, 2, 4]; empty when it is no such list. */
export function parseCores(list: string): number[] {
  const cores = new Set<number>();
  for (const part of list.split(',')) {
    const range = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part);
    if (range === null) return [];
    const first = Number(range[1]);
    const last = Number(range[2] ?? range[1]);
    if (last < first) return [];
    for (let core = first; core <= last; core += 1) cores.add(core);
  }
  return [...cores].toSorted((a, b) => a - b);
}

/** [0, 1, 2, 4] as "0-2,4". */
export function formatCores(cores: readonly number[]): string {
  const ranges: { first: number; last: number }[] = [];
  for (const core of cores.toSorted((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range !== undefined && core === range.last + 1) range.last = core;
    else ranges.push({ first: core, last: core });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

interface AskedCores {
  server: readonly number[] | undefined;
  generator: readonly number[] | undefined;
}

function planAsked(allowed: readonly number[], asked: AskedCores): CorePlan {
  for (const core of [...(asked.server ?? []), ...(asked.generator ?? [])]) {
    if (!allowed.includes(core)) {
      throw new LabError(
        exitStatus.tool,
        `--pin asks for core ${core}, but this process may use ${formatCores(allowed)}; choose among those.`,
      );
    }
  }
  const without = (taken: readonly number[]) => allowed.filter((core) => !taken.includes(core));
  const generator = asked.generator ?? without(asked.server ?? []).slice(-1);
  const server = asked.server ?? without(generator);
  if (server.length === 0 || generator.length === 0) {
    throw new LabError(exitStatus.tool, '--pin leaves no core for one of the two; name fewer for the other.');
  }
  const both = server.filter((core) => generator.includes(core));
  const faults =
    both.length === 0 ? [] : [doubt(`Server and generator were both pinned to core ${formatCores(both)}.`)];
  return { server: formatCores(server), generator: formatCores(generator), faults };
}

function parsePin(pin: string): 'auto' | 'off' | AskedCores {
  if (pin === 'auto' || pin === 'off') return pin;
  const asked: AskedCores = { server: undefined, generator: undefined };
  // A comma separates the sides and also the cores of one side: server=0,1,generator=2.
  const parts = pin.split(/,(?=[a-z])/);
  for (const part of parts) {
    const [, side, list = ''] = /^(server|generator)=([\d,-]+)$/.exec(part) ?? [];
    const cores = parseCores(list);
    if (cores.length === 0) break;
    if (side === 'server' && asked.server === undefined) asked.server = cores;
    else if (side === 'generator' && asked.generator === undefined) asked.generator = cores;
    else break;
    if (part === parts.at(-1)) return asked;
  }
  throw new LabError(
    exitStatus.tool,
    `--pin ${JSON.stringify(pin)} is not understood; use auto, off or server=0,generator=1.`,
  );
}

function unpinned(sentence: string): CorePlan {
  return { server: null, generator: null, faults: [doubt(sentence)] };
}

function doubt(sentence: string): Fault {
  return { kind: 'noise', sentence, weight: 'doubt' };
}
