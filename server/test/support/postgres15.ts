/** A PostgreSQL 15 of its own, as Debian packages it: to be killed, stopped, filled and replicated. */
import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DatabaseConnection } from '../../src/database/embedded.ts';

const binaries = '/usr/lib/postgresql/15/bin';
const port = 5432;
const run = promisify(execFile);

/** For the `skip` of a test; REQUIRE_ALL=1 wants a failure. */
export const withoutPostgres15 =
  existsSync(join(binaries, 'postgres')) || process.env.REQUIRE_ALL === '1'
    ? false
    : 'PostgreSQL 15 is not here: install the package postgresql-15';

export interface Postgres15 {
  /** The database `postgres`, on a Unix socket. */
  address: DatabaseConnection;
  /** Everything it has: `data`, the socket, `log`. */
  folder: string;
  start(): Promise<void>;
  /** kill -9 of the whole of it. */
  kill(): Promise<void>;
  /** SIGSTOP to every process of it: connections stay open, and nothing answers. */
  pause(): void;
  resume(): void;
  /** A streaming replica of it, which follows until it is closed. */
  startReplica(): Promise<Postgres15>;
  /** Ends it and removes its files. */
  close(): Promise<void>;
}

interface Options {
  /** As in postgresql.conf. */
  settings?: Readonly<Record<string, string>>;
  /** Where its data goes instead of the folder: a small file system, say. */
  dataDir?: string;
}

/** PostgreSQL will not run as root. */
async function readIdentity(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const read = async (option: string) => Number((await run('id', [option, 'postgres'])).stdout);
  return { uid: await read('-u'), gid: await read('-g') };
}

/** Makes a cluster and starts it. Commits are as durable as against `kill`: only a power cut could lose them. */
export async function startPostgres15(options: Options = {}): Promise<Postgres15> {
  return await makeServer(options, async (data, execute) => {
    await execute('initdb', [
      '-D',
      data,
      '-U',
      'irontrack',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--no-sync',
      '--locale=C.UTF-8',
    ]);
  });
}

type Execute = (program: string, args: readonly string[]) => Promise<void>;

async function makeServer(
  { settings = {}, dataDir }: Options,
  fill: (data: string, execute: Execute) => Promise<void>,
): Promise<Postgres15> {
  const identity = await readIdentity();
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-pg15-'));
  const data = dataDir ?? join(folder, 'data');
  if (identity.uid !== undefined && identity.gid !== undefined) {
    chownSync(folder, identity.uid, identity.gid);
    if (dataDir !== undefined) chownSync(dataDir, identity.uid, identity.gid);
  }
  const execute: Execute = async (program, args) => {
    await run(join(binaries, program), args, { ...identity, cwd: '/' });
  };
  const given = { listen_addresses: "''", fsync: 'off', max_connections: '60', ...settings };
  const line = Object.entries(given).map(([name, value]) => `-c ${name}=${value}`);

  const readPid = () => {
    const [pid = ''] = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return Number(pid);
  };
  function processes(): number[] {
    const pid = readPid();
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return [pid, ...children.trim().split(' ').filter(Boolean).map(Number)];
  }
  function signalAll(name: NodeJS.Signals): void {
    for (const pid of processes()) {
      try {
        process.kill(pid, name);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  async function start(): Promise<void> {
    const log = join(folder, 'log');
    const words = [
      '-D',
      data,
      '-w',
      '-t',
      '60',
      '-l',
      log,
      '-o',
      `-p ${port} -k ${folder} ${line.join(' ')}`,
    ];
    // What is left of a killed one may need a moment to notice.
    for (let attempt = 1; ; attempt += 1) {
      try {
        await execute('pg_ctl', [...words, 'start']);
        return;
      } catch (error) {
        const said = existsSync(log) ? readFileSync(log, 'utf8').slice(-2_000) : '';
        if (attempt === 5) throw new Error(`PostgreSQL does not start: ${said}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  async function kill(): Promise<void> {
    const all = processes();
    signalAll('SIGKILL');
    while (all.some((pid) => existsSync(`/proc/${pid}`)))
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  // A test that failed half-way leaves nothing running.
  const endWithTest = () => {
    if (existsSync(join(data, 'postmaster.pid'))) signalAll('SIGKILL');
  };
  process.once('exit', endWithTest);
  const address: DatabaseConnection = { host: folder, port, user: 'irontrack', database: 'postgres' };
  await fill(data, execute);
  await start();
  return {
    address,
    folder,
    start,
    kill,
    pause: () => signalAll('SIGSTOP'),
    resume: () => signalAll('SIGCONT'),
    startReplica: () =>
      makeServer({ settings }, (copy, executeThere) =>
        executeThere('pg_basebackup', [
          ...['-D', copy, '-h', folder, '-p', String(port), '-U', 'irontrack'],
          ...['-R', '-X', 'stream', '--checkpoint=fast', '--no-sync'],
        ]),
      ),
    async close() {
      process.off('exit', endWithTest);
      if (existsSync(join(data, 'postmaster.pid'))) await kill().catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
