import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { assertId, assertProblem, eventually, fieldsOf, renewSigningKeys } from '../support/expectations.ts';
import { call, enter, member, signIn, startTestService, type TestService } from '../support/service.ts';

const service = await startTestService();

async function readKeySet(at: TestService): Promise<JSONWebKeySet> {
  const { status, body } = await call(at, '/.well-known/jwks.json');
  assert.equal(status, 200);
  const keys = member(body, 'keys');
  assert.ok(Array.isArray(keys));
  return { keys };
}

const expected = { issuer: 'irontrack', audience: 'irontrack', typ: 'at+jwt', algorithms: ['EdDSA'] };

test('the key set holds public Ed25519 keys and nothing private', async () => {
  const answer = await call(service, '/.well-known/jwks.json');
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  assert.deepEqual(fieldsOf(answer.body), ['keys']);
  const { keys } = await readKeySet(service);
  assert.equal(keys.length, 1);
  for (const key of keys) {
    assert.deepEqual(fieldsOf(key), ['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    const { kty, crv, use, alg } = key;
    assert.deepEqual({ kty, crv, use, alg }, { kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA' });
  }
});

test('another library verifies an access token with the key set, and finds the promised claims', async () => {
  const person = await enter(service);
  const keySet = await readKeySet(service);
  const { payload, protectedHeader } = await jwtVerify(
    person.accessToken,
    createLocalJWKSet(keySet),
    expected,
  );
  assert.deepEqual(protectedHeader, { alg: 'EdDSA', typ: 'at+jwt', kid: keySet.keys[0]?.kid });
  assert.deepEqual(fieldsOf(payload), ['aud', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub']);
  assert.equal(payload.sub, person.id);
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 30 * 60);
  assertId(payload.jti);
  const sessions = await call(service, '/api/v1/sessions/me', { bearer: person.accessToken });
  assert.ok(JSON.stringify(sessions.body).includes(`"${payload.sid}"`));
});

test('no two access tokens are alike, even of one session in one second', async () => {
  const person = await enter(service);
  const answers = await Promise.all(
    Array.from({ length: 5 }, () =>
      call(service, '/api/v1/auth/refresh', { json: { refresh_token: person.refreshToken } }),
    ),
  );
  const tokens = answers.map(({ body }) => member(body, 'access_token'));
  assert.equal(new Set([...tokens, person.accessToken]).size, 6);
});

test('issuer, audience and lifetime are as configured, and tokens for others are refused', async () => {
  const environment = {
    TOKEN_ISSUER: 'https://id.example.org',
    TOKEN_AUDIENCE: 'gym',
    ACCESS_TOKEN_TTL: '90s',
  };
  const other = await startTestService({ environment, beside: service });
  const person = await enter(other);
  const { payload } = await jwtVerify(person.accessToken, createLocalJWKSet(await readKeySet(other)), {
    ...expected,
    issuer: 'https://id.example.org',
    audience: 'gym',
  });
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 90);
  const answer = await call(service, '/api/v1/access/me', { bearer: person.accessToken });
  assertProblem(answer, 401, 'not-authenticated');
});

test('two nodes with a key each accept the tokens of the other and show both keys', async () => {
  const other = await startTestService({ beside: service });
  const person = await enter(service);
  const there = await signIn(other, person);
  const kidOf = (token: string) => {
    const header: unknown = JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString());
    return member(header, 'kid');
  };
  assert.notEqual(kidOf(person.accessToken), kidOf(there.accessToken));
  for (const [node, token] of [
    [other, person.accessToken],
    [service, there.accessToken],
  ] as const) {
    await eventually(async () => (await call(node, '/api/v1/access/me', { bearer: token })).status === 200);
    await eventually(async () => {
      const kids = (await readKeySet(node)).keys.map(({ kid }) => kid);
      return (
        kids.includes(String(kidOf(person.accessToken))) && kids.includes(String(kidOf(there.accessToken)))
      );
    });
    await jwtVerify(token, createLocalJWKSet(await readKeySet(node)), expected);
  }
  const refreshed = await call(service, '/api/v1/auth/refresh', {
    json: { refresh_token: there.refreshToken },
  });
  assert.equal(refreshed.status, 200);
});

test('a key of a node that is gone can be cut off: its tokens are refused, and the sessions go on', async () => {
  const other = await startTestService({ beside: service });
  const person = await enter(other);
  const [head = ''] = person.accessToken.split('.', 1);
  const header: unknown = JSON.parse(Buffer.from(head, 'base64url').toString());
  const me = () => call(service, '/api/v1/access/me', { bearer: person.accessToken });
  await eventually(async () => (await me()).status === 200);
  const mine = await enter(service);
  // A node that signs with a key keeps it alive, so that one has to be gone first.
  await other.close();
  const kid = String(member(header, 'kid'));
  await service.sql`update signing_keys set verify_until = now(), revoked_at = now() where kid = ${kid}`;
  await eventually(async () => (await me()).status === 401);
  const json = { refresh_token: person.refreshToken };
  assert.equal((await call(service, '/api/v1/auth/refresh', { json })).status, 200);
  assert.equal((await call(service, '/api/v1/access/me', { bearer: mine.accessToken })).status, 200);
});

test('a key that was cut off by a clock that is ahead is refused at once, also for tokens not seen before', async () => {
  const other = await startTestService({ beside: service });
  const person = await enter(other);
  const unseen = await signIn(other, person);
  const [head = ''] = person.accessToken.split('.', 1);
  const header: unknown = JSON.parse(Buffer.from(head, 'base64url').toString());
  const kid = String(member(header, 'kid'));
  const ask = async (bearer: string) => (await call(service, '/api/v1/access/me', { bearer })).status;
  await eventually(async () => (await ask(person.accessToken)) === 200);
  await other.close();
  // As `rotate-signing-key` writes it on a machine that is ten minutes ahead.
  await service.sql`
    update signing_keys set verify_until = now() + interval '10 minutes', revoked_at = now() + interval '10 minutes'
    where kid = ${kid}`;
  await eventually(async () => (await ask(person.accessToken)) === 401);
  await eventually(async () => (await ask(unseen.accessToken)) === 401);
  await eventually(async () => (await readKeySet(service)).keys.every((key) => key.kid !== kid));
});

test('the very first request whose token has a key that the node must look up is served', async () => {
  const node = await startTestService();
  const person = await enter(node);
  // What the node knows of its key is out of date now, and the database says otherwise.
  node.clock.advance(2 * 3_600_000);
  await renewSigningKeys(node);
  const { accessToken } = await signIn(node, person);
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => call(node, '/api/v1/access/me', { bearer: accessToken })),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200],
  );
});
