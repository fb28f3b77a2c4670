import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { test } from 'node:test';
import { createSigningKey } from '../../src/crypto/signing-key.ts';
import { type Answer, call, enter, enterAsSuperuser, startTestService } from '../support/service.ts';

const service = await startTestService();
// A key that the service accepts and whose private half is here, so that everything but one thing can be right.
const key = createSigningKey(randomBytes(32));
await service.sql`
  insert into signing_keys (kid, public_jwk, created_at, verify_until)
  values (${key.kid}, ${JSON.stringify(key.publicJwk)}::text::jsonb, now(), now() + interval '1 hour')`;
const victim = await enterAsSuperuser(service);
const [headerPart = '', payloadPart = '', signaturePart = ''] = victim.accessToken.split('.');
const genuine = JSON.parse(Buffer.from(payloadPart, 'base64url').toString());
const genuineHeader = JSON.parse(Buffer.from(headerPart, 'base64url').toString());

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const header = { alg: 'EdDSA', typ: 'at+jwt', kid: key.kid };

function forge(
  claims: unknown,
  { head = header, by = key.privateKey }: { head?: unknown; by?: KeyObject } = {},
): string {
  const signed = `${encode(head)}.${encode(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), by).toString('base64url')}`;
}

const now = Math.floor(Date.now() / 1000);
const stranger = generateKeyPairSync('ed25519').privateKey;
const hmac = (secret: string | Buffer) => {
  const signed = `${encode({ ...header, alg: 'HS256' })}.${payloadPart}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
};
const without = (name: string) =>
  Object.fromEntries(Object.entries(genuine).filter(([claim]) => claim !== name));

/** The last character of 86 carries 4 bits that no byte needs. */
function otherSpelling(signature: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(signature.slice(-1));
  return signature.slice(0, -1) + alphabet.charAt(last ^ 1);
}

const other = await enter(service);
const [otherHeader = '', otherPayload = '', otherSignature = ''] = other.accessToken.split('.');

const forgeries: Readonly<Record<string, string>> = {
  'no algorithm': `${encode({ alg: 'none', typ: 'at+jwt' })}.${payloadPart}.`,
  'no algorithm and no signature part': `${encode({ alg: 'none', typ: 'at+jwt' })}.${payloadPart}`,
  'no algorithm with a genuine kid and signature': `${encode({ ...genuineHeader, alg: 'none' })}.${payloadPart}.${signaturePart}`,
  'no algorithm, signed': forge(genuine, { head: { ...header, alg: 'none' } }),
  'the algorithm in other letters': forge(genuine, { head: { ...header, alg: 'eddsa' } }),
  'an HMAC under the public key': hmac(Buffer.from(key.publicJwk.x, 'base64url')),
  'an HMAC under the public key as text': hmac(key.publicJwk.x),
  'another type': forge(genuine, { head: { ...header, typ: 'JWT' } }),
  'no type': forge(genuine, { head: { alg: 'EdDSA', kid: key.kid } }),
  'an unknown kid': forge(genuine, { head: { ...header, kid: 'A'.repeat(43) } }),
  'a kid that is a path': forge(genuine, { head: { ...header, kid: '../../etc/passwd' } }),
  'a kid that is SQL': forge(genuine, { head: { ...header, kid: "' or true --" } }),
  'a kid that is no text': forge(genuine, { head: { ...header, kid: { $ne: null } } }),
  'no kid': forge(genuine, { head: { alg: 'EdDSA', typ: 'at+jwt' } }),
  'a key in the header': forge(genuine, { head: { ...header, jwk: key.publicJwk }, by: stranger }),
  'a critical extension': forge(genuine, { head: { ...header, crit: ['exp'] } }),
  'a second header member of one name': forge(genuine, {
    head: `{"alg":"none",${JSON.stringify(header).slice(1)}`,
  }),
  'the signature of a stranger': forge(genuine, { by: stranger }),
  'the kid of the service and the signature of another key': forge(genuine, { head: genuineHeader }),
  'the payload of somebody else': `${headerPart}.${otherPayload}.${signaturePart}`,
  'the signature of somebody else': `${headerPart}.${payloadPart}.${otherSignature}`,
  'the header of another token of ours and a changed payload': `${otherHeader}.${encode({ ...genuine, sub: other.id })}.${signaturePart}`,
  'no signature': `${headerPart}.${payloadPart}.`,
  'half a signature': `${headerPart}.${payloadPart}.${signaturePart.slice(0, 43)}`,
  'a signature of zeros': `${headerPart}.${payloadPart}.${'A'.repeat(86)}`,
  'another spelling of the signature': `${headerPart}.${payloadPart}.${otherSpelling(signaturePart)}`,
  'a padded signature': `${headerPart}.${payloadPart}.${signaturePart}==`,
  'a part too many': `${victim.accessToken}.${signaturePart}`,
  'a dot too many': `${victim.accessToken}.`,
  'only dots': '..',
  'an over-long token': forge({ ...genuine, padding: 'A'.repeat(8_000) }),
  'a payload that is a list': forge([genuine]),
  'a payload that is no JSON': forge('{"sub":'),
  'a payload with a member twice': forge(`{"sub":"${other.id}",${JSON.stringify(genuine).slice(1)}`),
  'another issuer': forge({ ...genuine, iss: 'somebody-else' }),
  'another audience': forge({ ...genuine, aud: 'somebody-else' }),
  'a list of audiences': forge({ ...genuine, aud: [genuine.aud] }),
  'a subject that is a list': forge({ ...genuine, sub: [genuine.sub] }),
  'a subject that is an object': forge({ ...genuine, sub: { toString: genuine.sub } }),
  'a subject that is no UUID': forge({ ...genuine, sub: 'admin' }),
  'a session that is no UUID': forge({ ...genuine, sid: "' or true --" }),
  'a session with a NUL in it': forge({ ...genuine, sid: '\0' }),
  'a session of somebody else': forge({ ...genuine, sub: other.id }),
  'a session that does not exist': forge({ ...genuine, sid: victim.id }),
  'an end that is text': forge({ ...genuine, exp: String(genuine.exp) }),
  'an end that is a fraction': forge({ ...genuine, exp: genuine.exp + 0.5 }),
  'an end past all numbers': forge(`{${JSON.stringify(without('exp')).slice(1, -1)},"exp":1e999}`),
  'a negative start': forge({ ...genuine, iat: -1 }),
  'an expired one': forge({ ...genuine, iat: now - 100, exp: now - 10 }),
  'one from the future': forge({ ...genuine, iat: now + 60 }),
  'one not valid yet': forge({ ...genuine, nbf: now + 60 }),
  'the refresh token': victim.refreshToken,
  ...Object.fromEntries(Object.keys(genuine).map((claim) => [`no ${claim}`, forge(without(claim))])),
};

const calls: readonly [string, string][] = [
  ['GET', '/api/v1/access/me'],
  ['GET', '/api/v1/users/me'],
  ['GET', '/api/v1/users'],
  ['GET', '/api/v1/audit'],
  ['POST', '/api/v1/auth/logout'],
];

function expectRefusal(answer: Answer): void {
  assert.equal(answer.status, 401, JSON.stringify(answer.body));
  assert.doesNotMatch(JSON.stringify(answer.body), /Error|at .*\.ts|select |jwt/i);
}

const me = (accessToken: string) => call(service, '/api/v1/access/me', { bearer: accessToken });

test('a token made by hand with everything right is accepted, so that the rest of this file says something', async () => {
  const token = forge(genuine);
  assert.equal((await me(token)).status, 200);
  assert.equal((await call(service, '/api/v1/users', { bearer: token })).status, 200);
});

for (const [name, token] of Object.entries(forgeries)) {
  test(`${name}: refused everywhere, as bearer token and as cookie`, async () => {
    for (const [method, path] of calls) {
      expectRefusal(await call(service, path, { method, bearer: token }));
      expectRefusal(await call(service, path, { method, cookies: { access_token: token } }));
    }
    assert.equal((await me(victim.accessToken)).status, 200, 'the genuine one is as good as before');
  });
}

for (const [name, token] of Object.entries(forgeries)) {
  // A sign-out asks a token that we signed for its session alone, whatever its time.
  if (/^(an expired one|one from the future|one not valid yet|a session of somebody else)$/.test(name))
    continue;
  test(`${name}: does not sign the victim out`, async () => {
    for (const credentials of [{ bearer: token }, { cookies: { access_token: token } }]) {
      const path = '/api/v1/access/logout';
      const answer = await call(service, path, { method: 'POST', ...credentials });
      expectRefusal(answer);
    }
    assert.equal((await me(victim.accessToken)).status, 200);
  });
}

test('an access token is no refresh token', async () => {
  const { accessToken } = await enter(service);
  const path = '/api/v1/auth/refresh';
  assert.equal((await call(service, path, { json: { refresh_token: accessToken } })).status, 401);
  const cookies = { refresh_token: accessToken };
  assert.equal((await call(service, '/api/v1/access/refresh-jwt', { method: 'POST', cookies })).status, 401);
  assert.equal((await me(accessToken)).status, 200);
});

test('a token that was recognised lends its standing to no other with the same header and payload', async () => {
  const person = await enter(service);
  const [head = '', payload = '', signature = ''] = person.accessToken.split('.');
  const forgedSignatures = [
    otherSignature,
    signaturePart,
    'A'.repeat(86),
    otherSpelling(signature),
    '',
    `${signature}A`,
  ];
  for (const state of ['before it was seen', 'after it was seen']) {
    for (const forged of forgedSignatures) {
      assert.equal((await me(`${head}.${payload}.${forged}`)).status, 401, state);
    }
    assert.equal((await me(person.accessToken)).status, 200, state);
  }
});

test('of two tokens in one request the one in the Authorization header counts', async () => {
  const person = await enter(service);
  const path = '/api/v1/access/me';
  const { cookies } = person;
  assert.equal((await call(service, path, { bearer: 'forged', cookies })).status, 401);
  const answer = await call(service, path, {
    bearer: person.accessToken,
    cookies: { access_token: 'forged' },
  });
  assert.equal(answer.status, 200);
});
