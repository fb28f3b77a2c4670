/** Keeps password hashing out of the way of requests: its threads run only where nothing else wants the core. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Linux: the lowest priority but those that never run beside others. */
const lowest = 19;

/**
 * Gives the libuv pool, where passwords are hashed, the policy SCHED_IDLE (sched(7)), so that on a machine whose cores
 * are all hashing an event loop that wakes up takes the core at once. P99 of `/me` while 100 connections sign in: 1.5
 * to 2.3 ms with it, 3.3 to 4.2 ms with the lowest priority alone (docs/performance.md). Node has no call for a policy,
 * so `chrt` of util-linux sets it; without that program the lowest priority remains. Threads are named by libuv and
 * have a policy of their own on Linux alone; elsewhere, and for a pool that has not started, this does nothing.
 *
 * @returns how many threads were lowered, and to what
 */
export async function lowerHashPriority(): Promise<{ idle: number; lowest: number }> {
  const lowered = { idle: 0, lowest: 0 };
  for (const thread of poolThreads()) {
    try {
      os.setPriority(thread, lowest);
      lowered.lowest += 1;
      await run('chrt', ['--idle', '--pid', '0', String(thread)], { timeout: 1000 });
      lowered.idle += 1;
      lowered.lowest -= 1;
    } catch {
      // No chrt, a thread that has just ended, or a sandbox that forbids it: hashing then competes as before.
    }
  }
  return lowered;
}

function poolThreads(): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/task').filter(isPoolThread).map(Number);
}

function isPoolThread(id: string): boolean {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('libuv-worker');
  } catch {
    return false;
  }
}
