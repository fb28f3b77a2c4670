/** Keeps password hashing out of the way of requests: its threads run only where nothing else wants the core. */
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';

/** Linux: the lowest priority but those that never run beside others. */
const lowest = 19;

/**
 * Lowers the priority of the libuv pool, where passwords are hashed, below the event loop's, so that on a machine whose
 * cores are all hashing it is the hashing that gives way. How much that helps is not settled: the runs in
 * docs/performance.md are few and overlap. Threads are named by libuv and have a priority of their own on Linux alone; elsewhere, and for
 * a pool that has not started, this does nothing.
 *
 * @returns how many threads were lowered
 */
export function lowerHashPriority(): number {
  if (process.platform !== 'linux') return 0;
  let lowered = 0;
  for (const id of readdirSync('/proc/self/task')) {
    try {
      if (!readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('libuv-worker')) continue;
      os.setPriority(Number(id), lowest);
      lowered += 1;
    } catch {
      // A thread that has just ended, or a sandbox that forbids it: hashing then competes as before.
    }
  }
  return lowered;
}
