import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLog } from './log.ts';

async function openCollected(format: 'json' | 'pretty' = 'json') {
  const lines: string[] = [];
  const log = await openLog('info', format, { write: (line) => void lines.push(line) });
  return { log, lines };
}

const secret = 'hunter2-Correct!';

test('passwords, tokens, cookies and keys never reach a line, up to two levels down', async () => {
  const { log, lines } = await openCollected();
  const names = [
    'password',
    'newPassword',
    'refreshToken',
    'access_token',
    'cookie',
    'set-cookie',
    'authorization',
  ];
  for (const name of [
    ...names,
    'key',
    'apiKey',
    'secret',
    'signingKey',
    'passwordHash',
    'jwk',
    'query',
    'parameters',
  ]) {
    log.info({ [name]: secret }, 'top');
    log.info({ input: { [name]: secret } }, 'one down');
    log.info({ request: { input: { [name]: [secret] } } }, 'two down');
  }
  assert.equal(lines.length, 45);
  for (const line of lines) {
    assert.ok(!line.includes(secret), line);
    assert.match(line, /\[redacted\]/);
  }
});

test('an error is told without its statement, its parameters and its row', async () => {
  const { log, lines } = await openCollected();
  const cause = Object.assign(new Error('duplicate key value violates unique constraint "users_email_key"'), {
    name: 'PostgresError',
    code: '23505',
    constraint_name: 'users_email_key',
    detail: 'Key (email)=(ada@example.org) already exists.',
    query: `insert into users values ('${secret}')`,
    parameters: [secret],
  });
  log.error({ err: new Error('Sign-up failed.', { cause }) }, 'A request failed.');
  const line = lines[0] ?? '';
  assert.ok(!line.includes(secret) && !line.includes('ada@example.org') && !line.includes('insert into'));
  const { err } = JSON.parse(line);
  assert.equal(err.cause.code, '23505');
  assert.equal(err.cause.constraint, 'users_email_key');
  assert.match(err.stack, /log\.test\.ts/);
});

test('a password in an address and a JWT in a sentence are taken out', async () => {
  const { log, lines } = await openCollected();
  log.error({
    err: new Error(`cannot reach postgres://app:${secret}@db.example.org/app with eyJhbGc.eyJzdWI.c2ln`),
  });
  const line = lines[0] ?? '';
  assert.ok(!line.includes(secret) && !line.includes('eyJ'), line);
  assert.match(line, /db\.example\.org/);
});

test('what was thrown without being an error is not printed', async () => {
  const { log, lines } = await openCollected();
  log.error({ err: { password: secret, anything: secret } }, 'thrown');
  assert.ok(!(lines[0] ?? '').includes(secret));
});

test('a terminal gets readable lines through the same writer', async () => {
  const { log, lines } = await openCollected('pretty');
  log.info({ password: secret }, 'Listening.');
  assert.match(lines.join(''), /INFO.*Listening\./);
  assert.ok(!lines.join('').includes(secret));
});
