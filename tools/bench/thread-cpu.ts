/** CPU time of a process by thread name, from /proc (Linux). */
import { readdirSync, readFileSync } from 'node:fs';

/** @returns milliseconds on a core since the start of each thread that still lives, summed by name; nothing when it has ended */
export function readThreadCpuMs(pid: number): Map<string, number> {
  const byName = new Map<string, number>();
  for (const thread of readThreads(pid)) {
    const folder = `/proc/${pid}/task/${thread}`;
    try {
      const name = readFileSync(`${folder}/comm`, 'utf8').trim();
      const ranNs = Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]);
      byName.set(name, (byName.get(name) ?? 0) + ranNs / 1e6);
    } catch {
      // The thread has just ended.
    }
  }
  return byName;
}

/** None of a process that has just ended, as those of PostgreSQL do now and then. */
function readThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** What each name used between two readings, those that used nothing left out. */
export function subtract(after: Map<string, number>, before: Map<string, number>): Map<string, number> {
  const used = [...after].map(([name, ms]) => [name, ms - (before.get(name) ?? 0)] as const);
  return new Map(used.filter(([, ms]) => ms > 0));
}
