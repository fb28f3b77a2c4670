import assert from 'node:assert/strict';
import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { jwtVerify, SignJWT } from 'jose';
import { type AccessTokenClaims, createAccessTokenIssuer, verifyAccessToken } from './access-token.ts';
import { createSigningKey } from './signing-key.ts';

const now = 1_800_000_000;
const key = createSigningKey(randomBytes(32));
const stranger = createSigningKey(randomBytes(32));
const ids = {
  sub: '01890a5d-ac96-774b-bcce-b302099a8057',
  sid: '01890a5d-ac96-774b-bcce-b302099a8058',
  jti: '01890a5d-ac96-774b-bcce-b302099a8059',
};
const issue = createAccessTokenIssuer({ key, issuer: 'irontrack', audience: 'irontrack', ttlSeconds: 1_800 });
const { token: goodToken, claims: goodClaims } = issue({ ...ids, nowSeconds: now });
const [goodHeader = '', goodPayload = '', goodSignature = ''] = goodToken.split('.');

function findOwnKey(kid: string): KeyObject | undefined {
  return kid === key.kid ? key.publicKey : undefined;
}

function check(token: string, change: { nowSeconds?: number; findKey?: typeof findOwnKey } = {}) {
  return verifyAccessToken(token, {
    findKey: findOwnKey,
    issuer: 'irontrack',
    audience: 'irontrack',
    nowSeconds: now,
    leewaySeconds: 5,
    ...change,
  });
}

function encode(part: string | Buffer): string {
  return Buffer.from(part).toString('base64url');
}

/** A token of any header and payload with a signature of ours that is truly valid over them. */
function forge(header: unknown, payload: unknown, signer: KeyObject = key.privateKey): string {
  const text = (part: unknown): string => (typeof part === 'string' ? part : JSON.stringify(part));
  return signParts(encode(text(header)), encode(text(payload)), signer);
}

function signParts(header: string, payload: string, signer: KeyObject = key.privateKey): string {
  const signed = `${header}.${payload}`;
  return `${signed}.${encode(sign(null, Buffer.from(signed), signer))}`;
}

const header = { alg: 'EdDSA', typ: 'at+jwt', kid: key.kid };

test('verifies what it issued and returns its claims', () => {
  assert.deepEqual(check(goodToken), goodClaims);
  const expected: AccessTokenClaims = {
    iss: 'irontrack',
    aud: 'irontrack',
    ...ids,
    iat: now,
    exp: now + 1_800,
  };
  assert.deepEqual(goodClaims, expected);
  assert.deepEqual(JSON.parse(Buffer.from(goodHeader, 'base64url').toString()), header);
});

test('jose verifies our tokens and we verify those of jose', async () => {
  const { payload } = await jwtVerify(goodToken, key.publicKey, {
    algorithms: ['EdDSA'],
    typ: 'at+jwt',
    issuer: 'irontrack',
    audience: 'irontrack',
    currentDate: new Date(now * 1000),
  });
  assert.deepEqual(payload, { ...goodClaims });
  for (const order of [header, { kid: key.kid, typ: 'at+jwt', alg: 'EdDSA' }]) {
    const theirs = await new SignJWT({ ...goodClaims }).setProtectedHeader(order).sign(key.privateKey);
    assert.deepEqual(check(theirs), goodClaims);
  }
});

test('a claim beside ours does not travel on', () => {
  const claims = check(forge(header, { ...goodClaims, role: 'superuser' }));
  assert.deepEqual(claims, goodClaims);
});

test('expires at its exact second after the leeway', () => {
  assert.ok(check(goodToken, { nowSeconds: now + 1_804 }) !== undefined);
  assert.equal(check(goodToken, { nowSeconds: now + 1_805 }), undefined);
});

test('a token from the future is good within the leeway only', () => {
  assert.ok(check(goodToken, { nowSeconds: now - 5 }) !== undefined);
  assert.equal(check(goodToken, { nowSeconds: now - 6 }), undefined);
});

test('a retired key verifies as long as it is found, and no longer', () => {
  const both = (kid: string) => (kid === stranger.kid ? stranger.publicKey : findOwnKey(kid));
  const token = forge({ ...header, kid: stranger.kid }, goodClaims, stranger.privateKey);
  assert.deepEqual(check(token, { findKey: both }), goodClaims);
  assert.equal(check(token), undefined);
});

function hmacToken(alg: string, secret: string | Buffer): string {
  const signed = `${encode(JSON.stringify({ ...header, alg }))}.${goodPayload}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function malleate(token: string): string {
  // S + L is the same scalar; RFC 8032 section 5.1.7 demands S < L.
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const [, , text = ''] = token.split('.');
  const signature = Buffer.from(text, 'base64url');
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order;
  const bytes = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse();
  return `${token.slice(0, token.lastIndexOf('.'))}.${encode(Buffer.concat([signature.subarray(0, 32), bytes]))}`;
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
function rsaToken(): string {
  const signed = `${encode(JSON.stringify({ ...header, alg: 'RS256' }))}.${goodPayload}`;
  return `${signed}.${encode(sign('sha256', Buffer.from(signed), rsa.privateKey))}`;
}

function otherBits(text: string): string {
  // The last character carries bits past the last byte; another character means the same bytes to a lax decoder.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.slice(-1)) ^ 1);
}

const spki = key.publicKey.export({ format: 'pem', type: 'spki' });
const small = { ...goodClaims };
function without(name: keyof AccessTokenClaims): Partial<AccessTokenClaims> {
  const { [name]: _, ...rest } = small;
  return rest;
}

const compact = JSON.stringify(goodClaims);

// Most of these are signed with the real key: the signature holds and the token must be refused all the same.
const forgeries: readonly [name: string, token: string][] = [
  ['nothing', ''],
  ['a dot', '.'],
  ['two dots', '..'],
  ['a thousand dots', '.'.repeat(1_000)],
  ['a word', 'null'],
  ['alg none without a signature', `${encode('{"alg":"none","typ":"at+jwt"}')}.${goodPayload}.`],
  ['alg none with our kid', `${encode(JSON.stringify({ ...header, alg: 'none' }))}.${goodPayload}.`],
  ['alg none, signed', forge({ ...header, alg: 'none' }, small)],
  ['alg None, signed', forge({ ...header, alg: 'None' }, small)],
  ['alg nOnE, signed', forge({ ...header, alg: 'nOnE' }, small)],
  ['alg eddsa', forge({ ...header, alg: 'eddsa' }, small)],
  ['alg Ed25519', forge({ ...header, alg: 'Ed25519' }, small)],
  ['alg missing', forge({ typ: 'at+jwt', kid: key.kid }, small)],
  ['alg null', forge({ ...header, alg: null }, small)],
  ['alg a list', forge({ ...header, alg: ['EdDSA'] }, small)],
  ['HS256 with the PEM of the public key', hmacToken('HS256', spki)],
  ['HS256 with the bytes of the public key', hmacToken('HS256', Buffer.from(key.publicJwk.x, 'base64url'))],
  ['HS256 with the text of the public key', hmacToken('HS256', key.publicJwk.x)],
  ['HS256 with an empty secret', hmacToken('HS256', '')],
  ['HMAC that calls itself EdDSA', hmacToken('EdDSA', spki)],
  ['RS256 with a key of theirs', rsaToken()],
  ['a stranger with our kid', forge(header, small, stranger.privateKey)],
  ['a stranger with their own kid', forge({ ...header, kid: stranger.kid }, small, stranger.privateKey)],
  [
    'a stranger who brings the key (jwk)',
    forge({ ...header, kid: stranger.kid, jwk: stranger.publicJwk }, small, stranger.privateKey),
  ],
  ['jwk beside our key', forge({ ...header, jwk: key.publicJwk }, small)],
  ['jku', forge({ ...header, jku: 'https://evil.example/jwks.json' }, small)],
  ['x5u', forge({ ...header, x5u: 'https://evil.example/x' }, small)],
  ['x5c', forge({ ...header, x5c: ['AAAA'] }, small)],
  ['crit', forge({ ...header, crit: ['exp'] }, small)],
  ['crit empty', forge({ ...header, crit: [] }, small)],
  ['b64 false', forge({ ...header, b64: false, crit: ['b64'] }, small)],
  ['zip', forge({ ...header, zip: 'DEF' }, small)],
  ['an unknown header member', forge({ ...header, foo: 1 }, small)],
  ['typ JWT', forge({ ...header, typ: 'JWT' }, small)],
  ['typ in capitals', forge({ ...header, typ: 'AT+JWT' }, small)],
  ['typ application/at+jwt', forge({ ...header, typ: 'application/at+jwt' }, small)],
  ['typ missing', forge({ alg: 'EdDSA', kid: key.kid }, small)],
  ['typ refresh', forge({ ...header, typ: 'rt+jwt' }, small)],
  ['kid missing', forge({ alg: 'EdDSA', typ: 'at+jwt' }, small)],
  ['kid a number', forge({ ...header, kid: 1 }, small)],
  ['kid an object', forge({ ...header, kid: { toString: 'x' } }, small)],
  ['kid a list of our kid', forge({ ...header, kid: [key.kid] }, small)],
  ['kid null', forge({ ...header, kid: null }, small)],
  ['kid true', forge({ ...header, kid: true }, small)],
  ['kid empty', forge({ ...header, kid: '' }, small)],
  ['kid __proto__', forge({ ...header, kid: '__proto__' }, small)],
  ['kid a path', forge({ ...header, kid: '../../../../../dev/null' }, small)],
  ['kid SQL', forge({ ...header, kid: "' OR 1=1 --" }, small)],
  ['kid with a NUL', forge({ ...header, kid: `${key.kid}\0` }, small)],
  ['kid with a newline', forge(`{"alg":"EdDSA","typ":"at+jwt","kid":"${key.kid}"}\n`, small)],
  ['header with a space', forge(`{"alg":"EdDSA", "typ":"at+jwt","kid":"${key.kid}"}`, small)],
  ['header with alg twice', forge(`{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"${key.kid}"}`, small)],
  ['header with an escape', forge(`{"\\u0061lg":"EdDSA","typ":"at+jwt","kid":"${key.kid}"}`, small)],
  ['header a list', forge([header], small)],
  ['header a string', forge('"EdDSA"', small)],
  ['header null', forge('null', small)],
  ['header no JSON', forge('EdDSA', small)],
  ['header empty', signParts('', goodPayload)],
  ['header with __proto__', forge(`{"__proto__":{"alg":"EdDSA"},"typ":"at+jwt","kid":"${key.kid}"}`, small)],
  [
    'payload of another token',
    `${goodHeader}.${encode(JSON.stringify({ ...small, sub: ids.sid }))}.${goodSignature}`,
  ],
  ['payload empty', signParts(goodHeader, '')],
  ['payload a list', forge(header, [small])],
  ['payload an empty list', forge(header, [])],
  ['payload null', forge(header, 'null')],
  ['payload a number', forge(header, '1e999')],
  ['payload a string', forge(header, JSON.stringify(compact))],
  ['payload no JSON', forge(header, compact.slice(0, -1))],
  ['payload with a space', forge(header, `${compact} `)],
  ['payload with a byte order mark', forge(header, `\ufeff${compact}`)],
  ['payload with sub twice', forge(header, `{"sub":"x",${compact.slice(1)}`)],
  ['payload with exp twice', forge(header, `${compact.slice(0, -1)},"exp":${now + 9_999}}`)],
  ['payload with broken UTF-8', signParts(goodHeader, encode(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])))],
  ['payload nested deep', forge(header, '['.repeat(700) + ']'.repeat(700))],
  ['exp a string', forge(header, { ...small, exp: `${now + 1_800}` })],
  ['exp a fraction', forge(header, { ...small, exp: now + 0.5 })],
  ['exp 1e400', forge(header, compact.replace(/"exp":\d+/, '"exp":1e400'))],
  ['exp 1e3 spelled so', forge(header, compact.replace(/"exp":\d+/, '"exp":1e12'))],
  ['exp past the safe integers', forge(header, compact.replace(/"exp":\d+/, '"exp":9007199254740993'))],
  ['exp 21 digits', forge(header, compact.replace(/"exp":\d+/, '"exp":100000000000000000000'))],
  ['exp NaN', forge(header, compact.replace(/"exp":\d+/, '"exp":NaN'))],
  ['exp Infinity', forge(header, compact.replace(/"exp":\d+/, '"exp":Infinity'))],
  ['exp null', forge(header, { ...small, exp: null })],
  ['exp true', forge(header, { ...small, exp: true })],
  ['exp a list', forge(header, { ...small, exp: [now + 1_800] })],
  ['exp negative', forge(header, { ...small, exp: -1 })],
  ['exp before iat', forge(header, { ...small, exp: now - 1, iat: now })],
  ['exp missing', forge(header, without('exp'))],
  ['iat missing', forge(header, without('iat'))],
  ['iat a string', forge(header, { ...small, iat: `${now}` })],
  ['iat in the future', forge(header, { ...small, iat: now + 60 })],
  ['nbf in the future', forge(header, { ...small, nbf: now + 60 })],
  ['nbf a string', forge(header, { ...small, nbf: '0' })],
  ['expired', forge(header, { ...small, iat: now - 3_600, exp: now - 1_800 })],
  ['iss missing', forge(header, without('iss'))],
  ['iss of another', forge(header, { ...small, iss: 'other' })],
  ['iss a list', forge(header, { ...small, iss: ['irontrack'] })],
  ['aud missing', forge(header, without('aud'))],
  ['aud of another', forge(header, { ...small, aud: 'other' })],
  ['aud a list', forge(header, { ...small, aud: ['irontrack'] })],
  ['aud with more', forge(header, { ...small, aud: 'irontrack ' })],
  ['sub missing', forge(header, without('sub'))],
  ['sub empty', forge(header, { ...small, sub: '' })],
  ['sub a number', forge(header, { ...small, sub: 7 })],
  ['sub an object', forge(header, { ...small, sub: {} })],
  ['sub of 65 characters', forge(header, { ...small, sub: 'x'.repeat(65) })],
  ['sid missing', forge(header, without('sid'))],
  ['sid null', forge(header, { ...small, sid: null })],
  ['jti missing', forge(header, without('jti'))],
  ['jti a list', forge(header, { ...small, jti: [ids.jti] })],
  ['over-long but signed', forge(header, { ...small, padding: 'x'.repeat(2_000) })],
  ['over-long by far', goodToken.repeat(10_000)],
  ['a segment more', `${goodToken}.${goodSignature}`],
  ['an empty segment more', `${goodToken}.`],
  ['an empty segment before', `.${goodToken}`],
  ['an extra segment under our signature', signParts(goodHeader, `${goodPayload}.${goodPayload}`)],
  [
    'JWE shape',
    `${encode('{"alg":"dir","enc":"A256GCM"}')}..${encode('iv')}.${goodPayload}.${encode('tag')}`,
  ],
  ['JWE shape with our parts', `${goodHeader}.${goodPayload}.${goodPayload}.${goodPayload}.${goodSignature}`],
  [
    'JWS in its JSON form',
    JSON.stringify({ protected: goodHeader, payload: goodPayload, signature: goodSignature }),
  ],
  ['a space before', ` ${goodToken}`],
  ['a space after', `${goodToken} `],
  ['a newline after', `${goodToken}\n`],
  ['a space inside', goodToken.replace('.', ' .')],
  ['a NUL inside', goodToken.replace('.', '\0.')],
  ['a NUL after', `${goodToken}\0`],
  ['a NUL in the payload, signed', signParts(goodHeader, `${goodPayload}\0`)],
  ['padding on the signature', `${goodToken}==`],
  ['padding on the payload, signed', signParts(goodHeader, `${goodPayload}=`)],
  [
    'whitespace in the payload, signed',
    signParts(goodHeader, `${goodPayload.slice(0, 8)}\n${goodPayload.slice(8)}`),
  ],
  ['Bearer before', `Bearer ${goodToken}`],
  ['quotes around', `"${goodToken}"`],
  ['stray bits in the signature', `${goodHeader}.${goodPayload}.${otherBits(goodSignature)}`],
  ['stray bits in the header, signed', signParts(otherBits(goodHeader), goodPayload)],
  ['a signature without its half', `${goodHeader}.${goodPayload}.${goodSignature.slice(0, 43)}`],
  ['a signature of zeros', `${goodHeader}.${goodPayload}.${encode(Buffer.alloc(64))}`],
  ['S + L', malleate(goodToken)],
  ['characters outside ASCII', goodToken.replace(/^./, '\u0165')],
  ['a lone surrogate', `${goodToken.slice(0, -1)}\ud800`],
];

for (const [name, token] of forgeries) {
  test(`refuses ${name}`, () => {
    assert.equal(check(token), undefined);
  });
}

test('the malleated signature differs only by the order of the group', () => {
  assert.notEqual(malleate(goodToken), goodToken);
  assert.equal(malleate(goodToken).length, goodToken.length);
});

test('refuses a token cut anywhere', () => {
  for (let length = 0; length < goodToken.length; length += 1) {
    assert.equal(check(goodToken.slice(0, length)), undefined, `${length} characters`);
    assert.equal(check(goodToken.slice(goodToken.length - length)), undefined, `last ${length} characters`);
  }
});

test('refuses a token with any one character changed', () => {
  for (let at = 0; at < goodToken.length; at += 1) {
    const other = goodToken[at] === 'A' ? 'B' : 'A';
    assert.equal(check(goodToken.slice(0, at) + other + goodToken.slice(at + 1)), undefined, `at ${at}`);
  }
});

test('a key of another type under our kid verifies nothing', () => {
  // X25519 is the one that would throw: it cannot verify at all.
  const others = [
    rsa.publicKey,
    generateKeyPairSync('ed448').publicKey,
    generateKeyPairSync('x25519').publicKey,
  ];
  for (const publicKey of others) {
    assert.equal(check(goodToken, { findKey: () => publicKey }), undefined);
  }
});

test('a signature that fits every message under a small-order key is refused, even if such a key is found', () => {
  const identity = Buffer.alloc(32);
  identity.writeUInt8(1, 0);
  const one = identity;
  const base = Buffer.from(`58${'66'.repeat(31)}`, 'hex');
  const x = identity.toString('base64url');
  const weak = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  // OpenSSL by itself takes both (S = 0 with R the identity, S = 1 with R the base point); Node 26 does not, and
  // parsePublicSigningKey never lets such a key in.
  for (const signature of [Buffer.concat([identity, Buffer.alloc(32)]), Buffer.concat([base, one])]) {
    const universal = `${goodHeader}.${goodPayload}.${encode(signature)}`;
    assert.equal(check(universal), undefined);
    assert.equal(check(universal, { findKey: () => weak }), undefined);
  }
});

test('asks for no key before the header is one of ours', () => {
  const asked: string[] = [];
  const findKey = (kid: string) => {
    asked.push(kid);
    return undefined;
  };
  for (const [, token] of forgeries) check(token, { findKey });
  assert.ok(asked.every((kid) => /^[A-Za-z0-9_-]{43}$/.test(kid)));
});

test('never throws and never accepts what it did not issue', () => {
  const segment = fc.oneof(
    fc.constantFrom(goodHeader, goodPayload, goodSignature, ''),
    fc.uint8Array({ maxLength: 80 }).map((bytes) => encode(Buffer.from(bytes))),
    fc.json().map((text) => encode(text)),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(segment, { maxLength: 6 }).map((parts) => parts.join('.')),
    fc.tuple(fc.nat(goodToken.length), fc.string({ unit: 'binary', maxLength: 3 })).map(([at, text]) => {
      return goodToken.slice(0, at) + text + goodToken.slice(at + 1);
    }),
  );
  fc.assert(
    fc.property(texts, (text) => {
      if (text !== goodToken) assert.equal(check(text), undefined);
    }),
    { numRuns: 5_000 },
  );
});

test('never throws and never accepts odd claims under a true signature', () => {
  const odd = fc.record({
    name: fc.constantFrom('iss', 'aud', 'sub', 'sid', 'jti', 'iat', 'exp', 'nbf'),
    value: fc.jsonValue(),
  });
  fc.assert(
    fc.property(odd, ({ name, value }) => {
      const claims = check(forge(header, { ...small, [name]: value }));
      if (claims === undefined) return;
      const isTime = name === 'iat' || name === 'exp' || name === 'nbf';
      if (isTime) assert.ok(Number.isSafeInteger(value));
      else assert.equal(typeof value, 'string');
    }),
    { numRuns: 500 },
  );
});
