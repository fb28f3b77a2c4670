/**
 * Access tokens: JWTs signed with Ed25519 (RFC 7519, RFC 9068, RFC 8037), composed and taken apart by hand over
 * node:crypto. One algorithm, one type, one spelling: what RFC 8725 asks to be checked is here what is accepted.
 * Of RFC 9068's claims `client_id` is left out, as there are no OAuth clients here to name.
 */
import { type KeyObject, sign, verify } from 'node:crypto';
import { decodeBase64url } from './base64url.ts';

/** Times in whole seconds since 1970, as RFC 7519 has them. */
export interface AccessTokenClaims {
  iss: string;
  aud: string;
  /** The user's id. */
  sub: string;
  /** The session's id. */
  sid: string;
  /** The token's own id. */
  jti: string;
  iat: number;
  exp: number;
}

type AccessTokenSubject = Pick<AccessTokenClaims, 'sub' | 'sid' | 'jti'> & { nowSeconds: number };

interface AccessTokenIssuerOptions {
  key: { kid: string; privateKey: KeyObject };
  issuer: string;
  audience: string;
  ttlSeconds: number;
}

export type AccessTokenIssuer = (subject: AccessTokenSubject) => { token: string; claims: AccessTokenClaims };

/**
 * Makes the function that signs tokens with one key; a rotation makes another one. The header is encoded here, once.
 *
 * The returned function takes about as long as one Ed25519 signature (25 to 45 us) and does not yield.
 */
export function createAccessTokenIssuer(options: AccessTokenIssuerOptions): AccessTokenIssuer {
  const { key, issuer, audience, ttlSeconds } = options;
  const header = Buffer.from(`{"alg":"EdDSA","typ":"at+jwt","kid":"${key.kid}"}`).toString('base64url');
  return ({ sub, sid, jti, nowSeconds }) => {
    const claims = {
      iss: issuer,
      aud: audience,
      sub,
      sid,
      jti,
      iat: nowSeconds,
      exp: nowSeconds + ttlSeconds,
    };
    const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    const signature = sign(null, Buffer.from(signed, 'latin1'), key.privateKey);
    return { token: `${signed}.${signature.toString('base64url')}`, claims };
  };
}

interface AccessTokenVerifierOptions {
  /** The public key of that name if it may verify now: the current one, or a retired one in its overlap. */
  findKey: (kid: string) => KeyObject | undefined;
  issuer: string;
  audience: string;
  nowSeconds: number;
  /** How far other nodes' clocks may be off. */
  leewaySeconds: number;
}

// Ours have about 480 characters with UUIDs for ids.
const maxTokenLength = 2048;
// 64 bytes in base64url without padding.
const signatureLength = 86;

// Our own headers are a constant string around the kid: recognising one needs no JSON parser and saves 1 us of 111.
const ownHeader = /^\{"alg":"EdDSA","typ":"at\+jwt","kid":"([A-Za-z0-9_-]{43})"\}$/;
const anyKid = /^[A-Za-z0-9_-]{43}$/;

/**
 * Parses a JSON object in its one compact spelling: whatever has duplicate members, spaces, odd escapes or 1e3 does
 * not come out as it went in. Two parsers that disagree about such a text are how checks are bypassed.
 */
function parseCompactObject(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isObject = (it: unknown): it is Readonly<Record<string, unknown>> =>
    typeof it === 'object' && it !== null && !Array.isArray(it);
  return isObject(value) && JSON.stringify(value) === text ? value : undefined;
}

function readKid(encodedHeader: string): string | undefined {
  const text = decodeBase64url(encodedHeader)?.toString('latin1');
  if (text === undefined) return undefined;
  const own = ownHeader.exec(text);
  if (own !== null) return own[1];
  // The same three members in another order, as another library writes them with our key. Anything more (crit, b64,
  // jwk, jku, x5u, zip ...) is refused: every one of them asks for a behaviour that is not here.
  const header = parseCompactObject(text);
  if (header === undefined || Object.keys(header).length !== 3) return undefined;
  const { alg, typ, kid } = header;
  if (alg !== 'EdDSA' || typ !== 'at+jwt' || typeof kid !== 'string' || !anyKid.test(kid)) return undefined;
  return kid;
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 64;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function readClaims(encoded: string, options: AccessTokenVerifierOptions): AccessTokenClaims | undefined {
  const text = decodeBase64url(encoded)?.toString('utf8');
  const payload = text === undefined ? undefined : parseCompactObject(text);
  if (payload === undefined) return undefined;
  const { iss, aud, sub, sid, jti, iat, exp, nbf } = payload;
  const { issuer, audience, nowSeconds, leewaySeconds } = options;
  if (iss !== issuer || aud !== audience || !isId(sub) || !isId(sid) || !isId(jti)) return undefined;
  if (!isTime(iat) || !isTime(exp) || exp <= iat) return undefined;
  if (nowSeconds >= exp + leewaySeconds || iat > nowSeconds + leewaySeconds) return undefined;
  // Not issued by us, but whoever else holds the key and sets it means it.
  if (nbf !== undefined && !(isTime(nbf) && nbf <= nowSeconds + leewaySeconds)) return undefined;
  // A fresh object: no claim that was not checked travels on.
  return { iss: issuer, aud: audience, sub, sid, jti, iat, exp };
}

/**
 * Verifies a compact JWS made by `createAccessTokenIssuer` and never throws, whatever the text. It is refused unless
 * it is the one canonical spelling of a token with our algorithm, type, a key that `findKey` knows, a valid
 * signature (looked at before the payload is) and claims of the right types for this issuer, audience and time.
 * A token is good while `nowSeconds < exp + leewaySeconds`.
 *
 * Costs one Ed25519 verification (64 to 110 us) without yielding, and next to nothing for a token of wrong shape.
 * What it returns says nothing of the session, which may be over: that is the caller's to ask.
 */
export function verifyAccessToken(
  token: string,
  options: AccessTokenVerifierOptions,
): AccessTokenClaims | undefined {
  if (token.length > maxTokenLength) return undefined;
  const headerEnd = token.indexOf('.');
  const payloadEnd = token.lastIndexOf('.');
  if (headerEnd < 1 || payloadEnd <= headerEnd + 1) return undefined;
  if (token.length - payloadEnd - 1 !== signatureLength) return undefined;
  const payload = token.slice(headerEnd + 1, payloadEnd);
  const signature = decodeBase64url(token.slice(payloadEnd + 1));
  const kid = readKid(token.slice(0, headerEnd));
  if (signature === undefined || kid === undefined) return undefined;
  const key = options.findKey(kid);
  if (key === undefined || key.asymmetricKeyType !== 'ed25519') return undefined;
  // latin1 would fold characters past U+00FF onto others; utf8 keeps them apart, and the payload's own decoding
  // refuses them (and a further dot) afterwards.
  if (!verify(null, Buffer.from(token.slice(0, payloadEnd), 'utf8'), key, signature)) return undefined;
  return readClaims(payload, options);
}
