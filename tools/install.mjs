/** Installs the dependencies when they are missing or are not the ones in package-lock.json. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const leastNode = [20, 19];

/**
 * Brings node_modules in line with package-lock.json; takes about a millisecond when it is.
 *
 * Ends the process with status 69 when npm cannot do it, and 78 on a Node that is too old.
 *
 * @param {string} [root] the folder of package-lock.json
 */
export async function ensureInstalled(root = fileURLToPath(new URL('..', import.meta.url))) {
  refuseOldNode();
  const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8');
  // Another platform (a folder shared with a container) or C library needs other binaries.
  const wanted = createHash('sha256').update(`${process.platform} ${process.arch} ${lockText}`).digest('hex');
  const stampFile = join(root, 'node_modules', '.irontrack-installed');
  if (existsSync(stampFile)) {
    if (readFileSync(stampFile, 'utf8').trim() === wanted) return;
  }
  if (!isInstalled(root, lockText)) {
    process.stderr.write('Installing dependencies (npm ci), which takes a moment the first time ...\n');
    await runNpmCi(root);
  }
  try {
    writeFileSync(stampFile, `${wanted}\n`);
  } catch {
    // A folder we may not write: the comparison below is made at every start instead.
  }
}

/**
 * True when npm's own record of node_modules matches the lock file, so that a developer who ran npm install does not
 * lose the folder. A package that is optional and absent belongs to another platform.
 */
function isInstalled(root, lockText) {
  try {
    const wanted = Object.entries(JSON.parse(lockText).packages).filter(([path]) =>
      path.includes('node_modules/'),
    );
    const present = JSON.parse(
      readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8'),
    ).packages;
    return wanted.every(([path, entry]) => {
      const installed = present[path];
      if (installed === undefined || !existsSync(join(root, path)))
        return entry.optional && !isForHere(entry);
      return entry.link || installed.version === entry.version;
    });
  } catch {
    return false;
  }
}

/** Musl builds count as foreign: where they are the right ones, npm ci runs once and its stamp says the rest. */
function isForHere({ os = [process.platform], cpu = [process.arch], libc = ['glibc'] }) {
  return os.includes(process.platform) && cpu.includes(process.arch) && libc.includes('glibc');
}

async function runNpmCi(root) {
  const home = useHome();
  let result = await runNpm(root, ['ci'], home.env);
  // npm ci refuses a lock file that leaves out an optional package of some other platform, as one does that was
  // written with a registry that lacks it. npm install takes everything else from the same lock file.
  if (/EUSAGE/.test(result.errors)) result = await runNpm(root, ['install', '--no-save'], home.env);
  home.remove();
  if (result.ended === 0) return;
  process.stderr.write(result.errors);
  fail(
    69,
    `The dependencies could not be installed (npm ended with ${result.ended}); what npm says above tells why.`,
  );
}

function runNpm(root, command, env) {
  // npm says where it is when it started us; without it (node tools/start.mjs) it is looked up in PATH.
  const npm = process.env.npm_execpath;
  const viaNode = npm !== undefined && /npm-cli\.c?js$/.test(npm);
  const file = viaNode ? process.execPath : process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = [...(viaNode ? [npm] : []), ...command, '--no-audit', '--no-fund', '--loglevel=error'];
  const child = spawn(file, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: process.platform === 'win32' && !viaNode,
  });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  return new Promise((resolve) => {
    child.once('error', (error) =>
      fail(69, `npm could not be run (${error.message}). Install npm, then try again.`),
    );
    child.once('close', (code, signal) => resolve({ ended: code ?? signal, errors }));
  });
}

/** npm keeps its cache in the home folder; one for this run stands in where there is no home that could be used. */
function useHome() {
  const home = process.env.HOME ?? homedir();
  if (home !== '' && home !== '/' && existsSync(home)) return { env: {}, remove: () => {} };
  const cache = mkdtempSync(join(tmpdir(), 'irontrack-npm-'));
  return {
    env: { npm_config_cache: cache },
    remove: () => rmSync(cache, { recursive: true, force: true }),
  };
}

function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])) return;
  fail(
    78,
    `IronTrack needs Node ${leastNode.join('.')} or later to start; this is ${process.versions.node}.`,
  );
}

function fail(status, message) {
  process.stderr.write(`irontrack: ${message}\n`);
  process.exit(status);
}
