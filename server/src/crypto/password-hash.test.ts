import assert from 'node:assert/strict';
import { argon2Sync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createHashQueue, HashQueueFull } from './hash-queue.ts';
import { type Argon2Parameters, createPasswordHasher, isBelowOwaspMinimum } from './password-hash.ts';

const cheap: Argon2Parameters = { memoryKib: 64, passes: 2, parallelism: 1 };

function createHasher(parameters: Argon2Parameters = cheap, maxWaitMs = 60_000) {
  const queue = createHashQueue({ concurrency: 2, maxWaitMs, now: () => performance.now() });
  return createPasswordHasher({ parameters, queue, randomBytes });
}

test('verifies what it hashed, and nothing else', async () => {
  const hasher = createHasher();
  const stored = await hasher.hash('Tr0ub4dor&3');
  assert.match(stored, /^\$argon2id\$v=19\$m=64,t=2,p=1\$[^$]{22}\$[^$]{43}$/);
  assert.deepEqual(await hasher.verify(stored, 'Tr0ub4dor&3'), { matches: true, needsRenewal: false });
  assert.deepEqual(await hasher.verify(stored, 'tr0ub4dor&3'), { matches: false, needsRenewal: false });
});

test('two hashes of one password differ', async () => {
  const hasher = createHasher();
  assert.notEqual(await hasher.hash('same'), await hasher.hash('same'));
});

test('makes the same bytes as the Argon2id of OpenSSL', async () => {
  const stored = await createHasher().hash('p\u00e4ssword');
  const [, , , , salt = '', key = ''] = stored.split('$');
  const expected = argon2Sync('argon2id', {
    message: Buffer.from('p\u00e4ssword'),
    nonce: Buffer.from(salt, 'base64'),
    parallelism: 1,
    tagLength: 32,
    memory: 64,
    passes: 2,
  });
  assert.equal(Buffer.from(key, 'base64').toString('hex'), Buffer.from(expected).toString('hex'));
});

test('a password typed composed or decomposed is the same password', async () => {
  const hasher = createHasher();
  const stored = await hasher.hash('Caf\u00e9 \ufb01ne');
  assert.equal((await hasher.verify(stored, 'Cafe\u0301 fine')).matches, true);
});

test('an imported hash is checked against what was typed as well', async () => {
  const hasher = createHasher();
  // Of "Cafe" with a combining accent, by Python's hashlib: the other system did not normalise.
  const stored =
    'pbkdf2:sha256:1000$seasalt$4f8be5bba0ed0559883c6dd83eda784f78d5012b65ce21abce775d43bbb21304';
  assert.equal((await hasher.verify(stored, 'Cafe\u0301')).matches, true);
  assert.equal((await hasher.verify(stored, 'Caf\u00e9')).matches, false);
});

const renewals: readonly [why: string, stored: Argon2Parameters, needsRenewal: boolean][] = [
  ['less memory', { memoryKib: 32, passes: 8, parallelism: 1 }, true],
  ['fewer passes', { memoryKib: 64, passes: 1, parallelism: 1 }, true],
  ['more memory but less work', { memoryKib: 96, passes: 1, parallelism: 1 }, true],
  ['more memory', { memoryKib: 128, passes: 2, parallelism: 1 }, false],
  ['more passes', { memoryKib: 64, passes: 3, parallelism: 1 }, false],
  ['more lanes', { memoryKib: 64, passes: 2, parallelism: 2 }, false],
];

for (const [why, parameters, needsRenewal] of renewals) {
  test(`a hash with ${why} ${needsRenewal ? 'is to be renewed' : 'is kept'}`, async () => {
    const stored = await createHasher(parameters).hash('secret');
    assert.deepEqual(await createHasher().verify(stored, 'secret'), { matches: true, needsRenewal });
    assert.deepEqual(await createHasher().verify(stored, 'other'), { matches: false, needsRenewal: false });
  });
}

test('an imported hash is to be renewed when it matches', async () => {
  const stored = '$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e';
  const hasher = createHasher();
  assert.deepEqual(await hasher.verify(stored, 'correct horse'), { matches: true, needsRenewal: true });
  assert.deepEqual(await hasher.verify(stored, 'wrong horse'), { matches: false, needsRenewal: false });
});

test('an Argon2id hash with a short salt is to be renewed', async () => {
  const stored = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
  assert.deepEqual(await createHasher().verify(stored, 'password'), { matches: true, needsRenewal: true });
});

test('a stored hash that cannot be read matches nothing and throws nothing', async () => {
  const hasher = createHasher();
  const stored = await hasher.hash('secret');
  const broken = ['', 'garbage', stored.slice(0, -1), `${stored}=`, stored.replace('m=64', 'm=4294967295')];
  // The last character of 32 bytes in base64 carries two bits that must be zero.
  broken.push(`${stored.slice(0, -1)}9`, stored.replace('v=19', 'v=18'));
  for (const text of broken) {
    assert.deepEqual(await hasher.verify(text, 'secret'), { matches: false, needsRenewal: false }, text);
  }
});

test('a wrong password, an unknown account and an unusable hash cost the same', async () => {
  const hasher = createHasher({ memoryKib: 16_384, passes: 2, parallelism: 1 });
  const stored = await hasher.hash('secret');
  const measure = async (work: () => Promise<unknown>): Promise<number> => {
    const startedAt = performance.now();
    await work();
    return performance.now() - startedAt;
  };
  const kinds = {
    wrong: () => hasher.verify(stored, 'other'),
    unknown: () => hasher.spend('other'),
    unusable: () => hasher.verify('garbage', 'other'),
  };
  const times = { wrong: [0], unknown: [0], unusable: [0] };
  for (const list of Object.values(times)) list.pop();
  for (let round = 0; round < 15; round += 1) {
    times.wrong.push(await measure(kinds.wrong));
    times.unknown.push(await measure(kinds.unknown));
    times.unusable.push(await measure(kinds.unusable));
  }
  // The minimum is what the work itself costs; a path that skipped the hash would be a hundred times below.
  const best = Object.values(times).map((list) => Math.min(...list));
  assert.ok(Math.max(...best) < 2 * Math.min(...best), JSON.stringify(best));
});

test('works through the queue and passes its refusal on', async () => {
  const hasher = createHasher(cheap, 0);
  const attempts = await Promise.allSettled(['a', 'b', 'c'].map((password) => hasher.spend(password)));
  assert.deepEqual(
    attempts.map((attempt) => attempt.status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
  const last = attempts[2];
  assert.ok(last?.status === 'rejected' && last.reason instanceof HashQueueFull);
});

const owasp: readonly [memoryKib: number, passes: number, below: boolean][] = [
  [65_536, 3, false],
  [47_104, 1, false],
  [47_103, 1, true],
  [19_456, 2, false],
  [19_455, 2, true],
  [12_288, 3, false],
  [9_216, 4, false],
  [7_168, 5, false],
  [7_167, 50, true],
  [64, 2, true],
];

test('knows the minimum of OWASP', () => {
  for (const [memoryKib, passes, below] of owasp) {
    assert.equal(isBelowOwaspMinimum({ memoryKib, passes, parallelism: 1 }), below, `${memoryKib}/${passes}`);
  }
});
