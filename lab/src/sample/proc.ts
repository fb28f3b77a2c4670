/**
 * Readers of Linux's /proc, as small as a read ten times a second asks for: what is gone gives null, never an error.
 * Times leave in nanoseconds where the kernel has them; ticks are 10 ms (USER_HZ is 100 on every Linux Node runs on).
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

const nsPerTick = 10_000_000;
const bytesPerPage = 4096;

/** One buffer for all reads: what is read here is parsed before the next read. /proc/stat of 128 cores is 14 KB. */
const buffer = Buffer.allocUnsafe(64 * 1024);

/** The file's text, or null when the process, thread or file does not exist (any more). */
export function readProcFile(path: string): string | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    // A process that dies between open and read answers ESRCH.
    return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0));
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

function listNumbers(directory: string): number[] {
  try {
    return readdirSync(directory).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** Thread ids of a process; empty when it is gone. */
export function listThreads(pid: number): number[] {
  return listNumbers(`/proc/${pid}/task`);
}

export interface ThreadTimes {
  /** Nanoseconds on a core. */
  cpuNs: number;
  /** Nanoseconds runnable, waiting for a core. */
  waitNs: number;
}

/** From schedstat, which counts in ns; null when the thread is gone or the kernel was built without it. */
export function readThreadTimes(pid: number, thread: number): ThreadTimes | null {
  return parseSchedstat(readProcFile(`/proc/${pid}/task/${thread}/schedstat`));
}

export function parseSchedstat(text: string | null): ThreadTimes | null {
  if (text === null) return null;
  const [cpuNs, waitNs] = text.split(' ').map(Number);
  if (cpuNs === undefined || waitNs === undefined) return null;
  return Number.isFinite(cpuNs) && Number.isFinite(waitNs) ? { cpuNs, waitNs } : null;
}

export interface Switches {
  voluntary: number;
  involuntary: number;
}

/** Context switches of one thread: `/proc/PID/status` alone has only those of the first. */
export function readThreadSwitches(pid: number, thread: number): Switches | null {
  return parseSwitches(readProcFile(`/proc/${pid}/task/${thread}/status`));
}

export function parseSwitches(text: string | null): Switches | null {
  if (text === null) return null;
  const start = text.lastIndexOf('\nvoluntary_ctxt_switches:');
  if (start < 0) return null;
  const [voluntary, involuntary] = text.slice(start).match(/\d+/g) ?? [];
  return { voluntary: Number(voluntary ?? 0), involuntary: Number(involuntary ?? 0) };
}

/** What the kernel calls a thread: "node-MainThread", "libuv-worker", "V8Worker"; null when it is gone. */
export function readThreadName(pid: number, thread: number): string | null {
  return readProcFile(`/proc/${pid}/task/${thread}/comm`)?.trimEnd() ?? null;
}

export interface ProcessStat {
  parent: number;
  /** User and system time of all threads, living and dead; the kernel rounds it down to 10 ms. */
  cpuNs: number;
}

/** Null when the process is gone. */
export function readProcessStat(pid: number): ProcessStat | null {
  return parseProcessStat(readProcFile(`/proc/${pid}/stat`));
}

export function parseProcessStat(text: string | null): ProcessStat | null {
  // The name in parentheses may hold spaces and parentheses itself: the fields begin after the last one.
  const end = text?.lastIndexOf(')') ?? -1;
  if (text === null || end < 0) return null;
  const fields = text.slice(end + 2).split(' ');
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number);
  if (parent === undefined || user === undefined || system === undefined) return null;
  return { parent, cpuNs: (user + system) * nsPerTick };
}

/** Resident memory in bytes; null when the process is gone. */
export function readResidentBytes(pid: number): number | null {
  const pages = readProcFile(`/proc/${pid}/statm`)?.split(' ')[1];
  return pages === undefined ? null : Number(pages) * bytesPerPage;
}

/** Microseconds since boot in which some task waited for a core (PSI); null where the kernel has no PSI. */
export function readCpuPressureUs(): number | null {
  return parsePressureUs(readProcFile('/proc/pressure/cpu'));
}

export function parsePressureUs(text: string | null): number | null {
  const total = /^some .*\btotal=(\d+)/m.exec(text ?? '')?.[1];
  return total === undefined ? null : Number(total);
}

/** Ticks since boot of one core. */
export interface CoreTicks {
  busy: number;
  steal: number;
  all: number;
}

/** Every core that is online, in order; empty where there is no /proc. */
export function readCores(): CoreTicks[] {
  return parseCores(readProcFile('/proc/stat'));
}

export function parseCores(text: string | null): CoreTicks[] {
  const cores: CoreTicks[] = [];
  for (const line of text?.split('\n') ?? []) {
    if (!/^cpu\d/.test(line)) continue;
    const fields = line.split(' ').slice(1).map(Number);
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = fields;
    const busy = user + nice + system + irq + softirq;
    cores.push({ busy, steal, all: busy + idle + iowait + steal });
  }
  return cores;
}

/** The process and all its descendants that live now, parents first. */
export function listProcessTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of listNumbers('/proc')) {
    const parent = readProcessStat(pid)?.parent;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const tree = readProcessStat(root) === null ? [] : [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** The target of a link such as /proc/PID/exe or /proc/PID/cwd; null when it is gone or not ours to see. */
export function readProcLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
