/** For the tests: data folders that are cleaned up, and a process that holds one. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import postgres from 'postgres';
import {
  type DatabaseConnection,
  type EmbeddedDatabase,
  type EmbeddedOptions,
  startEmbeddedDatabase,
} from '../embedded.ts';

export interface DataFolder {
  path: string;
}

export interface Holder {
  connection: DatabaseConnection;
  pid: number;
  child: ChildProcess;
  ended: Promise<void>;
  /** Everything it printed, when it has ended: 'status message' after a refusal to start. */
  output: Promise<string>;
}

const mounted = new Set<string>();

export const isRoot = process.getuid?.() === 0;

/** An empty folder, removed after the test together with whatever still runs in it. */
export function makeDataFolder(t: TestContext, name = 'data'): DataFolder {
  const parent = realpathSync(mkdtempSync(join(tmpdir(), 'irontrack-embedded-')));
  // Root's temporary folders are closed to PostgreSQL's user; the test of that case closes its own.
  execFileSync('chmod', ['711', parent]);
  const path = join(parent, name);
  mkdirSync(path, { recursive: true, mode: 0o711 });
  t.after(async () => {
    // A test that failed half-way may leave a server; a start and a stop clear it away.
    if (existsSync(join(path, 'postgresql', 'postmaster.pid'))) {
      await start({ path })
        .then((database) => database.stop())
        .catch(() => {});
    }
    if (mounted.delete(path)) execFileSync('umount', ['-l', path]);
    rmSync(parent, { recursive: true, force: true });
  });
  return { path };
}

export function start(folder: DataFolder, options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedDatabase> {
  return startEmbeddedDatabase({ dataDir: folder.path, say: () => {}, durable: false, ...options });
}

export async function query(database: { connection: DatabaseConnection }, statement: string) {
  const sql = postgres({ ...database.connection, max: 1, onnotice: () => {} });
  try {
    return [...(await sql.unsafe(statement))];
  } finally {
    await sql.end();
  }
}

interface HolderOptions {
  durable?: boolean;
  waitUntilReady?: boolean;
  asNobody?: boolean;
  ownGroup?: boolean;
}

/** Another process that starts the database of a folder and keeps it until it is killed. */
export async function spawnHolder(
  t: TestContext,
  folder: DataFolder,
  options: HolderOptions = {},
): Promise<Holder> {
  const { durable = false, waitUntilReady = true, asNobody = false, ownGroup = false } = options;
  const script = `
    const { startEmbeddedDatabase } = await import(${JSON.stringify(new URL('../embedded.ts', import.meta.url).href)});
    try {
      const options = { dataDir: ${JSON.stringify(folder.path)}, durable: ${durable}, say: () => {} };
      const { connection } = await startEmbeddedDatabase(options);
      console.log(JSON.stringify(connection));
    } catch (error) {
      console.log(error.status, error.message);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: ownGroup,
    cwd: '/',
    ...(asNobody ? { uid: 65534, gid: 65534 } : {}),
  });
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ready = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve();
    });
  });
  if (waitUntilReady) await Promise.race([ready, ended]);
  const connection: DatabaseConnection = waitUntilReady
    ? JSON.parse(text)
    : { host: '', port: 0, user: '', database: '' };
  return { connection, pid: child.pid ?? 0, child, ended, output: ended.then(() => text) };
}

/** Mounts a small file system that can be filled; false where that is not permitted. */
export function tryMountTmpfs(path: string, size: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0711`, 'tmpfs', path], {
      stdio: 'ignore',
    });
  } catch {
    return false;
  }
  mounted.add(path);
  return true;
}
