import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig, settings } from './config.ts';
import { exitStatus, StartupError } from './startup-error.ts';

/** What the refusal of an environment says, a line a fault. */
function readFaults(environment: Record<string, string>): string[] {
  try {
    readConfig(environment, false);
  } catch (error) {
    assert.ok(error instanceof StartupError);
    assert.equal(error.status, exitStatus.badConfiguration);
    const [heading, ...faults] = error.message.split('\n');
    assert.equal(heading, 'The configuration is not usable:');
    return faults.map((fault) => fault.trim());
  }
  return [];
}

/** Blank is wrong for all but the two lists, which may be empty. */
const wrongValues: Readonly<Record<string, string>> = {
  TRUSTED_PROXIES: '10.0.0.0/33',
  CORS_ORIGINS: 'https://app.example.org/path',
};

test('names every variable exactly once when all of them are wrong', () => {
  const names = Object.keys(settings);
  const environment = Object.fromEntries(names.map((name) => [name, wrongValues[name] ?? ' ']));
  const message = readFaults(environment).join('\n');
  for (const name of names) {
    assert.equal(
      [...message.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length,
      1,
      `${name} in:\n${message}`,
    );
  }
});

const refusals: readonly [Record<string, string>, string][] = [
  [{ ADMIN_EMAIL: 'ada' }, 'ADMIN_EMAIL must be an e-mail such as admin@example.org.'],
  [{ ADMIN_PASSWORD: 'seven-7' }, 'ADMIN_PASSWORD must have 8 characters or more, not all of them blank.'],
  [
    { CORS_ORIGINS: 'https://a.example, b.example, https://c.example/' },
    'CORS_ORIGINS must list origins such as https://app.example.org, separated by commas, ' +
      'not b.example, https://c.example/.',
  ],
  [
    { TRUSTED_PROXIES: 'unix, 10.0.0.0/8, ::1, 10.1, ::/129' },
    'TRUSTED_PROXIES must list addresses or CIDR ranges, separated by commas, or unix, not 10.1, ::/129.',
  ],
  [
    { DATABASE_URL: 'mysql://root:secret@host/db' },
    'DATABASE_URL must look like postgres://name:password@host:5432/database.',
  ],
  [{ DATABASE_DIRECT_URL: 'postgres://host/db' }, 'DATABASE_DIRECT_URL is of use only beside DATABASE_URL.'],
  [
    { DATABASE_REPLICA_URL: 'postgres://host/db' },
    'DATABASE_REPLICA_URL is of use only beside DATABASE_URL: the embedded database has no replicas.',
  ],
];

for (const [environment, sentence] of refusals) {
  test(`refuses ${JSON.stringify(environment)} and says what it should be`, () => {
    assert.deepEqual(readFaults(environment), [sentence]);
  });
}

test('says that two values contradict each other beside a third that cannot be read', () => {
  const faults = readFaults({ COOKIE_SECURE: 'off', COOKIE_PREFIX: 'on', PORT: 'eighty' });
  assert.deepEqual(
    faults.map((fault) => fault.split(' ')[0]),
    ['PORT', 'COOKIE_PREFIX'],
  );
});

test('accuses no value of contradicting one that cannot be read', () => {
  const environment = {
    DATABASE_URL: 'mysql://host/db',
    DATABASE_DIRECT_URL: 'postgres://host/db',
    ACCESS_TOKEN_TTL: 'long',
    REFRESH_TOKEN_TTL: '1s',
  };
  assert.deepEqual(
    readFaults(environment).map((fault) => fault.split(' ')[0]),
    ['DATABASE_URL', 'ACCESS_TOKEN_TTL'],
  );
});

test('keeps the e-mail of the administrator in the one spelling in which e-mails are stored', () => {
  assert.equal(readConfig({ ADMIN_EMAIL: 'Ada@Example.ORG' }, false).administrator.email, 'ada@example.org');
});
