/** Runs one PostgreSQL program to its end. */
import { spawn } from 'node:child_process';
import { parse } from 'node:path';
import { exitStatus, StartupError } from '../../startup-error.ts';
import { commandFor, type Identity } from './identity.ts';

/**
 * The environment of every PostgreSQL program: nothing of ours (PGDATA, PGPORT and the like would change what it
 * does), messages in English (failures.ts reads them), UTC (initdb would try every time zone of the system).
 */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  // biome-ignore lint/style/noProcessEnv: handed on to a program, not read as configuration.
  const { PATH, SystemRoot, TEMP } = process.env;
  return { PATH, LC_ALL: 'C', TZ: 'UTC', ...(process.platform === 'win32' ? { SystemRoot, TEMP } : {}) };
}

/** The folder to run in: this process's own may be one that the other user cannot enter. */
export function neutralFolder(program: string): string {
  return parse(program).root;
}

/** Resolves with the exit code and everything the program printed. */
export function runProgram(
  identity: Identity,
  program: string,
  args: string[],
  input = '',
): Promise<{ code: number; output: string }> {
  const { file, args: allArgs, options } = commandFor(identity, program, args);
  return new Promise((resolve, reject) => {
    // Its own process group, as the postmaster: an interrupt at the terminal must not tear a first start apart.
    const child = spawn(file, allArgs, {
      ...options,
      detached: true,
      cwd: neutralFolder(program),
      env: postgresEnvironment(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    // A program that ends before it reads its input closes the pipe; its exit code tells the story.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', (error) => reject(cannotRun(program, error)));
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** A program that is there and yet cannot be run was built for another C library or processor. */
export function cannotRun(program: string, cause: Error): StartupError {
  return new StartupError(
    exitStatus.badConfiguration,
    `The embedded PostgreSQL cannot run on this system (${program}: ${cause.message}; its builds need glibc). Set ` +
      'DATABASE_URL to a PostgreSQL 15 or later of your own.',
    { cause },
  );
}
