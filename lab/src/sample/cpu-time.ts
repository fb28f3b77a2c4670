/** CPU that processes have used, for the CPU per request: the steady witness on a noisy machine. */
import { exitStatus, LabError } from '../exit-status.ts';
import { listThreads, readProcessStat, readThreadTimes } from './proc.ts';

/**
 * User and system CPU of the processes since they began, in milliseconds, all threads; a process that is gone counts
 * nothing. schedstat counts the living threads to the nanosecond, stat all of them but rounded down to 10 ms, so the
 * larger of both is right with and without threads that ended.
 *
 * @throws LabError (tool) where there is no /proc: figures of CPU need Linux.
 */
export function readCpuMs(pids: readonly number[]): number {
  if (process.platform !== 'linux') {
    throw new LabError(
      exitStatus.tool,
      'CPU per request is read from /proc: measure on Linux, or leave it out.',
    );
  }
  let totalNs = 0;
  for (const pid of pids) totalNs += readProcessCpuNs(pid);
  return totalNs / 1e6;
}

/** As readCpuMs, of one process in nanoseconds; 0 when it is gone. */
export function readProcessCpuNs(pid: number): number {
  let living = 0;
  for (const thread of listThreads(pid)) living += readThreadTimes(pid, thread)?.cpuNs ?? 0;
  return Math.max(living, readProcessStat(pid)?.cpuNs ?? 0);
}
