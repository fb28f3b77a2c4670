import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createFirstRefreshToken,
  createSuccessor,
  decodeUuid,
  deriveSuccessorSecret,
  encodeRefreshToken,
  encodeUuid,
  hashRefreshSecret,
  maxRefreshGeneration,
  parseRefreshToken,
  secretMatches,
  tagMatches,
} from './refresh-token.ts';

const sessionId = '01890a5d-ac96-774b-bcce-b302099a8057';
function count(from: number): Buffer {
  return Buffer.from(Array.from({ length: 32 }, (_, index) => from + index));
}

const tagKey = count(0);
const secret = count(100);
const salt = count(200);

function parse(text: string) {
  const token = parseRefreshToken(text);
  assert.ok(token !== undefined);
  return token;
}

// Made by Python's hmac and hashlib from the layout in the module's comment: a token outlives the version of the
// server that made it, so the layout may not drift.
const vector = {
  first: 'AYkKXayWd0u8zrMCCZqAVwAAAAFkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5_gIGCg6kmpEJjx2pBgTjGEWooYpg',
  second: 'AYkKXayWd0u8zrMCCZqAVwAAAALaKqCuZwjW9wlZlpu1F0rEpOpKFjB5Yvxz931wGPxN6CGwfwdStqKCZUazQbJWJoo',
  firstHash: 'e3e16780becf601d55e4751e7d722ef91d750bb0cea61b1bb5ea8bc308cdf262',
  secondHash: '9f228347a92b3f9ffc58c6822a4042b099f379594ad61defaf64ea92875ba77c',
};

test('composes the tokens that the layout says', () => {
  assert.equal(encodeRefreshToken(tagKey, { sessionId, generation: 1, secret }), vector.first);
  assert.equal(hashRefreshSecret(secret).toString('hex'), vector.firstHash);
  const successor = createSuccessor(tagKey, { sessionId, generation: 1, secret }, salt);
  assert.equal(successor.token, vector.second);
  assert.equal(successor.generation, 2);
  assert.equal(successor.currentHash.toString('hex'), vector.secondHash);
});

test('the first token names its session, generation 1 and proves both', () => {
  const { token, generation, tagKey: fresh, currentHash } = createFirstRefreshToken(sessionId, randomBytes);
  assert.equal(token.length, 91);
  const parsed = parse(token);
  assert.equal(parsed.sessionId, sessionId);
  assert.equal(parsed.generation, 1);
  assert.equal(generation, 1);
  assert.ok(tagMatches(fresh, parsed));
  assert.ok(secretMatches(parsed.secret, currentHash));
});

test('two sessions share neither secret nor tag key', () => {
  const one = createFirstRefreshToken(sessionId, randomBytes);
  const two = createFirstRefreshToken(sessionId, randomBytes);
  assert.ok(!one.tagKey.equals(two.tagKey));
  assert.ok(!one.currentHash.equals(two.currentHash));
  assert.ok(!tagMatches(two.tagKey, parse(one.token)));
});

test('a second use of the same predecessor gives the same successor', () => {
  const predecessor = parse(createFirstRefreshToken(sessionId, randomBytes).token);
  assert.deepEqual(createSuccessor(tagKey, predecessor, salt), createSuccessor(tagKey, predecessor, salt));
});

test('an old token leads to no later one without the salt of that rotation', () => {
  const right = deriveSuccessorSecret({ sessionId, generation: 1, secret }, salt);
  assert.ok(!right.equals(deriveSuccessorSecret({ sessionId, generation: 1, secret }, randomBytes(32))));
});

test('the salt leads to no successor without the predecessor', () => {
  const right = deriveSuccessorSecret({ sessionId, generation: 1, secret }, salt);
  for (const guess of [Buffer.alloc(32), hashRefreshSecret(secret), tagKey, randomBytes(32)]) {
    assert.ok(!right.equals(deriveSuccessorSecret({ sessionId, generation: 1, secret: guess }, salt)));
  }
});

test('the successor belongs to its session and generation', () => {
  const right = deriveSuccessorSecret({ sessionId, generation: 1, secret }, salt);
  const other = sessionId.replace(/^0/, '1');
  assert.ok(!right.equals(deriveSuccessorSecret({ sessionId: other, generation: 1, secret }, salt)));
  assert.ok(!right.equals(deriveSuccessorSecret({ sessionId, generation: 2, secret }, salt)));
});

test('who reads the database can forge the tag, and not the secret', () => {
  const issued = createFirstRefreshToken(sessionId, randomBytes);
  const forged = parse(
    encodeRefreshToken(issued.tagKey, { sessionId, generation: 1, secret: issued.currentHash }),
  );
  assert.ok(tagMatches(issued.tagKey, forged));
  assert.ok(!secretMatches(forged.secret, issued.currentHash));
});

test('a token with any bit changed is no token or has a wrong tag', () => {
  const issued = createFirstRefreshToken(sessionId, randomBytes);
  const bytes = Buffer.from(issued.token, 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    const parsed = parseRefreshToken(changed.toString('base64url'));
    assert.ok(parsed === undefined || !tagMatches(issued.tagKey, parsed), `bit ${bit}`);
  }
});

test('only the one spelling of a token is read', () => {
  const { token } = createFirstRefreshToken(sessionId, randomBytes);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.charAt(alphabet.indexOf(token.slice(-1)) ^ 1);
  const texts = [
    '',
    `${token}=`,
    `${token} `,
    ` ${token}`,
    `"${token}"`,
    token.slice(1),
    `${token}A`,
    `${token}\0`,
  ];
  texts.push(
    token.slice(0, -1) + last,
    `${token.slice(0, -1)}=`,
    `${token.slice(0, -1)} `,
    '\u{1f511}'.repeat(45),
  );
  for (const text of texts) assert.equal(parseRefreshToken(text), undefined, JSON.stringify(text));
});

test('a generation that the database could not hold is no token', () => {
  const bytes = Buffer.from(encodeRefreshToken(tagKey, { sessionId, generation: 1, secret }), 'base64url');
  for (const generation of [0, maxRefreshGeneration + 1, 0xffff_ffff]) {
    bytes.writeUInt32BE(generation, 16);
    assert.equal(parseRefreshToken(bytes.toString('base64url')), undefined);
  }
  bytes.writeUInt32BE(maxRefreshGeneration, 16);
  const last = parse(bytes.toString('base64url'));
  assert.equal(last.generation, maxRefreshGeneration);
  assert.throws(() => deriveSuccessorSecret(last, salt), RangeError);
});

test('material of the wrong length is refused instead of weakening the token', () => {
  const token = { sessionId, generation: 1, secret };
  assert.throws(() => encodeRefreshToken(Buffer.alloc(0), token), RangeError);
  assert.throws(() => encodeRefreshToken(tagKey, { ...token, secret: Buffer.alloc(31) }), RangeError);
  assert.throws(() => deriveSuccessorSecret(token, Buffer.alloc(0)), RangeError);
  assert.equal(secretMatches(secret, Buffer.alloc(0)), false);
});

test('parsing never throws, and what it reads is what was written', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 91, maxLength: 91 })),
      (text) => {
        parseRefreshToken(text);
      },
    ),
  );
  const bytes = fc.uint8Array({ minLength: 68, maxLength: 68 });
  fc.assert(
    fc.property(bytes, fc.integer({ min: 1, max: maxRefreshGeneration }), (body, generation) => {
      const written = Buffer.from(body);
      written.writeUInt32BE(generation, 16);
      const parsed = parse(written.toString('base64url'));
      assert.equal(parsed.generation, generation);
      assert.deepEqual(encodeUuid(parsed.sessionId), written.subarray(0, 16));
      assert.deepEqual(parsed.secret, written.subarray(20, 52));
      assert.deepEqual(parsed.tag, written.subarray(52));
    }),
  );
});

test('a UUID survives as bytes, and nothing else passes for one', () => {
  assert.equal(encodeUuid(sessionId).toString('hex'), '01890a5dac96774bbcceb302099a8057');
  assert.equal(decodeUuid(encodeUuid(sessionId)), sessionId);
  for (const text of [
    '',
    sessionId.toUpperCase(),
    `{${sessionId}}`,
    sessionId.replaceAll('-', ''),
    `${sessionId}\n`,
  ]) {
    assert.throws(() => encodeUuid(text), RangeError);
  }
  assert.throws(() => decodeUuid(Buffer.alloc(15)), RangeError);
});
