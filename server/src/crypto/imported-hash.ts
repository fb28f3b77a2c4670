/** Password hashes that other systems made: read, checked against cost caps, and verified until they are renewed. */
import { createHash, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { verify as verifyArgon2 } from '@node-rs/argon2';
import { verify as verifyBcrypt } from '@node-rs/bcrypt';

/**
 * The most that a stored hash may cost to verify; one over its cap is unusable. All of them stay near one second of
 * one slow core, and cover the defaults of passlib, Django 6.0, Werkzeug, argon2-cffi and libsodium "moderate".
 * Without them one imported row could take the machine's memory or a hash slot for hours.
 */
export const importedHashCaps = {
  argon2: { memoryKib: 262_144, memoryKibTimesPasses: 1_048_576, parallelism: 16 },
  scrypt: { memoryBytes: 268_435_456, blocksTimesParallelism: 2_097_152 },
  pbkdf2: { iterationsTimesBlocks: 2_000_000 },
  bcrypt: { cost: 14 },
  // A key of a byte or two would match one password in a few hundred; that is no hash but a back door.
  keyBytes: { least: 16, most: 64 },
  saltBytes: { most: 128 },
} as const;

/** Verifies one password against the hash it was made from. */
type ImportedHashCheck = (password: string) => Promise<boolean>;

type Decoder = (text: string) => Buffer | undefined;
type Fields = Readonly<Record<string, string | undefined>>;

const derivePbkdf2 = promisify(pbkdf2);
const deriveScrypt = promisify<
  string,
  Buffer,
  number,
  { N: number; r: number; p: number; maxmem: number },
  Buffer
>(scrypt);

const decodeExactly =
  (encoding: 'base64' | 'hex', spell: (canonical: string) => string): Decoder =>
  (text) => {
    const bytes = Buffer.from(text, encoding);
    return spell(bytes.toString(encoding)) === text ? bytes : undefined;
  };
const paddedBase64 = decodeExactly('base64', (canonical) => canonical);
const phcBase64 = decodeExactly('base64', (canonical) => canonical.replaceAll('=', ''));
const hex = decodeExactly('hex', (canonical) => canonical);
// Werkzeug and Django feed the salt to the function as the very characters that are stored.
const characters: Decoder = (text) => Buffer.from(text, 'utf8');
// passlib's "adapted base64" writes "." for "+"; see https://passlib.readthedocs.io/en/stable/lib/passlib.utils.binary.html
const ab64: Decoder = (text) => (text.includes('+') ? undefined : phcBase64(text.replaceAll('.', '+')));

function readCount(digits: string | undefined): number | undefined {
  return digits === undefined || !/^[1-9][0-9]{0,9}$/.test(digits) ? undefined : Number(digits);
}

function readSaltAndKey(format: Format, fields: Fields): { salt: Buffer; key: Buffer } | undefined {
  const salt = format.salt?.(fields.salt ?? '');
  const key = format.key?.(fields.key ?? '');
  const { keyBytes, saltBytes } = importedHashCaps;
  if (salt === undefined || key === undefined || salt.length > saltBytes.most) return undefined;
  return key.length < keyBytes.least || key.length > keyBytes.most ? undefined : { salt, key };
}

const digestBytes: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha512: 64 };

const readPbkdf2: Reader = (format, fields) => {
  const digest = fields.digest ?? 'sha1';
  const iterations = readCount(fields.iterations);
  const material = readSaltAndKey(format, fields);
  const blockBytes = digestBytes[digest];
  if (iterations === undefined || material === undefined || blockBytes === undefined) return undefined;
  const { salt, key } = material;
  const cost = iterations * Math.ceil(key.length / blockBytes);
  if (cost > importedHashCaps.pbkdf2.iterationsTimesBlocks) return undefined;
  return async (password) =>
    timingSafeEqual(await derivePbkdf2(password, salt, iterations, key.length, digest), key);
};

const readScrypt: Reader = (format, fields) => {
  const log2 = readCount(fields.ln);
  const N = log2 === undefined ? readCount(fields.n) : 2 ** Math.min(log2, 40);
  const r = readCount(fields.r);
  const p = readCount(fields.p);
  const material = readSaltAndKey(format, fields);
  if (N === undefined || r === undefined || p === undefined || material === undefined) return undefined;
  if (N < 2 || !Number.isInteger(Math.log2(N))) return undefined;
  const { salt, key } = material;
  const caps = importedHashCaps.scrypt;
  // RFC 7914: the big vector, one block of input for each lane, and the working block.
  const memoryBytes = 128 * r * (N + p + 2);
  if (memoryBytes > caps.memoryBytes || N * r * p > caps.blocksTimesParallelism) return undefined;
  return async (password) => {
    const derived = await deriveScrypt(password, salt, key.length, { N, r, p, maxmem: memoryBytes + 65_536 });
    return timingSafeEqual(derived, key);
  };
};

const readBcrypt: Reader = (format, fields) => {
  const cost = Number(fields.cost);
  const encoded = fields.encoded;
  if (encoded === undefined || !(cost >= 4 && cost <= importedHashCaps.bcrypt.cost)) return undefined;
  // bcrypt reads 72 bytes and no more; the system that made the hash did the same, so it is not refused here.
  return (password) => verifyBcrypt(format.prepare?.(password) ?? password, encoded);
};

const readArgon2: Reader = (_format, fields) => {
  const memoryKib = readCount(fields.m);
  const passes = readCount(fields.t);
  const parallelism = readCount(fields.p);
  const encoded = fields.encoded;
  const salt = phcBase64(fields.salt ?? '');
  const key = phcBase64(fields.key ?? '');
  if (memoryKib === undefined || passes === undefined || parallelism === undefined) return undefined;
  if (encoded === undefined || salt === undefined || key === undefined) return undefined;
  const { argon2: caps, keyBytes, saltBytes } = importedHashCaps;
  if (memoryKib > caps.memoryKib || memoryKib * passes > caps.memoryKibTimesPasses) return undefined;
  // RFC 9106 section 3.1: at least 8 blocks a lane.
  if (parallelism > caps.parallelism || memoryKib < 8 * parallelism) return undefined;
  if (salt.length < 8 || salt.length > saltBytes.most) return undefined;
  if (key.length < keyBytes.least || key.length > keyBytes.most) return undefined;
  return (password) => verifyArgon2(encoded, password);
};

interface Format {
  name: string;
  pattern: RegExp;
  read: Reader;
  salt?: Decoder;
  key?: Decoder;
  /** What the system did to the password before hashing it. */
  prepare?: (password: string) => string;
}

type Reader = (format: Format, fields: Fields) => ImportedHashCheck | undefined;

const bcryptBody = String.raw`(?<encoded>\$2[aby]\$(?<cost>[0-9]{2})\$[./A-Za-z0-9]{53})`;
const formats: readonly Format[] = [
  {
    name: 'argon2',
    pattern: new RegExp(
      String.raw`^(?:argon2)?(?<encoded>\$argon2id?\$(?:v=(?:16|19)\$)?m=(?<m>[0-9]+),t=(?<t>[0-9]+),p=(?<p>[0-9]+)` +
        String.raw`\$(?<salt>[A-Za-z0-9+/]+)\$(?<key>[A-Za-z0-9+/]+))$`,
    ),
    read: readArgon2,
  },
  {
    name: 'bcrypt',
    pattern: new RegExp(`^(?:bcrypt\\$)?${bcryptBody}$`),
    read: readBcrypt,
  },
  {
    name: 'django-bcrypt-sha256',
    pattern: new RegExp(`^bcrypt_sha256\\$${bcryptBody}$`),
    read: readBcrypt,
    prepare: (password) => createHash('sha256').update(password, 'utf8').digest('hex'),
  },
  {
    name: 'phc-scrypt',
    pattern:
      /^\$scrypt\$ln=(?<ln>\d+),r=(?<r>\d+),p=(?<p>\d+)\$(?<salt>[A-Za-z0-9+/]*)\$(?<key>[A-Za-z0-9+/]+)$/,
    read: readScrypt,
    salt: phcBase64,
    key: phcBase64,
  },
  {
    name: 'django-scrypt',
    pattern: /^scrypt\$(?<n>\d+)\$(?<salt>[^$]+)\$(?<r>\d+)\$(?<p>\d+)\$(?<key>[A-Za-z0-9+/=]+)$/,
    read: readScrypt,
    salt: characters,
    key: paddedBase64,
  },
  {
    name: 'werkzeug-scrypt',
    pattern: /^scrypt:(?<n>\d+):(?<r>\d+):(?<p>\d+)\$(?<salt>[^$]+)\$(?<key>[0-9a-f]+)$/,
    read: readScrypt,
    salt: characters,
    key: hex,
  },
  {
    name: 'passlib-pbkdf2',
    pattern:
      /^\$pbkdf2(?:-(?<digest>sha256|sha512))?\$(?<iterations>\d+)\$(?<salt>[A-Za-z0-9./]*)\$(?<key>[A-Za-z0-9./]+)$/,
    read: readPbkdf2,
    salt: ab64,
    key: ab64,
  },
  {
    name: 'django-pbkdf2',
    pattern: /^pbkdf2_(?<digest>sha1|sha256)\$(?<iterations>\d+)\$(?<salt>[^$]+)\$(?<key>[A-Za-z0-9+/=]+)$/,
    read: readPbkdf2,
    salt: characters,
    key: paddedBase64,
  },
  {
    name: 'werkzeug-pbkdf2',
    pattern: /^pbkdf2:(?<digest>sha1|sha256|sha512):(?<iterations>\d+)\$(?<salt>[^$]+)\$(?<key>[0-9a-f]+)$/,
    read: readPbkdf2,
    salt: characters,
    key: hex,
  },
];

/** The names of the formats, in the order they are tried. */
export const importedHashFormats: readonly string[] = formats.map((format) => format.name);

// Far above the longest real one (Argon2 with a 64-byte key is about 250 characters), far below what a regular
// expression would notice.
const maxStoredLength = 512;

/**
 * Reads a password hash made elsewhere: bcrypt, scrypt, PBKDF2 and Argon2 in the spellings of the PHC string format,
 * passlib, Django and Werkzeug. Reading is cheap; the cost is in the check that is returned.
 *
 * @param stored the hash as the other system stored it
 * @returns the check, or undefined when the format is unknown, malformed, or costs more than `importedHashCaps`
 */
export function readImportedHash(stored: string): ImportedHashCheck | undefined {
  if (stored.length > maxStoredLength) return undefined;
  for (const format of formats) {
    const fields = format.pattern.exec(stored)?.groups;
    if (fields !== undefined) return format.read(format, fields);
  }
  return undefined;
}
