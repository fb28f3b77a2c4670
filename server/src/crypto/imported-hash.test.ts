import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { importedHashFormats, readImportedHash } from './imported-hash.ts';

const horse = 'correct horse';

// From the specifications where named; the others made by Python's hashlib, Werkzeug and libxcrypt.
const vectors: readonly { format: string; source: string; stored: string; password: string }[] = [
  {
    format: 'argon2',
    source: 'phc-winner-argon2 test.c, version 19',
    stored: '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    password: 'password',
  },
  {
    format: 'argon2',
    source: 'phc-winner-argon2 test.c, two lanes',
    stored: '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc',
    password: 'password',
  },
  {
    format: 'argon2',
    source: 'phc-winner-argon2 test.c, version 16 of Argon2i, which is written without v=',
    stored: '$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ',
    password: 'password',
  },
  {
    format: 'argon2',
    source: 'the same as Django spells it',
    stored: 'argon2$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    password: 'password',
  },
  {
    format: 'bcrypt',
    source: 'crypt_blowfish wrapper.c',
    stored: '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK',
    password: 'U*U*',
  },
  {
    format: 'bcrypt',
    source: 'crypt_blowfish wrapper.c, past 72 bytes',
    stored: '$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui',
    password:
      '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored',
  },
  {
    format: 'bcrypt',
    source: 'libxcrypt',
    stored: '$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e',
    password: horse,
  },
  {
    format: 'bcrypt',
    source: 'libxcrypt',
    stored: '$2y$04$abcdefghijklmnopqrstuuF7KK/SfP9IRGj0pPJMr8GdtCS8xpmpC',
    password: 'p\u00e4ss',
  },
  {
    format: 'bcrypt',
    source: 'libxcrypt, as Django spells it',
    stored: 'bcrypt$$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e',
    password: horse,
  },
  {
    format: 'django-bcrypt-sha256',
    source: 'hashlib and libxcrypt',
    stored: 'bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuIvyWZlBcE3WoQXKqRnwrLYJ6nenE0Bq',
    password: horse,
  },
  {
    format: 'phc-scrypt',
    source: 'RFC 7914 section 12, second vector',
    stored:
      '$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA',
    password: 'password',
  },
  {
    format: 'phc-scrypt',
    source: 'passlib manual',
    stored: '$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E',
    password: 'password',
  },
  {
    format: 'django-scrypt',
    source: 'hashlib',
    stored:
      'scrypt$16384$seasalt$8$5$nXachnDoZ26UFUF1o3PD3FjYfKq/mD4nZm22d5L0rp+Bi3DZTjkayk+fTW77FlT+2IelThLoihBYgWjZHfwh3Q==',
    password: horse,
  },
  {
    format: 'werkzeug-scrypt',
    source: 'Werkzeug',
    stored:
      'scrypt:1024:8:1$eDD9k8D1LuEJImXd$e12507e98aa563c3ebd2fbd4b45d617779d428aedee147f9f4b965bd4d75b997717d4a251b532f0ab59b844ec568e86853a6c34ad2dad316a302cdf80e8b1b8f',
    password: horse,
  },
  {
    format: 'passlib-pbkdf2',
    source: 'passlib manual',
    stored: '$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44',
    password: 'password',
  },
  {
    format: 'passlib-pbkdf2',
    source: 'hashlib',
    stored:
      '$pbkdf2-sha512$1000$8PHy8/T19vf4.fr7/P3./w$xqu1f3FSdHbs02z9AocIk0UpBf6S9uqlRTfcS56zkPqTxPMhm.kj4D.e8E9DRlH/uXf/Pe1g59vHIM0MwcvtiA',
    password: horse,
  },
  {
    format: 'passlib-pbkdf2',
    source: 'hashlib, SHA-1',
    stored: '$pbkdf2$1000$8PHy8/T19vf4.fr7/P3./w$.5QX0J046SbyM4zUrpWK1an1PdA',
    password: horse,
  },
  {
    format: 'django-pbkdf2',
    source: 'hashlib',
    stored: 'pbkdf2_sha256$1000$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso=',
    password: horse,
  },
  {
    format: 'werkzeug-pbkdf2',
    source: 'Werkzeug',
    stored:
      'pbkdf2:sha256:1000$cpSDm5a5504E5Fbn$506ebbc6e473ff70b6fd7f1693dab6a503832751694c9a25b577b6550a2d8069',
    password: horse,
  },
  {
    format: 'werkzeug-pbkdf2',
    source: 'Werkzeug',
    stored:
      'pbkdf2:sha512:1000$7qZbCo7oWCNtob2i$07b3c14b857f9e13c3e56d986ef18faf7a6916e0793b1fa154ef4251fb6a25558e759dcc5d555779c54a4796f13452409dcd37c6494578420ffb9126622bc750',
    password: horse,
  },
];

for (const { format, source, stored, password } of vectors) {
  test(`${format} verifies the vector of ${source}`, async () => {
    const check = readImportedHash(stored);
    assert.ok(check !== undefined);
    assert.equal(await check(password), true);
    assert.equal(await check(`x${password}`), false);
    assert.equal(await check(''), false);
  });
}

test('every format has a vector', () => {
  assert.deepEqual([...new Set(vectors.map((vector) => vector.format))], [...importedHashFormats]);
});

const key32 = 'nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
const unusable: readonly [why: string, stored: string][] = [
  ['no format at all', ''],
  ['a plain password', 'hunter2'],
  ['Argon2 with 4 TiB', `$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$${key32}`],
  ['Argon2 with a billion passes', `$argon2id$v=19$m=8,t=1000000000,p=1$c29tZXNhbHQ$${key32}`],
  ['Argon2 just over the memory cap', `$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQ$${key32}`],
  ['Argon2 just over the time cap', `$argon2id$v=19$m=262144,t=5,p=1$c29tZXNhbHQ$${key32}`],
  ['Argon2 with 255 lanes', `$argon2id$v=19$m=65536,t=1,p=255$c29tZXNhbHQ$${key32}`],
  ['Argon2 without passes', `$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$${key32}`],
  ['Argon2 with a leading zero', `$argon2id$v=19$m=064,t=1,p=1$c29tZXNhbHQ$${key32}`],
  ['Argon2 with 4 blocks a lane', `$argon2id$v=19$m=8,t=1,p=2$c29tZXNhbHQ$${key32}`],
  ['Argon2 with a key of one byte', '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QQ'],
  ['Argon2d', `$argon2d$v=19$m=64,t=1,p=1$c29tZXNhbHQ$${key32}`],
  ['bcrypt over the cap', '$2b$15$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'],
  ['bcrypt of cost 31', '$2b$31$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'],
  ['bcrypt of cost 3', '$2b$03$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'],
  ['bcrypt of the broken kind', '$2x$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'],
  ['bcrypt cut short', '$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6'],
  ['scrypt with 1 TiB', `$scrypt$ln=30,r=8,p=1$c29tZXNhbHQ$${key32}`],
  ['scrypt just over the memory cap', `$scrypt$ln=18,r=8,p=1$c29tZXNhbHQ$${key32}`],
  ['scrypt just over the time cap', `$scrypt$ln=14,r=8,p=17$c29tZXNhbHQ$${key32}`],
  ['scrypt with ln out of sight', `$scrypt$ln=9999999999,r=1,p=1$c29tZXNhbHQ$${key32}`],
  ['scrypt with a huge r', `$scrypt$ln=1,r=1000000000,p=1$c29tZXNhbHQ$${key32}`],
  ['scrypt with a huge p', `$scrypt$ln=1,r=1,p=1000000000$c29tZXNhbHQ$${key32}`],
  ['scrypt with N no power of two', `scrypt$1000$seasalt$8$1$${key32}=`],
  ['scrypt with N of 1', `scrypt$1$seasalt$8$1$${key32}=`],
  ['scrypt with an empty key', 'scrypt:1024:8:1$salt$'],
  ['PBKDF2 with ten billion iterations', `$pbkdf2-sha256$9999999999$c29tZXNhbHQ$${key32.replace('/', '.')}`],
  ['PBKDF2 whose many blocks are over the cap', `pbkdf2:sha1:1000000$salt$${'ab'.repeat(64)}`],
  ['PBKDF2 without iterations', 'pbkdf2_sha256$0$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso='],
  ['PBKDF2 with a key of two bytes', 'pbkdf2:sha256:1000$salt$abab'],
  ['PBKDF2 with a key of a kilobyte', `pbkdf2:sha256:1$salt$${'ab'.repeat(200)}`],
  ['PBKDF2 with MD5', `pbkdf2:md5:1000$salt$${'ab'.repeat(16)}`],
  ['PBKDF2 with odd hex', `pbkdf2:sha256:1000$salt$${'ab'.repeat(32)}a`],
  ['PBKDF2 with a salt of 200 bytes', `pbkdf2:sha256:1$${'s'.repeat(200)}$${'ab'.repeat(32)}`],
  [
    'passlib with + for .',
    '$pbkdf2-sha256$6400$+6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44',
  ],
  ['a text of a megabyte', '$'.repeat(1_000_000)],
  ['a line break after it', '$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\n'],
];

for (const [why, stored] of unusable) {
  test(`is unusable: ${why}`, () => {
    assert.equal(readImportedHash(stored), undefined);
  });
}

test('reading never throws, whatever is stored', () => {
  const mutated = fc
    .tuple(fc.constantFrom(...vectors), fc.nat(150), fc.string({ maxLength: 3 }))
    .map(([{ stored }, at, text]) => stored.slice(0, at) + text + stored.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(fc.string(), mutated), (stored) => {
      readImportedHash(stored);
    }),
    { numRuns: 2_000 },
  );
});
