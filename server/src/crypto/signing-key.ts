/** Ed25519 signing keys as JWKs: parsed with suspicion, named by their thumbprint. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { decodeBase64url } from './base64url.ts';

/** What a JWKS shows of a key (RFC 8037, RFC 7517). */
export interface PublicSigningJwk {
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
  kid: string;
  use: 'sig';
  alg: 'EdDSA';
}

export interface SigningKey {
  /** RFC 7638 thumbprint, SHA-256, 43 characters of base64url. */
  kid: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
  publicJwk: PublicSigningJwk;
}

/** A key that must not be used. The message says why and what to do, and never shows the key. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError';
}

const makeNewKey = 'Make a new one with `irontrack rotate-signing-key`, or leave SIGNING_KEY unset.';

// Every private key printed in a specification is in somebody's example configuration.
const publishedSecrets: ReadonlyMap<string, string> = new Map([
  ['9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'RFC 8037 appendix A'],
  ['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', 'RFC 8032 section 7.1, test 2'],
  ['c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7', 'RFC 8032 section 7.1, test 3'],
  ['f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5', 'RFC 8032 section 7.1, test 1024'],
  ['833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42', 'RFC 8032 section 7.1, test SHA(abc)'],
  ['0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6', 'RFC 8032 section 7.2, test foo'],
  ['ab9c2853ce297ddab85c993b3ae14bcad39b2c682beabc27d6d4eb20711d6560', 'RFC 8032 section 7.2, test foo3'],
]);

// The y coordinates of the points of order 1, 2, 4 and 8, and their spellings past the field prime; the sign bit is
// cleared before comparing. With such a "public key" one signature fits every message: OpenSSL takes it, Node 26 has
// been seen to refuse it at verification, and neither says so in its manual.
// https://github.com/jedisct1/libsodium (ge25519_has_small_order)
const smallOrderPoints: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** Why these 32 bytes are no secret, or undefined. Random bytes fall into a class below less than once in 10^13. */
function findWeakness(seed: Buffer): string | undefined {
  const published = publishedSecrets.get(seed.toString('hex'));
  if (published !== undefined) return `it is the published test key of ${published}`;
  const distinct = new Set(seed).size;
  if (distinct < 16) return `it has only ${distinct} different bytes in 32`;
  if (seed.every((byte) => byte >= 0x20 && byte < 0x7f)) return 'it is plain text rather than random bytes';
  const step = (seed.readUInt8(1) - seed.readUInt8(0)) & 0xff;
  const regular = seed.every((byte, index) => byte === ((seed.readUInt8(0) + index * step) & 0xff));
  return regular ? 'it is a regular sequence of bytes' : undefined;
}

// RFC 8410 section 7: the fixed PKCS #8 wrapping before the 32 bytes of the seed.
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

function computeKid(x: string): string {
  // RFC 7638 section 3: the required members in lexical order, nothing else, no space.
  return createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');
}

/**
 * Makes the key that belongs to a seed.
 *
 * @param seed 32 bytes from a cryptographic source
 * @throws {SigningKeyError} for a seed of another length, a published one, or one that is plainly not random
 */
export function createSigningKey(seed: Buffer): SigningKey {
  if (seed.length !== 32) throw new SigningKeyError(`An Ed25519 key has 32 bytes, not ${seed.length}.`);
  const weakness = findWeakness(seed);
  if (weakness !== undefined) {
    throw new SigningKeyError(`The signing key is not secret: ${weakness}. ${makeNewKey}`);
  }
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Prefix, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey(privateKey);
  const { x } = publicKey.export({ format: 'jwk' });
  if (x === undefined) throw new SigningKeyError('The public half of the signing key cannot be derived.');
  const kid = computeKid(x);
  const publicJwk: PublicSigningJwk = { kty: 'OKP', crv: 'Ed25519', x, kid, use: 'sig', alg: 'EdDSA' };
  return { kid, privateKey, publicKey, publicJwk };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and the text is a private key.
    return undefined;
  }
}

function read32Bytes(value: unknown): Buffer | undefined {
  const bytes = typeof value === 'string' ? decodeBase64url(value) : undefined;
  return bytes?.length === 32 ? bytes : undefined;
}

function requireEd25519(jwk: Readonly<Record<string, unknown>>, operation: 'sign' | 'verify'): void {
  if (jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519') {
    throw new SigningKeyError('The signing key is not an Ed25519 JWK: expected "kty":"OKP","crv":"Ed25519".');
  }
  // RFC 9864 names the same algorithm "Ed25519".
  if (jwk.alg !== undefined && jwk.alg !== 'EdDSA' && jwk.alg !== 'Ed25519') {
    throw new SigningKeyError('The signing key says that it is for another algorithm than EdDSA.');
  }
  if (jwk.use !== undefined && jwk.use !== 'sig') {
    throw new SigningKeyError('The signing key says that it is not for signatures ("use" is not "sig").');
  }
  const operations: unknown = jwk.key_ops;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes(operation))) {
    throw new SigningKeyError(
      `The signing key says that it is not for this use ("key_ops" lacks "${operation}").`,
    );
  }
}

/**
 * Reads a private key from the text of a JWK (RFC 8037 section 2). A `kid` in it is passed over: ours is always the
 * thumbprint, so that two nodes that are given the same key publish the same name for it.
 *
 * @throws {SigningKeyError} for anything but one usable Ed25519 private key whose two halves belong together
 */
export function parseSigningKey(text: string): SigningKey {
  const jwk = parseJson(text);
  if (!isRecord(jwk)) {
    throw new SigningKeyError(`The signing key is not a JSON object with a private JWK. ${makeNewKey}`);
  }
  requireEd25519(jwk, 'sign');
  const seed = read32Bytes(jwk.d);
  if (seed === undefined) {
    throw new SigningKeyError('The signing key has no private half: "d" must be 32 bytes in base64url.');
  }
  if (read32Bytes(jwk.x) === undefined) {
    throw new SigningKeyError('The signing key has no public half: "x" must be 32 bytes in base64url.');
  }
  const key = createSigningKey(seed);
  // Signing with halves of two keys gives signatures that nobody can verify, and can give the secret away.
  if (key.publicJwk.x !== jwk.x) {
    throw new SigningKeyError(
      'The two halves of the signing key do not belong together ("d" and "x" differ).',
    );
  }
  return key;
}

/**
 * Reads the public key of a JWKS entry, such as a retired key that still verifies.
 *
 * @throws {SigningKeyError} for anything but an Ed25519 public key, a point of small order included
 */
export function parsePublicSigningKey(jwk: unknown): { kid: string; publicKey: KeyObject } {
  if (!isRecord(jwk)) throw new SigningKeyError('The public key is not a JWK.');
  requireEd25519(jwk, 'verify');
  const point = read32Bytes(jwk.x);
  if (point === undefined) throw new SigningKeyError('The public key\'s "x" must be 32 bytes in base64url.');
  const x = point.toString('base64url');
  point.writeUInt8(point.readUInt8(31) & 0x7f, 31);
  if (smallOrderPoints.has(point.toString('hex'))) {
    throw new SigningKeyError('The public key is a point of small order: anybody could sign for it.');
  }
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return { kid: computeKid(x), publicKey };
}

/** The private JWK as one line of JSON, as `parseSigningKey` reads it. Whoever holds this text can sign. */
export function serializeSigningKey(key: SigningKey): string {
  const { d } = key.privateKey.export({ format: 'jwk' });
  return JSON.stringify({ ...key.publicJwk, d });
}
