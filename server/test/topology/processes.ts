/** What Linux tells of processes: who descends from whom, what memory they hold, how many descriptors they have open. */
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';

/** All descendants of a process that live now. */
export function descendants(pid: number): number[] {
  return findDescendants(readParents(), pid);
}

/** @returns the parent of each process that lives now */
export function readParents(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    const parent = parentOf(pid);
    if (parent !== undefined) parents.set(pid, parent);
  }
  return parents;
}

export function findDescendants(parents: ReadonlyMap<number, number>, pid: number): number[] {
  const children = [...parents].filter(([, parent]) => parent === pid).map(([child]) => child);
  return children.flatMap((child) => [child, ...findDescendants(parents, child)]);
}

/** @returns undefined when the process is gone */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses itself.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** Megabytes of 2^20 bytes. */
export interface ProcessMemory {
  /** All that is in memory, shared or not. */
  residentMb: number;
  /** Its own: heap and stacks. Without files that are mapped and without memory shared by purpose. */
  ownMb: number;
  /** Resident, with what is shared divided by those who share it; undefined where the kernel does not let us ask. */
  proportionalMb: number | undefined;
}

/**
 * Read beside the event loop: the kernel walks all pages of a process for the proportional part, a millisecond each.
 *
 * @returns undefined when the process is gone
 */
export async function readMemory(pid: number): Promise<ProcessMemory | undefined> {
  const status = await readIfThere(`/proc/${pid}/status`);
  const residentMb = findMegabytes(status, 'VmRSS');
  if (residentMb === undefined) return undefined;
  const rollup = await readIfThere(`/proc/${pid}/smaps_rollup`);
  return {
    residentMb,
    ownMb: findMegabytes(status, 'RssAnon') ?? 0,
    proportionalMb: findMegabytes(rollup, 'Pss'),
  };
}

/** The `ownMb` of `readMemory` alone, which costs nothing; 0 when the process is gone. */
export async function readOwnMb(pid: number): Promise<number> {
  return findMegabytes(await readIfThere(`/proc/${pid}/status`), 'RssAnon') ?? 0;
}

/** @returns undefined when the process is gone or somebody else's */
export async function countDescriptors(pid: number): Promise<number | undefined> {
  try {
    return (await readdir(`/proc/${pid}/fd`)).length;
  } catch {
    return undefined;
  }
}

function findMegabytes(text: string, name: string): number | undefined {
  const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
}

async function readIfThere(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}
