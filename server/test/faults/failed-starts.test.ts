import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import postgres from 'postgres';
import { createTestDatabase } from '../support/database.ts';
import { member } from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { makeFolder, runCommand, startServer, toUrl } from './process.ts';

const proxy = createDatabaseProxy();
const database = await createTestDatabase();
const reachable = await proxy.reach(database);
const environment = { DATABASE_URL: toUrl(reachable), DATA_DIR: makeFolder() };
const admin = postgres({ ...database, database: 'postgres', max: 1, onnotice: () => undefined });
after(() => admin.end({ timeout: 1 }));

const rfc8037Key = keyOf('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
const zeroKey = keyOf('00'.repeat(32));

/** The JWK of a private key given in hexadecimal. */
function keyOf(seed: string): string {
  // RFC 8410: the fixed head of an Ed25519 private key in PKCS #8.
  const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex');
  return JSON.stringify(
    createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }),
  );
}

/** Each fails before it serves: variables, exit status, and what the one message says. */
const failures: readonly [string, string[], Record<string, string>, number, RegExp[]][] = [
  ['an unknown command', ['destroy'], {}, 64, [/destroy/]],
  ['no command', [], {}, 64, [/Name a command/]],
  ['an unknown option', ['serve', '--loud'], {}, 64, [/--loud/]],
  ['an argument too many', ['migrate', 'now'], {}, 64, [/now/]],
  ['create-superuser without an e-mail', ['create-superuser'], {}, 64, [/--email/]],
  [
    'several wrong variables',
    ['serve'],
    { PORT: 'x', HASH_CONCURRENCY: '0', LOG_LEVEL: 'loud', RATE_LIMIT: 'maybe' },
    78,
    [/PORT/, /HASH_CONCURRENCY/, /LOG_LEVEL/, /RATE_LIMIT/],
  ],
  [
    'insecure cookies on a public address',
    ['serve'],
    { COOKIE_SECURE: 'off', HOST: '0.0.0.0' },
    78,
    [/COOKIE_SECURE/],
  ],
  ['a signing key that is printed in an RFC', ['serve'], { SIGNING_KEY: rfc8037Key }, 78, [/published|RFC/]],
  ['a signing key of zeros', ['serve'], { SIGNING_KEY: zeroKey }, 78, [/key/i]],
  ['a signing key that is none', ['serve'], { SIGNING_KEY: '{"kty":"oct","k":"c2VjcmV0"}' }, 78, [/key/i]],
  [
    'a database that cannot be reached',
    ['serve'],
    { DATABASE_URL: 'postgres://nobody:hidden-word@127.0.0.1:1/none' },
    69,
    [/database/i, /DATABASE_URL/],
  ],
  [
    'a database that cannot be reached, at migrate',
    ['migrate'],
    { DATABASE_URL: 'postgres://nobody:hidden-word@127.0.0.1:1/none' },
    69,
    [/database/i],
  ],
  [
    'a database that does not exist',
    ['serve'],
    { DATABASE_URL: toUrl({ ...reachable, database: 'nowhere' }) },
    69,
    [/nowhere|DATABASE_URL/],
  ],
  [
    'a pool larger than the server',
    ['serve'],
    { DATABASE_POOL_SIZE: '1000' },
    78,
    [/DATABASE_POOL_SIZE/, /max_connections/],
  ],
];

for (const [name, args, variables, expected, patterns] of failures) {
  test(`${name}: status ${expected} and a message that says so`, async () => {
    const { status, stdout, stderr } = await runCommand(args, { ...environment, ...variables });
    assert.equal(status, expected, stdout + stderr);
    for (const pattern of patterns) assert.match(stderr, pattern);
    assert.doesNotMatch(
      stdout + stderr,
      /\n {4}at |hidden-word|nWGxne_9|AAAAAAAA|c2VjcmV0/,
      'no stack and no secret',
    );
  });
}

test('a port in use: status 69, and the sentence names the place', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const place = other.address();
  const port = typeof place === 'object' && place !== null ? String(place.port) : '';
  try {
    const { status, stderr } = await runCommand(['serve'], { ...environment, PORT: port });
    assert.equal(status, 69);
    assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port} is in use`));
  } finally {
    other.close();
  }
});

test('a read-only database: status 69, and it serves when that is over', async () => {
  await admin.unsafe(`alter database ${database.database} set default_transaction_read_only = on`);
  try {
    const { status, stderr } = await runCommand(['serve'], environment);
    assert.equal(status, 69);
    assert.match(stderr, /read-only/);
  } finally {
    await admin.unsafe(`alter database ${database.database} reset default_transaction_read_only`);
  }
  const server = await startServer(environment);
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0);
});

test('a data folder that may not be written: a sentence, and no stack', async () => {
  const { status, stdout, stderr } = await runCommand(['serve'], { DATA_DIR: '/dev/null/irontrack' });
  assert.ok(status === 69 || status === 78, `${status}`);
  assert.match(stderr, /\/dev\/null\/irontrack/);
  assert.doesNotMatch(stdout + stderr, /\n {4}at /);
});

test('migrate brings an empty database up to date once, also when two start at the same time', async () => {
  await admin.unsafe(`create database ${database.database}_empty`);
  const url = toUrl({ ...reachable, database: `${database.database}_empty` });
  const both = await Promise.all([1, 2].map(() => runCommand(['migrate'], { DATABASE_URL: url })));
  for (const { status, stderr } of both) assert.equal(status, 0, stderr);
  const outputs = both.map(({ stdout }) => stdout).sort();
  assert.match(outputs[0] ?? '', /^Applied 0001-/);
  assert.match(outputs[1] ?? '', /^The schema is up to date\.$/m);
  const again = await runCommand(['migrate'], { DATABASE_URL: url });
  assert.equal(again.stdout, 'The schema is up to date.\n');
});

test('openapi prints the document and nothing else, and needs no database', async () => {
  const { status, stdout, stderr } = await runCommand(['openapi'], { DATA_DIR: '/dev/null/irontrack' });
  assert.equal(status, 0, stderr);
  assert.match(String(member(JSON.parse(stdout), 'openapi')), /^3\.1/);
});

test('--help and --version end with status 0', async () => {
  for (const args of [['--help'], ['--version'], ['serve', '--help'], ['create-superuser', '-h']]) {
    const { status, stdout } = await runCommand(args);
    assert.equal(status, 0);
    assert.notEqual(stdout, '');
  }
});
