import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importedHashCaps, importedHashFormats } from '../../src/crypto/imported-hash.ts';
import { createAccessLog } from '../../src/telemetry/access-log.ts';
import { call, signIn, startTestService } from '../support/service.ts';
import { examplesIn, plain, readDocument, sectionOf, tableRows } from './document.ts';

const document = readDocument('docs/operations.md');
const service = await startTestService();

test('the members of the access line are those of docs/operations.md', () => {
  const section = sectionOf(document, 'The log');
  const lines: string[] = [];
  const log = createAccessLog({
    writer: { write: (line) => lines.push(line) },
    format: 'json',
    now: () => 1,
  });
  log.write(log.prepare('GET', '/ping', 200), 'a-request', 1, 'a-user');
  const members = Object.keys(JSON.parse(lines[0] ?? ''));
  const told = tableRows(section, 'member').map(([name]) => plain(name));
  assert.deepEqual(told, members);
  assert.deepEqual(Object.keys(JSON.parse(examplesIn(section, 'json')[0] ?? '')), members);
});

test('every metric and its labels are in docs/operations.md, and every metric there exists', async () => {
  await call(service, '/ping');
  const { status, body } = await call(service, '/metrics');
  assert.equal(status, 200);
  const text = String(body);
  const told = new Map(tableRows(document, 'metric').map(([name, labels]) => [plain(name), labels ?? '']));
  const real = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
  assert.deepEqual([...told.keys()].sort(), real.filter((name) => !/^(process|nodejs)_/.test(name)).sort());
  for (const [name, labels] of told) {
    const sample = new RegExp(`^${name}(?:_count)?\\{(.*)\\} `, 'm').exec(text)?.[1];
    // A counter that has counted nothing has no samples yet.
    if (sample === undefined) continue;
    const used = [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label);
    assert.deepEqual([...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).sort(), used.sort(), name);
  }
});

test('the formats of imported hashes in docs/operations.md are those that are read', () => {
  const rows = tableRows(sectionOf(document, 'Accepted hashes'), 'format');
  assert.deepEqual(
    rows.map(([name]) => plain(name)),
    importedHashFormats,
  );
});

test('the caps of imported hashes in docs/operations.md are those that are enforced', () => {
  const rows = tableRows(sectionOf(document, 'Accepted hashes'), 'what');
  const { argon2, scrypt, pbkdf2, bcrypt, keyBytes, saltBytes } = importedHashCaps;
  assert.deepEqual(rows, [
    ['Argon2 memory', `${argon2.memoryKib} KiB`],
    ['Argon2 memory times passes', `${argon2.memoryKibTimesPasses} KiB`],
    ['Argon2 lanes', `${argon2.parallelism}`],
    ['scrypt memory', `${scrypt.memoryBytes} bytes`],
    ['scrypt N times r times p', `${scrypt.blocksTimesParallelism}`],
    ['PBKDF2 iterations times blocks', `${pbkdf2.iterationsTimesBlocks}`],
    ['bcrypt cost', `${bcrypt.cost}`],
    ['key', `${keyBytes.least} to ${keyBytes.most} bytes`],
    ['salt', `${saltBytes.most} bytes`],
  ]);
});

test('users imported as docs/operations.md shows sign in, and their hashes are renewed', async () => {
  const section = sectionOf(document, 'Importing users');
  const [statement = ''] = examplesIn(section, 'sql');
  const password = /Both passwords are `([^`]+)`/.exec(section)?.[1] ?? '';
  await service.sql.unsafe(statement);
  await service.sql.unsafe(statement);
  const imported = await service.sql<{ id: string; email: string; hash: string }[]>`
    select id, email, password_hash as hash from users order by email`;
  assert.deepEqual(
    imported.map(({ email }) => email),
    ['bea@example.org', 'dan@example.org'],
  );
  for (const { id, email, hash } of imported) {
    assert.doesNotMatch(hash, /^\$argon2id\$/);
    await signIn(service, { id, email, password });
    const [renewed] = await service.sql<{ hash: string }[]>`
      select password_hash as hash from users where id = ${id}`;
    assert.match(renewed?.hash ?? '', /^\$argon2id\$/);
  }
});
