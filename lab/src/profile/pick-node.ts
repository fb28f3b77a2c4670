/** Among the processes of a server, finds the Node that does the work: behind npm, a shell, or the primary of a cluster. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readProcessCpuNs } from '../sample/cpu-time.ts';
import { readProcLink, readThreadName } from '../sample/proc.ts';
import { listListeningPorts } from './find-inspector.ts';

/** Less CPU than this within the window says nothing about who works. */
const leastNs = 5_000_000;

/**
 * The Node that used most CPU within the window; when none did anything, one that listens before one that does not,
 * and then the one that used most since it began. Null when there is no Node among them.
 *
 * @param windowMs how long to watch; load should run meanwhile
 */
export async function pickBusiestNode(pids: readonly number[], windowMs = 300): Promise<number | null> {
  const nodes = pids.filter(isNode);
  if (nodes.length <= 1) return nodes[0] ?? null;
  const before = nodes.map(readProcessCpuNs);
  await sleep(windowMs);
  const watched = nodes.map((pid, index) => {
    const totalNs = readProcessCpuNs(pid);
    const usedNs = totalNs - (before[index] ?? totalNs);
    return { pid, totalNs, usedNs, listens: listListeningPorts(pid).length > 0 };
  });
  const working = watched.filter(({ usedNs }) => usedNs >= leastNs);
  const listening = watched.filter(({ listens }) => listens);
  if (working.length > 0) working.sort((a, b) => b.usedNs - a.usedNs);
  const [best] =
    working.length > 0
      ? working
      : (listening.length > 0 ? listening : watched).sort((a, b) => b.totalNs - a.totalNs);
  return best?.pid ?? null;
}

/** By its main thread's name, which Node sets from version 22 on, or its executable. */
export function isNode(pid: number): boolean {
  if (readThreadName(pid, pid) === 'node-MainThread') return true;
  return /(?:^|\/)(?:node|nodejs|MainThread)$/.test(readProcLink(`/proc/${pid}/exe`) ?? '');
}
