/** Tokens of the experiment: JWTs (RFC 7519) with RS256 or EdDSA, verified each time or once. */
import { generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import type { Switches } from './steps.ts';

export interface Claims {
  sub: string;
  jti: string;
  kind: 'access' | 'refresh';
  /** Seconds since 1970. */
  iat: number;
  exp: number;
}

export interface Tokens {
  issue(userId: string, kind: Claims['kind']): string;
  /** Undefined for whatever is not a good access token. */
  read(token: string): Claims | undefined;
}

interface SigningKey {
  alg: 'RS256' | 'EdDSA';
  /** What node:crypto takes; Ed25519 has a digest of its own. */
  digest: 'sha256' | null;
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const lifetimeS = { access: 1800, refresh: 30 * 86_400 };
/** Enough for every connection of a run; beyond it the oldest is forgotten. */
const mostKept = 10_000;

/** @param now milliseconds since 1970 */
export function createTokens(
  { signing, tokenCache }: Pick<Switches, 'signing' | 'tokenCache'>,
  now: () => number,
): Tokens {
  const key = makeKey(signing);
  const known = new Map<string, Claims>();
  return {
    issue(userId, kind) {
      const iat = Math.floor(now() / 1000);
      const claims: Claims = { sub: userId, jti: randomUUID(), kind, iat, exp: iat + lifetimeS[kind] };
      return signToken(key, claims);
    },
    read(token) {
      const kept = known.get(token);
      const claims = kept ?? verifyToken(key, token);
      if (claims === undefined || claims.kind !== 'access' || claims.exp * 1000 <= now()) return undefined;
      if (tokenCache && kept === undefined) keep(known, token, claims);
      return claims;
    },
  };
}

/** Made at the start: nothing of the experiment outlives it. */
export function makeKey(signing: Switches['signing']): SigningKey {
  return signing === 'rsa'
    ? { alg: 'RS256', digest: 'sha256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }
    : { alg: 'EdDSA', digest: null, ...generateKeyPairSync('ed25519') };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The name is what the profile shows. */
export function signToken({ alg, digest, privateKey }: SigningKey, claims: Claims): string {
  const signed = `${encode({ alg, typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${sign(digest, Buffer.from(signed), privateKey).toString('base64url')}`;
}

/** The name is what the profile shows. */
export function verifyToken({ alg, digest, publicKey }: SigningKey, token: string): Claims | undefined {
  const [header = '', payload = '', signature = '', ...more] = token.split('.');
  if (more.length > 0 || readJson(header)?.alg !== alg) return undefined;
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify(digest, signed, publicKey, Buffer.from(signature, 'base64url'))) return undefined;
  const { sub, jti, kind, iat, exp } = readJson(payload) ?? {};
  const isOurs = (kind === 'access' || kind === 'refresh') && typeof sub === 'string';
  if (!isOurs || typeof jti !== 'string' || typeof iat !== 'number' || typeof exp !== 'number')
    return undefined;
  return { sub, jti, kind, iat, exp };
}

function readJson(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** A Map gives its keys in the order they came. */
export function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  const [oldest] = map.keys();
  if (map.size >= mostKept && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}
