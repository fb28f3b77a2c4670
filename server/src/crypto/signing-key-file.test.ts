import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { createSigningKey, serializeSigningKey } from './signing-key.ts';
import { loadOrCreateSigningKeyFile, readSigningKeyFile, rotateSigningKeyFile } from './signing-key-file.ts';

const root = await mkdtemp(join(tmpdir(), 'irontrack-signing-key-'));
after(() => rm(root, { recursive: true }));
async function inFreshFolder(): Promise<string> {
  return join(await mkdtemp(join(root, 'case-')), 'keys', 'signing.jwk');
}

test('makes a key once, for its owner alone, and leaves nothing else behind', async () => {
  const path = await inFreshFolder();
  assert.equal(await readSigningKeyFile(path), undefined);
  const made = await loadOrCreateSigningKeyFile(path, randomBytes);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(dirname(path)), ['signing.jwk']);
  assert.equal((await loadOrCreateSigningKeyFile(path, randomBytes)).kid, made.kid);
});

test('twenty at once in one process end with one key', async () => {
  const path = await inFreshFolder();
  const keys = await Promise.all(
    Array.from({ length: 20 }, () => loadOrCreateSigningKeyFile(path, randomBytes)),
  );
  assert.equal(new Set(keys.map((key) => key.kid)).size, 1);
  assert.deepEqual(await readdir(dirname(path)), ['signing.jwk']);
});

test('four processes that start together end with one key', async () => {
  const path = await inFreshFolder();
  const module = new URL('./signing-key-file.ts', import.meta.url).href;
  const script = `
    const { loadOrCreateSigningKeyFile } = await import(${JSON.stringify(module)});
    const { randomBytes } = await import('node:crypto');
    process.stdout.write((await loadOrCreateSigningKeyFile(${JSON.stringify(path)}, randomBytes)).kid);
  `;
  const start = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const outputs = await Promise.all([start(), start(), start(), start()]);
  const kids = new Set(outputs.map(({ stdout }) => stdout));
  assert.equal(kids.size, 1);
  assert.equal((await readSigningKeyFile(path))?.kid, [...kids][0]);
});

for (const mode of [0o640, 0o604, 0o644, 0o660, 0o620]) {
  test(`refuses a key file of mode ${mode.toString(8)} and says the cure`, async () => {
    const path = await inFreshFolder();
    await loadOrCreateSigningKeyFile(path, randomBytes);
    await chmod(path, mode);
    await assert.rejects(loadOrCreateSigningKeyFile(path, randomBytes), {
      name: 'SigningKeyError',
      message: new RegExp(`other users .mode 0${mode.toString(8)}.\\. Run .chmod 600`),
    });
  });
}

test('never replaces a file that it cannot read as a key', async () => {
  const path = await inFreshFolder();
  await loadOrCreateSigningKeyFile(path, randomBytes);
  for (const content of ['', 'garbage', 'x'.repeat(5_000)]) {
    await writeFile(path, content);
    await assert.rejects(loadOrCreateSigningKeyFile(path, randomBytes), {
      name: 'SigningKeyError',
      message: new RegExp(path),
    });
    await assert.rejects(rotateSigningKeyFile(path, { randomBytes }), { name: 'SigningKeyError' });
    assert.equal(await readFile(path, 'utf8'), content);
  }
});

test('a rotation puts a new key in place and hands both over', async () => {
  const path = await inFreshFolder();
  const first = await loadOrCreateSigningKeyFile(path, randomBytes);
  const seen: (string | undefined)[] = [];
  const { previous, next } = await rotateSigningKeyFile(path, {
    randomBytes,
    beforeReplace: async (old, fresh) => {
      seen.push(old?.kid, fresh.kid, (await readSigningKeyFile(path))?.kid);
    },
  });
  assert.equal(previous?.kid, first.kid);
  assert.notEqual(next.kid, first.kid);
  assert.deepEqual(seen, [first.kid, next.kid, first.kid]);
  assert.equal((await readSigningKeyFile(path))?.kid, next.kid);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(dirname(path)), ['signing.jwk']);
});

test('a rotation whose announcement fails changes nothing', async () => {
  const path = await inFreshFolder();
  const first = await loadOrCreateSigningKeyFile(path, randomBytes);
  const beforeReplace = () => Promise.reject(new Error('database down'));
  await assert.rejects(rotateSigningKeyFile(path, { randomBytes, beforeReplace }), /database down/);
  assert.equal((await readSigningKeyFile(path))?.kid, first.kid);
  assert.deepEqual(await readdir(dirname(path)), ['signing.jwk']);
});

test('readers during rotations always see a whole key', async () => {
  const path = await inFreshFolder();
  await loadOrCreateSigningKeyFile(path, randomBytes);
  let rotating = true;
  const reading = (async () => {
    let reads = 0;
    while (rotating) {
      assert.ok((await readSigningKeyFile(path)) !== undefined);
      reads += 1;
    }
    return reads;
  })();
  for (let round = 0; round < 20; round += 1) await rotateSigningKeyFile(path, { randomBytes });
  rotating = false;
  assert.ok((await reading) > 0);
});

test('a key put there by hand is used', async () => {
  const path = await inFreshFolder();
  await loadOrCreateSigningKeyFile(path, randomBytes);
  const mine = createSigningKey(randomBytes(32));
  await writeFile(path, `\n${serializeSigningKey(mine)}\n`);
  assert.equal((await loadOrCreateSigningKeyFile(path, randomBytes)).kid, mine.kid);
});
