/** Passwords in: Argon2id PHC strings out, and verification that tells nobody which accounts exist. */
import { hash as hashArgon2, verify as verifyArgon2 } from '@node-rs/argon2';
import type { HashQueue } from './hash-queue.ts';
import { readImportedHash } from './imported-hash.ts';

export interface Argon2Parameters {
  /** Memory of one hash in KiB. */
  memoryKib: number;
  passes: number;
  parallelism: number;
}

interface PasswordCheck {
  matches: boolean;
  /** True only on a match: the stored hash is weaker than configured or was made elsewhere; store a new one. */
  needsRenewal: boolean;
}

/** Every method waits its turn in the queue and can throw HashQueueFull. */
export interface PasswordHasher {
  /** @returns an Argon2id PHC string with the configured parameters, about 97 characters */
  hash(password: string): Promise<string>;
  /** A stored hash that cannot be read, or costs more than the caps allow, matches nothing, after the work of one. */
  verify(storedHash: string, password: string): Promise<PasswordCheck>;
  /** Does the work of verifying against a current hash and forgets the answer: for accounts that do not exist. */
  spend(password: string): Promise<void>;
}

interface PasswordHasherOptions {
  parameters: Argon2Parameters;
  queue: HashQueue;
  /** A cryptographic source, such as `randomBytes` of node:crypto. */
  randomBytes: (size: number) => Buffer;
}

// RFC 9106 section 4 recommends both; they are also what the library makes by itself.
const saltBytes = 16;
const keyBytes = 32;

const ownHash = new RegExp(
  String.raw`^\$argon2id\$v=19\$m=(?<m>[0-9]+),t=(?<t>[0-9]+),p=(?<p>[0-9]+)` +
    String.raw`\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`,
);

function readOwnParameters(stored: string): Argon2Parameters | undefined {
  const fields = ownHash.exec(stored)?.groups;
  if (fields === undefined) return undefined;
  return { memoryKib: Number(fields.m), passes: Number(fields.t), parallelism: Number(fields.p) };
}

// What an attacker pays is memory held times passes made over it; many passes over little memory fit on a GPU, so
// less memory is weaker whatever the passes. Lanes change neither and only spread the work.
function isWeaker(stored: Argon2Parameters, wanted: Argon2Parameters): boolean {
  return (
    stored.memoryKib < wanted.memoryKib || stored.memoryKib * stored.passes < wanted.memoryKib * wanted.passes
  );
}

function isSame(left: Argon2Parameters, right: Argon2Parameters): boolean {
  return (
    left.memoryKib === right.memoryKib &&
    left.passes === right.passes &&
    left.parallelism === right.parallelism
  );
}

const noMatch: PasswordCheck = { matches: false, needsRenewal: false };

/**
 * Makes the hasher. It does no work itself, so start-up does not wait for it.
 *
 * Timing: a wrong password, an unknown account (`spend`) and an unusable stored hash all cost one verification at
 * the configured parameters. An account whose hash was imported, or made with other parameters, costs what its hash
 * costs until the first sign-in renews it; nothing but raising everybody to the slowest format could hide that.
 *
 * Passwords are normalised to NFKC, so that what two keyboards call the same password is the same.
 */
export function createPasswordHasher({
  parameters,
  queue,
  randomBytes,
}: PasswordHasherOptions): PasswordHasher {
  const { memoryKib, passes, parallelism } = parameters;
  const encode = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');
  // A random key is the hash of no password that anybody knows and takes the whole work to refute; hashing a random
  // password to get one would add 50 to 190 ms to every start.
  const unmatchable =
    `$argon2id$v=19$m=${memoryKib},t=${passes},p=${parallelism}` +
    `$${encode(randomBytes(saltBytes))}$${encode(randomBytes(keyBytes))}`;
  const spendNow = async (password: string): Promise<PasswordCheck> => {
    await verifyArgon2(unmatchable, password.normalize('NFKC'));
    return noMatch;
  };

  const verifyNow = async (stored: string, password: string): Promise<PasswordCheck> => {
    const normalised = password.normalize('NFKC');
    const own = readOwnParameters(stored);
    if (own !== undefined && isSame(own, parameters)) {
      return { matches: await verifyArgon2(stored, normalised), needsRenewal: false };
    }
    const check = readImportedHash(stored);
    if (check === undefined) return spendNow(password);
    // Other systems hash what was typed. Ours of older parameters look the same as theirs, so both spellings count.
    const matches = (await check(normalised)) || (password !== normalised && (await check(password)));
    return { matches, needsRenewal: matches && (own === undefined || isWeaker(own, parameters)) };
  };

  return {
    hash: (password) =>
      queue.run(() => {
        const options = {
          memoryCost: memoryKib,
          timeCost: passes,
          parallelism,
          outputLen: keyBytes,
          salt: randomBytes(saltBytes),
        };
        return hashArgon2(password.normalize('NFKC'), options);
      }),
    verify: (stored, password) =>
      // The native readers throw before they work, on what the patterns let through.
      queue.run(() => verifyNow(stored, password).catch(() => spendNow(password))),
    spend: async (password) => {
      await queue.run(() => spendNow(password));
    },
  };
}

// OWASP Password Storage Cheat Sheet, "Argon2id": configurations of equal strength.
// https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
const owaspMinima: readonly { memoryKib: number; passes: number }[] = [
  { memoryKib: 47_104, passes: 1 },
  { memoryKib: 19_456, passes: 2 },
  { memoryKib: 12_288, passes: 3 },
  { memoryKib: 9_216, passes: 4 },
  { memoryKib: 7_168, passes: 5 },
];

/** True when no row of OWASP's table of minimum Argon2id configurations is met; the start-up warning asks this. */
export function isBelowOwaspMinimum({ memoryKib, passes }: Argon2Parameters): boolean {
  return !owaspMinima.some((least) => memoryKib >= least.memoryKib && passes >= least.passes);
}
