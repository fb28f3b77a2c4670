/**
 * What the processes of the nodes still hold after a collection of their heaps that was asked for. Between collections V8
 * lets garbage lie as long as it sees no need, which in a process with little to do looks like a leak for hours.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { openInspector } from '../../lab/src/profile/inspector.ts';
import type { Deployment } from '../../server/test/topology/deployment.ts';
import { findDescendants, readOwnMb, readParents } from '../../server/test/topology/processes.ts';

/** Sums over all processes of a kind, megabytes of 2^20 bytes. */
export interface Held {
  /** The heap of the main thread, and the buffers that its objects have beside it. */
  liveMb: number;
  /** By the kernel: heaps, stacks and what native code asked for; without files that are mapped. */
  ownMb: number;
}

export const collectedNames = ['workers', 'supervisors'] as const;
export type CollectedName = (typeof collectedNames)[number];

/** A hash takes tens of megabytes for a tenth of a second: the least of so many readings is without them. */
const ownReadings = 10;
const ownReadingEveryMs = 100;

/**
 * Stalls each process for a collection of its whole heap, twice, one process after the other. Opens and shuts the inspector of
 * each: once in some hundred times Node 26.10 ended with SIGSEGV as it was shut, which counts as a process that ended.
 */
export async function collectAndRead({ nodes }: Deployment): Promise<Record<CollectedName, Held>> {
  const parents = readParents();
  const supervisors = nodes.map(({ pid }) => pid);
  const workers = supervisors.flatMap((pid) => findDescendants(parents, pid));
  return { workers: await readHeld(workers), supervisors: await readHeld(supervisors) };
}

async function readHeld(pids: readonly number[]): Promise<Held> {
  let liveMb = 0;
  for (const pid of pids) liveMb += await collect(pid);
  const least = pids.map(() => Number.POSITIVE_INFINITY);
  for (let reading = 0; reading < ownReadings; reading += 1) {
    for (const [index, pid] of pids.entries()) {
      least[index] = Math.min(least[index] ?? Number.NaN, await readOwnMb(pid));
    }
    await wait(ownReadingEveryMs);
  }
  return { liveMb, ownMb: least.reduce((sum, megabytes) => sum + megabytes, 0) };
}

/** @returns what is left, MB */
async function collect(pid: number): Promise<number> {
  const inspector = await openInspector({ pid });
  try {
    // What the finalizers of the first one let go is taken by the second.
    await inspector.call('HeapProfiler.collectGarbage');
    await inspector.call('HeapProfiler.collectGarbage');
    const bytes = await inspector.evaluate(
      '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())',
    );
    if (typeof bytes !== 'number') throw new Error(`Process ${pid} does not say what it holds.`);
    return bytes / 2 ** 20;
  } finally {
    await inspector.close();
  }
}
