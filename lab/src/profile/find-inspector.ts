/** Finds the inspector of a running Node by its PID, and has Node open it (SIGUSR1) when it is shut. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitStatus, LabError } from '../exit-status.ts';
import { readProcFile, readProcLink } from '../sample/proc.ts';

export interface FoundInspector {
  url: string;
  /** Whoever opened it should shut it. */
  openedByUs: boolean;
}

const waitMs = 5000;
/** Of SIGUSR1, number 10, in the masks of /proc/PID/status. */
const userSignalBit = 1n << 9n;

/**
 * SIGUSR1 ends a process that has no handler for it, so it is only sent to one that catches it, as every Node does.
 * On an open inspector the signal does nothing; a port that appears after it is the one. Only when none appears are
 * the ports asked that were open before, which for a server costs one unknown path: /json/list.
 *
 * @throws LabError (tool) when the process is gone, is not Node, or opens no inspector
 */
export async function findInspector(pid: number): Promise<FoundInspector> {
  if (process.platform !== 'linux') {
    throw new LabError(
      exitStatus.tool,
      '--pid needs Linux; elsewhere start the server with --inspect and give its URL.',
    );
  }
  let before = listListeningPorts(pid);
  const announced = findAnnouncedPort(pid);
  for (const port of before.filter((candidate) => candidate === announced)) {
    const url = await askInspector(port);
    if (url !== null) return { url, openedByUs: false };
  }
  if (!catchesUserSignal(pid)) throw noInspector(pid, readProcFile(`/proc/${pid}/stat`) === null);
  const startedAt = performance.now();
  for (let turn = 0; performance.now() - startedAt < waitMs; turn += 1) {
    // Again every second: an inspector that was just being shut swallows the signal.
    if (turn % 50 === 0) sendUserSignal(pid);
    await sleep(20);
    for (const port of listListeningPorts(pid).filter((candidate) => !before.includes(candidate))) {
      const url = await askInspector(port);
      if (url !== null) return { url, openedByUs: true };
    }
    if (turn !== 25) continue;
    for (const port of before) {
      const url = await askInspector(port);
      if (url !== null) return { url, openedByUs: false };
    }
    before = before.filter((port) => listListeningPorts(pid).includes(port));
  }
  throw noInspector(pid, readProcFile(`/proc/${pid}/stat`) === null);
}

function sendUserSignal(pid: number): void {
  try {
    process.kill(pid, 'SIGUSR1');
  } catch (error) {
    if (readProcFile(`/proc/${pid}/stat`) === null) throw noInspector(pid, true);
    throw new LabError(exitStatus.tool, `Process ${pid} takes no signal from us: run as its user.`, {
      cause: error,
    });
  }
}

function noInspector(pid: number, isGone: boolean): LabError {
  const sentence = isGone
    ? `There is no process ${pid} (any more): look its PID up again.`
    : `Process ${pid} opens no inspector: it is no Node, or its inspector port (9229) is taken; start it with ` +
      '--inspect=127.0.0.1:0 and give --inspect-url.';
  return new LabError(exitStatus.tool, sentence);
}

function catchesUserSignal(pid: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)/m.exec(readProcFile(`/proc/${pid}/status`) ?? '')?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) & userSignalBit) !== 0n;
}

/** The port of --inspect on the command line, or the default one. */
function findAnnouncedPort(pid: number): number {
  const line = readProcFile(`/proc/${pid}/cmdline`) ?? '';
  const port = /--inspect(?:-brk|-wait|-port)?[=\0](?:[^\0]*:)?(\d+)/.exec(line)?.[1];
  return port === undefined ? 9229 : Number(port);
}

/** TCP ports that a process listens on: those of /proc/net/tcp whose inode is one of its open files. */
export function listListeningPorts(pid: number): number[] {
  const inodes = new Set<string>();
  for (const file of listFiles(pid)) {
    const inode = /^socket:\[(\d+)\]$/.exec(readProcLink(`/proc/${pid}/fd/${file}`) ?? '')?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  const ports = new Set<number>();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readProcFile(`/proc/${pid}/net/${table}`)?.split('\n') ?? []) {
      const fields = line.trim().split(/\s+/);
      const [local, state, inode] = [fields[1], fields[3], fields[9]];
      if (state === '0A' && inode !== undefined && inodes.has(inode)) {
        ports.add(Number.parseInt(local?.split(':')[1] ?? '', 16));
      }
    }
  }
  return [...ports].filter(Number.isInteger);
}

function listFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
}

/** The WebSocket address an inspector gives at /json/list; null when something else answers there. */
async function askInspector(port: number): Promise<string | null> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/json/list`, { signal: AbortSignal.timeout(1000) });
    const targets: unknown = await answer.json();
    const first: unknown = Array.isArray(targets) ? targets[0] : undefined;
    const url: unknown =
      typeof first === 'object' && first !== null ? Reflect.get(first, 'webSocketDebuggerUrl') : undefined;
    return typeof url === 'string' ? url : null;
  } catch {
    return null;
  }
}
