/** Nodes as a team runs them: `irontrack serve` as a process of its own, on a Unix domain socket. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatabaseConnection } from '../../src/database/embedded.ts';
import { type RunningProgram, startProgram } from './programs.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const compileCache = fileURLToPath(new URL('../../../node_modules/.cache/compile', import.meta.url));

export interface Node extends RunningProgram {
  /** Path of its socket. */
  socket: string;
}

/**
 * Starts one and waits until it serves. The caller stops it.
 *
 * @param folder its data and its socket; short, as the path of a socket has 107 bytes at most
 * @param environment beside what it takes to run behind nginx at all
 * @param log takes its output; unset: memory
 */
export async function startNode(
  folder: string,
  environment: Readonly<Record<string, string>>,
  log?: string,
): Promise<Node> {
  const socket = join(folder, 'node.sock');
  const settings = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    NODE_COMPILE_CACHE: compileCache,
    UV_THREADPOOL_SIZE: '6',
    SOCKET_PATH: socket,
    TRUSTED_PROXIES: 'unix',
    DATA_DIR: join(folder, 'data'),
    LOG_FORMAT: 'json',
    ...environment,
  };
  const isReady = (output: string) => output.includes('Documentation:');
  const program = await startProgram(process.execPath, [main, 'serve'], settings, isReady, log);
  return { ...program, socket };
}

/** The database of a test as DATABASE_URL has it: on a Unix socket, named as libpq does. */
export function databaseUrlOf({ host, port, user, database }: DatabaseConnection): string {
  return `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;
}
