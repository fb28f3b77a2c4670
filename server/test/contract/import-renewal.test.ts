import assert from 'node:assert/strict';
import { pbkdf2, scrypt } from 'node:crypto';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { hash as hashBcrypt } from '@node-rs/bcrypt';
import { assertProblem, itemsOf } from '../support/expectations.ts';
import {
  call,
  enterAsSuperuser,
  member,
  type Person,
  signIn,
  signUp,
  startTestService,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);

const salt = Buffer.from('0123456789abcdef');
const derivePbkdf2 = promisify(pbkdf2);
const deriveScrypt = promisify<string, Buffer, number, { N: number; r: number; maxmem: number }, Buffer>(
  scrypt,
);
const phc = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');

/** Real hashes of a password, as other systems store them. */
async function makePbkdf2(password: string, iterations: number): Promise<string> {
  const key = await derivePbkdf2(password, salt, iterations, 32, 'sha256');
  return `$pbkdf2-sha256$${iterations}$${phc(salt)}$${phc(key)}`.replaceAll('+', '.');
}

async function makeScrypt(password: string, log2: number): Promise<string> {
  const key = await deriveScrypt(password, salt, 32, { N: 2 ** log2, r: 8, maxmem: 2 ** 30 });
  return `$scrypt$ln=${log2},r=8,p=1$${phc(salt)}$${phc(key)}`;
}

/** An account as an import makes it: with the hash that the other system had. */
async function importPerson(storedHash: string): Promise<Person> {
  const person = await signUp(service);
  await service.sql`update users set password_hash = ${storedHash} where id = ${person.id}`;
  return person;
}

async function storedHashOf({ id }: Person): Promise<string> {
  const [row] = await service.sql`select password_hash as hash from users where id = ${id}`;
  return String(row?.hash);
}

async function renewalsOf({ id }: Person): Promise<unknown[]> {
  const query = new URLSearchParams({ action: 'password.hash_renewed', subjectId: id });
  const answer = await call(service, `/api/v1/audit?${query}`, { bearer: superuser.accessToken });
  assert.equal(answer.status, 200);
  return itemsOf(answer.body);
}

const tryToSignIn = ({ email }: Person, password: string) =>
  call(service, '/api/v1/auth/login', { json: { email, password } });

const password = 'Imported-Horse-7';
const imported: readonly [format: string, storedHash: string][] = [
  ['bcrypt', await hashBcrypt(password, { cost: 6 })],
  ['scrypt', await makeScrypt(password, 12)],
  ['PBKDF2', await makePbkdf2(password, 10_000)],
];

for (const [format, storedHash] of imported) {
  test(`the first sign-in with an imported ${format} hash makes an Argon2id hash of it, and says so in the trail`, async () => {
    const person = { ...(await importPerson(storedHash)), password };
    assertProblem(await tryToSignIn(person, 'Imported-Horse-8'), 401, 'invalid-credentials');
    assert.equal(await storedHashOf(person), storedHash, 'a wrong password renews nothing');
    assert.deepEqual(await renewalsOf(person), []);

    const { accessToken } = await signIn(service, person);
    assert.equal((await call(service, '/api/v1/access/me', { bearer: accessToken })).status, 200);
    const renewed = await storedHashOf(person);
    assert.match(renewed, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    const [entry, ...others] = await renewalsOf(person);
    assert.deepEqual(others, []);
    assert.equal(member(entry, 'actorId'), person.id);

    await signIn(service, person);
    assert.equal(await storedHashOf(person), renewed, 'once is enough');
    assert.equal((await renewalsOf(person)).length, 1);
    assertProblem(await tryToSignIn(person, 'Imported-Horse-8'), 401, 'invalid-credentials');
  });
}

test('sign-ins at the same time that all find an imported hash all let its owner in, and one renews it', async () => {
  const person = { ...(await importPerson(await makePbkdf2(password, 10_000))), password };
  await Promise.all(Array.from({ length: 4 }, () => signIn(service, person)));
  assert.equal((await renewalsOf(person)).length, 1);
});

test('of imported hashes, one at the cap lets its owner in, and one past it does not, though it is the right one', async () => {
  const atCap = { ...(await importPerson(await makePbkdf2(password, 2_000_000))), password };
  await signIn(service, atCap);
  assert.match(await storedHashOf(atCap), /^\$argon2id\$/);
  for (const storedHash of [await makePbkdf2(password, 2_000_001), await makeScrypt(password, 18)]) {
    const person = await importPerson(storedHash);
    assertProblem(await tryToSignIn(person, password), 401, 'invalid-credentials');
    assert.equal(await storedHashOf(person), storedHash);
    assert.deepEqual(await renewalsOf(person), []);
  }
});

// Each would take from several minutes to years, or more memory than there is, if anybody tried.
const crafted: readonly [string, string][] = [
  ['bcrypt of cost 31', '$2b$31$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'],
  ['scrypt of 1 TiB', `$scrypt$ln=30,r=8,p=1$${phc(salt)}$${'A'.repeat(43)}`],
  ['scrypt of a million lanes', `$scrypt$ln=10,r=8,p=1000000$${phc(salt)}$${'A'.repeat(43)}`],
  ['PBKDF2 of 4 billion rounds', `$pbkdf2-sha256$4294967295$${phc(salt)}$${'A'.repeat(43)}`],
  ['Argon2 of 4 TiB', `$argon2id$v=19$m=4294967295,t=1,p=1$${phc(salt)}$${'A'.repeat(43)}`],
  ['Argon2 of a billion passes', `$argon2id$v=19$m=65536,t=1000000000,p=1$${phc(salt)}$${'A'.repeat(43)}`],
];

for (const [name, storedHash] of crafted) {
  test(`a crafted hash, ${name}, is refused without being tried`, async () => {
    const person = await importPerson(storedHash);
    const startedAt = performance.now();
    assertProblem(await tryToSignIn(person, password), 401, 'invalid-credentials');
    // The caps stand for about a second of one slow core.
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 10_000, `${tookMs} ms`);
    assert.equal(await storedHashOf(person), storedHash);
  });
}
