/** Keeps two experiments out of one folder: both would write to one file, and each would be the other's noise. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitStatus, LabError } from '../exit-status.ts';

/**
 * A lock that a killed process left is taken over.
 *
 * @returns what gives it back
 * @throws LabError when a living process has it
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'running.pid');
  if (!tryLock(path)) {
    const pid = readPid(path);
    if (pid !== undefined && isAlive(pid)) {
      throw new LabError(
        exitStatus.tool,
        `Process ${pid} is measuring into ${folder}; wait for it, or use another --folder. If it is none of the lab's, delete ${path}.`,
      );
    }
    rmSync(path, { force: true });
    if (!tryLock(path)) {
      throw new LabError(exitStatus.tool, `Another process has just begun to measure into ${folder}.`);
    }
  }
  return () => rmSync(path, { force: true });
}

function tryLock(path: string): boolean {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Undefined when there is none in it, as while it is being written. */
function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === code;
}
