/**
 * PostgreSQL that stands still. A process that was stopped (SIGSTOP, by a person or a tool) acts on no signal before it is
 * continued, SIGQUIT included; only SIGKILL reaches it. So whatever is to end one is followed by SIGCONT, as systemd does
 * it (systemd.kill(5)): a process that runs does not notice.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { errorCode } from './failures.ts';

interface Process {
  pid: number;
  parent: number;
  isStopped: boolean;
}

/**
 * Sends a signal that ends a PostgreSQL, and sees to it that it is acted on.
 *
 * @param postmaster its process id
 * @returns whether some process of it stood still and was continued; only Linux tells
 */
export function signalPostmaster(postmaster: number, signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): boolean {
  // A killed one no longer ends its children, and as long as they live the next one finds the shared memory in use.
  const reached = signal === 'SIGKILL' ? processesOf(postmaster) : [];
  send(postmaster, signal);
  for (const { pid, parent } of reached) if (parent === postmaster) send(pid, signal);
  if (process.platform === 'win32' || signal === 'SIGKILL') return false;
  // The children too: each is asked by the postmaster to end, and it waits for them.
  const all = processesOf(postmaster);
  for (const { pid } of all) send(pid, 'SIGCONT');
  return all.some(({ isStopped }) => isStopped);
}

/** A postmaster and its children; without /proc itself alone. */
function processesOf(postmaster: number): Process[] {
  if (process.platform !== 'linux') return [{ pid: postmaster, parent: 0, isStopped: false }];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? [])
    .filter(({ pid, parent }) => pid === postmaster || parent === postmaster);
}

/** @returns undefined when it has ended */
function readProcess(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Its name stands before, in parentheses, and may hold anything.
    const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { pid, parent: Number(parent), isStopped: state === 'T' };
  } catch {
    return undefined;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
