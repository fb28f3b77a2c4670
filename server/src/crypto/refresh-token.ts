/**
 * Refresh tokens: opaque to clients, they name a session and a generation of it, and prove it.
 *
 *     base64url( session id 16 | generation u32 big-endian | secret 32 | tag 16 )        68 bytes, 91 characters
 *     tag    = first 16 bytes of HMAC-SHA-256( session's tag key, session id | generation | secret )
 *     secret = of the first generation: random
 *              of every other: HMAC-SHA-256( predecessor's secret, rotation salt | session id | generation )
 *
 * The database holds for each session: tag key, generation, SHA-256 of the current and of the previous secret, and
 * the random salt of the last rotation. What that gives:
 *
 * - A read of the database mints nothing: a token is only good with a secret, of which there is the hash alone. The
 *   tag key in the database lets its reader forge the tag, so the tag is never the proof; the secret's hash is.
 * - What the tag is for: an old token is recognised as one we issued without keeping every old hash. A valid tag and
 *   a generation gone by is reuse and ends the session; no valid tag is noise, and a stranger who learnt a session's
 *   id cannot end it by sending noise. (Who reads the database can end sessions so. Nothing more.)
 * - An old token alone gives no later one: each step needs the salt of that rotation, 32 random bytes the client
 *   never sees, overwritten by the next rotation.
 * - A second use of the predecessor within the grace derives the very same successor, from what the client sends and
 *   the salt: two tabs, or a lost answer, share one session line, and the server never stored the successor.
 * - What remains: who holds the predecessor *and* reads the database before the next rotation has the current token.
 *   They stole a live token to begin with.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { decodeBase64url } from './base64url.ts';

const layout = { sessionId: 0, generation: 16, secret: 20, tag: 52, end: 68 } as const;
const encodedLength = 91;

const refreshSecretBytes = 32;
const refreshTagKeyBytes = 32;
export const rotationSaltBytes = 32;
/** PostgreSQL's `integer`, so that a hostile generation cannot become a database error; at one rotation a second a
 * session gets there after 68 years. */
export const maxRefreshGeneration = 2_147_483_647;

export interface RefreshToken {
  /** The session's UUID in its canonical lower-case spelling. */
  sessionId: string;
  /** 1 for the token of the sign-in, one more for each rotation. */
  generation: number;
  /** 32 bytes. */
  secret: Buffer;
  /** 16 bytes. */
  tag: Buffer;
}

const uuidText = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The 16 bytes of a UUID of any version (RFC 9562 section 4).
 *
 * @throws {RangeError} for a text that is not a UUID in lower case
 */
export function encodeUuid(uuid: string): Buffer {
  if (!uuidText.test(uuid)) throw new RangeError('Not a UUID in lower case.');
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/**
 * The canonical text of a UUID.
 *
 * @throws {RangeError} for anything but 16 bytes
 */
export function decodeUuid(bytes: Buffer): string {
  if (bytes.length !== 16) throw new RangeError(`A UUID has 16 bytes, not ${bytes.length}.`);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function encodeGeneration(generation: number): Buffer {
  if (!Number.isInteger(generation) || generation < 1 || generation > maxRefreshGeneration) {
    throw new RangeError(`A generation is between 1 and ${maxRefreshGeneration}.`);
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(generation);
  return bytes;
}

// A key or salt that is empty or short by a mistake in a query would pass for a weak one in silence.
function requireBytes(bytes: Buffer, size: number, what: string): Buffer {
  if (bytes.length !== size) throw new RangeError(`The ${what} has ${size} bytes, not ${bytes.length}.`);
  return bytes;
}

/** The first 16 bytes of the HMAC under the session's tag key (32 bytes); 2^-128 to hit by guessing. */
function tagRefreshToken(
  tagKey: Buffer,
  { sessionId, generation, secret }: Omit<RefreshToken, 'tag'>,
): Buffer {
  return createHmac('sha256', requireBytes(tagKey, refreshTagKeyBytes, 'tag key'))
    .update(encodeUuid(sessionId))
    .update(encodeGeneration(generation))
    .update(requireBytes(secret, refreshSecretBytes, 'secret'))
    .digest()
    .subarray(0, layout.end - layout.tag);
}

/**
 * The text that the client gets, 91 characters of base64url.
 *
 * @throws {RangeError} for ids, generations, secrets or keys of the wrong form
 */
export function encodeRefreshToken(tagKey: Buffer, token: Omit<RefreshToken, 'tag'>): string {
  return Buffer.concat([
    encodeUuid(token.sessionId),
    encodeGeneration(token.generation),
    token.secret,
    tagRefreshToken(tagKey, token),
  ]).toString('base64url');
}

/**
 * Takes a token apart and proves nothing: ask `tagMatches`, then `secretMatches`. Never throws.
 *
 * @returns undefined for any text that is not the one spelling of a token
 */
export function parseRefreshToken(text: string): RefreshToken | undefined {
  if (text.length !== encodedLength) return undefined;
  const bytes = decodeBase64url(text);
  if (bytes?.length !== layout.end) return undefined;
  const generation = bytes.readUInt32BE(layout.generation);
  if (generation < 1 || generation > maxRefreshGeneration) return undefined;
  return {
    sessionId: decodeUuid(bytes.subarray(layout.sessionId, layout.generation)),
    generation,
    secret: bytes.subarray(layout.secret, layout.tag),
    tag: bytes.subarray(layout.tag),
  };
}

/** True when the token was issued for this session by somebody with its tag key; in constant time. */
export function tagMatches(tagKey: Buffer, token: RefreshToken): boolean {
  return timingSafeEqual(tagRefreshToken(tagKey, token), token.tag);
}

/** What the database stores of a secret: SHA-256, 32 bytes. No salt or stretching, as there are 256 bits to guess. */
export function hashRefreshSecret(secret: Buffer): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** Compares a secret with a stored hash in constant time; false for a hash of another length. */
export function secretMatches(secret: Buffer, storedHash: Buffer): boolean {
  return storedHash.length === 32 && timingSafeEqual(hashRefreshSecret(secret), storedHash);
}

/**
 * The secret that follows a secret: the same inputs give the same successor, on every node and as often as asked.
 *
 * @param predecessor the secret the client sent, and its session and generation
 * @param rotationSalt 32 random bytes, drawn at the first rotation of this predecessor and stored with the session
 * @returns 32 bytes, the secret of `predecessor.generation + 1`
 * @throws {RangeError} for material of the wrong form
 */
export function deriveSuccessorSecret(predecessor: Omit<RefreshToken, 'tag'>, rotationSalt: Buffer): Buffer {
  return createHmac('sha256', requireBytes(predecessor.secret, refreshSecretBytes, 'secret'))
    .update(requireBytes(rotationSalt, rotationSaltBytes, 'rotation salt'))
    .update(encodeUuid(predecessor.sessionId))
    .update(encodeGeneration(predecessor.generation + 1))
    .digest();
}

/**
 * Draws what a new session needs.
 *
 * @param randomBytes a cryptographic source, such as `randomBytes` of node:crypto
 * @returns the token's text for the client; generation, tag key and hash of the secret for the database
 */
export function createFirstRefreshToken(
  sessionId: string,
  randomBytes: (size: number) => Buffer,
): { token: string; generation: number; tagKey: Buffer; currentHash: Buffer } {
  const tagKey = randomBytes(refreshTagKeyBytes);
  const secret = randomBytes(refreshSecretBytes);
  const generation = 1;
  return {
    token: encodeRefreshToken(tagKey, { sessionId, generation, secret }),
    generation,
    tagKey,
    currentHash: hashRefreshSecret(secret),
  };
}

/**
 * Rotates: the successor of a token, as text for the client and hash for the database. For the first use of the
 * predecessor pass a fresh salt and store it with the hash; for a second use within the grace pass the stored salt
 * and the same successor comes out.
 */
export function createSuccessor(
  tagKey: Buffer,
  predecessor: Omit<RefreshToken, 'tag'>,
  rotationSalt: Buffer,
): { token: string; generation: number; currentHash: Buffer } {
  const secret = deriveSuccessorSecret(predecessor, rotationSalt);
  const generation = predecessor.generation + 1;
  return {
    token: encodeRefreshToken(tagKey, { sessionId: predecessor.sessionId, generation, secret }),
    generation,
    currentHash: hashRefreshSecret(secret),
  };
}
