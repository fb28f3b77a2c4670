/**
 * Which user PostgreSQL runs as. It refuses root, so under root it is given an unprivileged user; and since that
 * user may be kept out by a folder above (/root is 0700), the right to read past folder permissions when it needs it.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { chown, lstat, readdir, realpath } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { exitStatus, StartupError } from '../../startup-error.ts';
import type { Binaries } from './binaries.ts';

export interface Identity {
  /** Undefined: the user of this process. */
  user: User | undefined;
  /** The setpriv program, when the user needs the capability to reach its files. */
  setpriv: string | undefined;
}

interface User {
  name: string;
  uid: number;
  gid: number;
}

/** In this order when there is no cluster yet whose owner would decide. */
const preferredUsers = ['irontrack', 'postgres', 'nobody'];
const fallbackUser: User = { name: 'nobody', uid: 65534, gid: 65534 };

/** CAP_DAC_READ_SEARCH to hand on, CAP_SETPCAP to be allowed to. Bits of linux/capability.h. */
const neededCapabilities = (1n << 2n) | (1n << 8n);

/**
 * The user for a cluster that exists or is about to.
 *
 * @throws {StartupError} 78 when the cluster belongs to somebody else, or the user could not reach its files.
 */
export async function chooseIdentity(clusterDir: string, binaries: Binaries): Promise<Identity> {
  const owner = await lstat(clusterDir).catch(() => undefined);
  const uid = process.getuid?.();
  if (uid === undefined) return { user: undefined, setpriv: undefined };
  if (uid !== 0) {
    if (owner !== undefined && owner.uid !== uid) throw belongsToSomebodyElse(clusterDir, owner.uid);
    return { user: undefined, setpriv: undefined };
  }
  const users = readUsers();
  const user =
    owner !== undefined && owner.uid !== 0
      ? (users.find((each) => each.uid === owner.uid) ?? {
          name: `user ${owner.uid}`,
          uid: owner.uid,
          gid: owner.gid,
        })
      : (preferredUsers.flatMap((name) => users.find((each) => each.name === name) ?? []).at(0) ??
        fallbackUser);
  const barrier = await findBarrier(clusterDir, binaries, user);
  return { user, setpriv: barrier === undefined ? undefined : findSetpriv(barrier, user) };
}

/** The program and arguments that run a PostgreSQL program under the identity, for child_process.spawn. */
export function commandFor(identity: Identity, program: string, args: string[]) {
  const { user, setpriv } = identity;
  if (user === undefined) return { file: program, args, options: {} };
  const { uid, gid } = user;
  if (setpriv === undefined) return { file: program, args, options: { uid, gid } };
  const only = '-all,+dac_read_search';
  // PostgreSQL asks access(2) about its own program, which drops capabilities for the question unless the
  // no_setuid_fixup bit is set. The bounding set keeps everything but this one capability out for good.
  const rights = ['--securebits', '+no_setuid_fixup', '--inh-caps', only, '--bounding-set', only];
  return {
    file: setpriv,
    args: ['--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups']
      .concat(rights, ['--ambient-caps', '+dac_read_search', '--', program])
      .concat(args),
    options: {},
  };
}

/** Gives a folder and all it holds to the identity's user; nothing to do when that is this process. */
export async function giveTo(identity: Identity, path: string): Promise<void> {
  const { user } = identity;
  if (user === undefined) return;
  await giveFolder(path, user);
}

async function giveFolder(path: string, user: User): Promise<void> {
  await chown(path, user.uid, user.gid);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) await giveFolder(child, user);
    // A link (a table space) is left as it is: what it points to is not ours to give away.
    else if (!entry.isSymbolicLink()) await chown(child, user.uid, user.gid);
  }
}

/** The first folder or file that the user may not pass or read on the way to its files, if any. */
async function findBarrier(clusterDir: string, binaries: Binaries, user: User): Promise<string | undefined> {
  const root = await realpath(binaries.root);
  const files = [
    binaries.postgres,
    join(root, 'share/postgresql/postgres.bki'),
    join(root, 'lib/libpq.so.5'),
  ];
  const folders = [join(root, 'lib'), dirname(clusterDir)].flatMap(withParents);
  return (
    folders.find((folder) => !allows(folder, user, 0o1)) ??
    files.find((file) => statSync(file, { throwIfNoEntry: false }) !== undefined && !allows(file, user, 0o4))
  );
}

function withParents(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [...withParents(parent), folder];
}

/** Reads the mode bits only. An access list that grants more costs nothing but an unneeded setpriv. */
function allows(path: string, user: User, bit: number): boolean {
  const { uid, gid, mode } = statSync(path);
  if (uid === user.uid) return (mode & (bit << 6)) !== 0;
  if (gid === user.gid) return (mode & (bit << 3)) !== 0;
  return (mode & bit) !== 0;
}

function findSetpriv(barrier: string, user: User): string {
  // biome-ignore lint/style/noProcessEnv: where programs are is the system's business, not configuration of ours.
  const setpriv = (process.env.PATH ?? '/usr/bin:/bin')
    .split(delimiter)
    .map((folder) => join(folder, 'setpriv'))
    .find(isExecutable);
  if (setpriv !== undefined && mayHandOnCapabilities()) return setpriv;
  const missing =
    setpriv === undefined
      ? 'setpriv (package util-linux) is not installed'
      : 'CAP_DAC_READ_SEARCH is not granted';
  throw new StartupError(
    exitStatus.badConfiguration,
    `Under root the embedded PostgreSQL runs as ${user.name}, who cannot pass ${barrier}, and ${missing}. Run ` +
      'IronTrack as an ordinary user, or keep it and DATA_DIR where everybody may pass, such as /var/lib/irontrack.',
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function mayHandOnCapabilities(): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return effective !== undefined && (BigInt(`0x${effective}`) & neededCapabilities) === neededCapabilities;
  } catch {
    return false;
  }
}

function readUsers(): User[] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
      .filter(({ uid, gid }) => Number.isInteger(uid) && uid > 0 && Number.isInteger(gid));
  } catch {
    return [];
  }
}

function belongsToSomebodyElse(clusterDir: string, uid: number): StartupError {
  const owner = readUsers().find((user) => user.uid === uid)?.name ?? (uid === 0 ? 'root' : `user ${uid}`);
  return new StartupError(
    exitStatus.badConfiguration,
    `The database in ${clusterDir} belongs to ${owner}. Start IronTrack as that user, give the data folder to the ` +
      'present one (chown -R), or name another folder in DATA_DIR.',
  );
}
