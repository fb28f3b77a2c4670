import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import {
  createSigningKey,
  parsePublicSigningKey,
  parseSigningKey,
  SigningKeyError,
  serializeSigningKey,
} from './signing-key.ts';

const good = createSigningKey(randomBytes(32));
function goodJwk(): Record<string, unknown> {
  return JSON.parse(serializeSigningKey(good));
}

test('a key survives being written and read', () => {
  const read = parseSigningKey(serializeSigningKey(good));
  assert.deepEqual(read.publicJwk, good.publicJwk);
  const message = Buffer.from('message');
  assert.ok(verify(null, message, good.publicKey, sign(null, message, read.privateKey)));
});

test('the published key shows exactly the public members', () => {
  assert.deepEqual(good.publicJwk, {
    kty: 'OKP',
    crv: 'Ed25519',
    x: good.publicJwk.x,
    kid: good.kid,
    use: 'sig',
    alg: 'EdDSA',
  });
  assert.ok(!JSON.stringify(good.publicJwk).includes(String(goodJwk().d)));
});

test('the kid is the thumbprint of RFC 7638, as RFC 8037 A.3 and jose compute it', async () => {
  const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
  const { kid } = parsePublicSigningKey({ kty: 'OKP', crv: 'Ed25519', x });
  assert.equal(kid, 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  assert.equal(good.kid, await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: good.publicJwk.x }));
});

test('reads keys that another library made, whatever kid they carry', () => {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const key = parseSigningKey(
    JSON.stringify({ ...jwk, kid: 'mine', alg: 'Ed25519', key_ops: ['sign'] }, null, 2),
  );
  assert.equal(key.publicJwk.x, jwk.x);
  assert.notEqual(key.kid, 'mine');
});

const otherX = createSigningKey(randomBytes(32)).publicJwk.x;
const refusals: readonly [change: Record<string, unknown>, message: RegExp][] = [
  [{ x: otherX }, /do not belong together/],
  [{ kty: 'EC', crv: 'P-256' }, /not an Ed25519 JWK/],
  [{ crv: 'X25519' }, /not an Ed25519 JWK/],
  [{ crv: 'Ed448' }, /not an Ed25519 JWK/],
  [{ alg: 'ES256' }, /another algorithm/],
  [{ use: 'enc' }, /not for signatures/],
  [{ key_ops: ['verify'] }, /lacks "sign"/],
  [{ d: undefined }, /no private half/],
  [{ d: 'AAAA' }, /no private half/],
  [{ d: 7 }, /no private half/],
  [{ d: `${'A'.repeat(43)}=` }, /no private half/],
  [{ x: undefined }, /no public half/],
  [{ d: 'A'.repeat(43) }, /only 1 different bytes/],
];

for (const [change, message] of refusals) {
  test(`refuses a key with ${JSON.stringify(change)}`, () => {
    const text = JSON.stringify({ ...goodJwk(), ...change });
    assert.throws(() => parseSigningKey(text), { name: 'SigningKeyError', message });
  });
}

for (const text of ['', 'null', '[]', '"key"', '{', '{}', '{"keys":[]}', '-----BEGIN PRIVATE KEY-----']) {
  test(`refuses ${JSON.stringify(text)} as a key`, () => {
    assert.throws(() => parseSigningKey(text), SigningKeyError);
  });
}

test('no refusal shows the key', () => {
  const { d } = goodJwk();
  for (const text of [JSON.stringify({ ...goodJwk(), x: otherX }), `${JSON.stringify(goodJwk())}}`]) {
    assert.throws(
      () => parseSigningKey(text),
      (error) => error instanceof Error && !error.message.includes(String(d)),
    );
  }
});

// The private keys as base64url or hex of the documents, with the public half of each to catch a slip in the table.
const published: readonly [seed: string, publicKey: string][] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
  ],
  [
    'f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5',
    '278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e',
  ],
  [
    '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
  ],
  [
    '0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6',
    'dfc9425e4f968f7f0c29f0259cf5f9aed6851c2bb4ad8bfb860cfee0ab248292',
  ],
  [
    'ab9c2853ce297ddab85c993b3ae14bcad39b2c682beabc27d6d4eb20711d6560',
    '0f1d1274943b91415889152e893d80e93275a1fc0b65fd71b4b0dda10ad7d772',
  ],
];

for (const [seed, publicKey] of published) {
  test(`refuses the published test key ${publicKey.slice(0, 8)}`, () => {
    const d = Buffer.from(seed, 'hex').toString('base64url');
    const x = Buffer.from(publicKey, 'hex').toString('base64url');
    const text = JSON.stringify({ kty: 'OKP', crv: 'Ed25519', d, x });
    assert.throws(() => parseSigningKey(text), { message: /published test key of RFC 80/ });
  });
}

const weakSeeds: readonly [name: string, seed: Buffer, message: RegExp][] = [
  ['all zero', Buffer.alloc(32), /only 1 different bytes/],
  ['all one', Buffer.alloc(32, 0xff), /only 1 different bytes/],
  ['counting up', Buffer.from(Array.from({ length: 32 }, (_, index) => index)), /regular sequence/],
  [
    'counting by threes',
    Buffer.from(Array.from({ length: 32 }, (_, index) => 200 + 3 * index)),
    /regular seq/,
  ],
  ['a passphrase', Buffer.from('correct horse battery staple 123'), /plain text/],
  ['short', Buffer.alloc(31, 7), /has 32 bytes, not 31/],
];

for (const [name, seed, message] of weakSeeds) {
  test(`refuses a seed that is ${name}`, () => {
    assert.throws(() => createSigningKey(seed), { name: 'SigningKeyError', message });
  });
}

test('ten thousand random seeds are all taken', () => {
  for (let index = 0; index < 10_000; index += 1) createSigningKey(randomBytes(32));
});

test('reads a public key, and never a private or damaged one as public', () => {
  const { kid, publicKey } = parsePublicSigningKey(good.publicJwk);
  assert.equal(kid, good.kid);
  assert.equal(publicKey.type, 'public');
  for (const jwk of [
    undefined,
    null,
    [],
    'key',
    {},
    { ...good.publicJwk, x: 'AAAA' },
    { ...good.publicJwk, kty: 'RSA' },
  ]) {
    assert.throws(() => parsePublicSigningKey(jwk), SigningKeyError);
  }
});

test('refuses public keys of small order in every spelling', () => {
  const points = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ];
  for (const point of points) {
    for (const sign of [0x00, 0x80]) {
      const bytes = Buffer.from(point, 'hex');
      bytes.writeUInt8(bytes.readUInt8(31) | sign, 31);
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') };
      assert.throws(() => parsePublicSigningKey(jwk), { message: /small order/ });
    }
  }
});
