/** A real PgBouncer on a Unix socket in front of a PostgreSQL. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandFor, type Identity } from '../../src/database/embedded/identity.ts';
import type { DatabaseConnection } from '../../src/database/embedded.ts';
import { findProgram } from '../topology/programs.ts';

export interface Pgbouncer {
  /** The same database, through here. */
  address: DatabaseConnection;
  /** The running process. */
  pid(): number;
  signal(name: NodeJS.Signals): void;
  /** Resolves once it is gone. */
  kill(): Promise<void>;
  /** Starts it again after `kill`. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  close(): Promise<void>;
}

export interface PgbouncerOptions {
  mode?: 'session' | 'transaction' | 'statement';
  /** Connections to PostgreSQL. Few, so that callers take turns on them. */
  poolSize?: number;
  /** Further lines of its section, which count over all of the above. */
  settings?: Readonly<Record<string, string>>;
}

/** Such as [1, 18], of the program that is here. */
function readVersion(): readonly [major: number, minor: number] {
  const program = findProgram('pgbouncer');
  if (program === undefined) return [0, 0];
  const said = execFileSync(program, ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(said) ?? [];
  return [Number(major), Number(minor)];
}

const [major, minor] = readVersion();
export const pgbouncerVersion = `${major}.${minor}`;
/** Does it give prepared statements names of its own (1.21 and later)? Then it is told to, as deploy/pgbouncer/ says. */
export const sharesPrepared = major > 1 || minor >= 21;

const port = 6432;
const startWithinMs = 10_000;

/** @param database reached by a Unix socket that lets everybody in who can reach it */
export async function startPgbouncer(
  database: DatabaseConnection,
  { mode = 'transaction', poolSize = 4, settings = {} }: PgbouncerOptions = {},
): Promise<Pgbouncer> {
  const program = requirePgbouncer();
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-pgbouncer-'));
  const identity = identityBeside(database.host);
  if (identity.user !== undefined) chownSync(folder, identity.user.uid, identity.user.gid);
  const file = join(folder, 'pgbouncer.ini');
  const { host, port: databasePort, user } = database;
  writeFileSync(
    file,
    `[databases]
* = host=${host} port=${databasePort} user=${user}
[pgbouncer]
listen_addr =
listen_port = ${port}
unix_socket_dir = ${folder}
auth_type = any
pool_mode = ${mode}
default_pool_size = ${poolSize}
max_client_conn = 500
server_round_robin = 1
server_login_retry = 1
${sharesPrepared ? 'max_prepared_statements = 200' : ''}
logfile = ${join(folder, 'log')}
${Object.entries(settings)
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n')}
`,
    { mode: 0o644 },
  );
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const { file: command, args, options } = commandFor(identity, program, ['-q', file]);
    child = spawn(command, args, { ...options, stdio: 'ignore' });
    // A test that failed half-way must end all the same.
    child.unref();
    const deadline = performance.now() + startWithinMs;
    while (!(await accepts(join(folder, `.s.PGSQL.${port}`)))) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error('PgBouncer does not start.');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // Or a file that has nothing else to do would end here, and leave the folder behind.
    child.ref();
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    // What a killed one leaves behind would keep the next from starting.
    rmSync(join(folder, `.s.PGSQL.${port}`), { force: true });
  }

  await start();
  const endWithTest = () => child?.kill('SIGKILL');
  process.once('exit', endWithTest);
  return {
    address: { ...database, host: folder, port },
    pid: () => child?.pid ?? 0,
    signal: (name) => void child?.kill(name),
    kill,
    start,
    async close() {
      process.off('exit', endWithTest);
      await kill();
      await kill();
      rmSync(folder, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function requirePgbouncer(): string {
  const program = findProgram('pgbouncer');
  if (program === undefined) throw new Error('pgbouncer is not here: install the package pgbouncer');
  return program;
}

/** It refuses root, and the socket of PostgreSQL may be in a folder that only PostgreSQL's own user gets into. */
function identityBeside(host: string): Identity {
  if (process.getuid?.() !== 0) return { user: undefined, setpriv: undefined };
  const { uid, gid } = statSync(host);
  return { user: { name: 'pgbouncer', uid, gid }, setpriv: findProgram('setpriv') };
}

async function accepts(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
