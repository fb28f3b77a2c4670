/** The signing key on disk: made once whoever starts first, readable by its owner alone, replaced in one step. */
import { link, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  createSigningKey,
  parseSigningKey,
  type SigningKey,
  SigningKeyError,
  serializeSigningKey,
} from './signing-key.ts';

/** A cryptographic source, such as `randomBytes` of node:crypto. */
type RandomBytes = (size: number) => Buffer;

// A JWK of this kind has 200 bytes; a file of megabytes is something else by mistake.
const maxFileBytes = 4096;

function readErrorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/**
 * Reads the key file.
 *
 * @returns undefined when there is no such file
 * @throws {SigningKeyError} when others may read it, or its content is not a usable key
 * @throws the file system's own error for anything else, such as a missing permission
 */
export async function readSigningKeyFile(path: string): Promise<SigningKey | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (readErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mode, size } = await file.stat();
    // Windows has no such bits; there the folder's access list decides.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new SigningKeyError(
        `The signing key ${path} may be read or changed by other users (mode ${octal}). Run \`chmod 600 ${path}\`, ` +
          'and rotate the key if others have had access.',
      );
    }
    if (size > maxFileBytes) throw new SigningKeyError(`The signing key ${path} is too large to be a key.`);
    return parseSigningKey(await file.readFile('utf8'));
  } catch (error) {
    if (!(error instanceof SigningKeyError) || error.message.includes(path)) throw error;
    throw new SigningKeyError(`${error.message} The key was read from ${path}.`);
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder, and its file systems journal the entry by themselves.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Writes the key beside its place and hands over the path, so that the place only ever holds a whole key. */
async function writeBeside(path: string, key: SigningKey, randomBytes: RandomBytes): Promise<string> {
  const beside = `${path}.${randomBytes(8).toString('hex')}.new`;
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.writeFile(`${serializeSigningKey(key)}\n`);
    // Root rotates for a server that runs as somebody else: the folder is that user's, and so must the key be.
    if (process.getuid?.() === 0) {
      const { uid, gid } = await stat(dirname(path));
      await file.chown(uid, gid);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return beside;
}

/**
 * Reads the key at the path, or makes one there. Processes that start together end with the same key: a hard link
 * never replaces what is there, so the first one wins and the others read its key.
 *
 * @throws as `readSigningKeyFile`, and the file system's error where the folder cannot be written
 */
export async function loadOrCreateSigningKeyFile(
  path: string,
  randomBytes: RandomBytes,
): Promise<SigningKey> {
  const present = await readSigningKeyFile(path);
  if (present !== undefined) return present;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const key = createSigningKey(randomBytes(32));
  const beside = await writeBeside(path, key, randomBytes);
  try {
    await link(beside, path);
    await syncFolder(dirname(path));
    return key;
  } catch (error) {
    if (readErrorCode(error) !== 'EEXIST') throw error;
    const winner = await readSigningKeyFile(path);
    if (winner === undefined) throw error;
    return winner;
  } finally {
    await unlink(beside);
  }
}

interface RotateSigningKeyOptions {
  randomBytes: RandomBytes;
  /**
   * Awaited while the old key is still in place: the moment to publish both public keys, so that no token is signed
   * by a key that a verifier has not heard of and the old key's tokens outlive it. If it throws, nothing changes.
   */
  beforeReplace?: (previous: SigningKey | undefined, next: SigningKey) => Promise<void>;
}

/**
 * Puts a new key in the place of the old one in one step. Of two rotations at once the later rename stays; the other
 * key was published and is never used.
 *
 * @returns the key that was there, if any, and the one that is there now
 */
export async function rotateSigningKeyFile(
  path: string,
  { randomBytes, beforeReplace }: RotateSigningKeyOptions,
): Promise<{ previous: SigningKey | undefined; next: SigningKey }> {
  const previous = await readSigningKeyFile(path);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const next = createSigningKey(randomBytes(32));
  const beside = await writeBeside(path, next, randomBytes);
  try {
    await beforeReplace?.(previous, next);
    await rename(beside, path);
  } catch (error) {
    await unlink(beside);
    throw error;
  }
  await syncFolder(dirname(path));
  return { previous, next };
}
