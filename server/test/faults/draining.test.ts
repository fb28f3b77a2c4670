import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compose, dial, parseAnswers, readToEnd } from '../attack/raw-client.ts';
import { createTestDatabase } from '../support/database.ts';
import { call, goodPassword, newEmail } from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { makeFolder, startServer, toUrl } from './process.ts';

const databaseUrl = toUrl(await createDatabaseProxy().reach(await createTestDatabase()));
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test('on SIGTERM an open sign-in finishes, /ready says 503 on the open connection, and it ends with status 0', async () => {
  const server = await startServer({
    DATABASE_URL: databaseUrl,
    DATA_DIR: makeFolder(),
    // About a second for each hash on one core.
    ARGON2_MEMORY_KIB: '262144',
    ARGON2_PASSES: '6',
  });
  const email = newEmail();
  const registered = await call(server, '/api/v1/auth/register', { json: { email, password: goodPassword } });
  assert.equal(registered.status, 201);
  const body = Buffer.from(JSON.stringify({ email, password: goodPassword }));
  const socket = await dial(server.url);
  const idle = await dial(server.url);
  const idleEnd = readToEnd(idle);
  const reading = readToEnd(socket);
  const headers = [
    ['host', 'localhost'],
    ['content-type', 'application/json'],
    ['content-length', String(body.length)],
  ] as const;
  socket.write(compose('POST', '/api/v1/auth/login', headers, body));
  await pause(200);
  server.signal('SIGTERM');
  await pause(100);
  // A second one is as patient as the first.
  server.signal('SIGTERM');
  socket.write(
    compose('GET', '/ready', [
      ['host', 'localhost'],
      ['connection', 'close'],
    ]),
  );
  await assert.rejects(dial(server.url), 'nobody new is let in');
  const answers = parseAnswers(await reading);
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [200, 503],
  );
  assert.match(answers[0]?.body ?? '', /"access_token":/);
  assert.equal((await idleEnd).length, 0);
  const { status, stdout, stderr } = await server.finished;
  assert.equal(status, 0, stdout + stderr);
});

test('a client that holds its connection open does not keep a server from ending', async () => {
  const server = await startServer({
    DATABASE_URL: databaseUrl,
    DATA_DIR: makeFolder(),
  });
  const socket = await dial(server.url);
  socket.write(compose('GET', '/ping', [['host', 'localhost']]));
  await pause(200);
  const startedAt = performance.now();
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0);
  assert.ok(performance.now() - startedAt < 5_000);
});

test('requests that take longer than connections are let go of do not hold up the end once they are answered', async () => {
  const server = await startServer({
    DATABASE_URL: databaseUrl,
    DATA_DIR: makeFolder(),
    ARGON2_MEMORY_KIB: '262144',
    ARGON2_PASSES: '3',
    HASH_CONCURRENCY: '1',
    HASH_MAX_WAIT_MS: '60000',
  });
  // Half a second each on one core, one after the other, on connections that their client keeps.
  const asked = Array.from({ length: 6 }, () =>
    call(server, '/api/v1/auth/register', { json: { email: newEmail(), password: goodPassword } }),
  );
  await pause(200);
  server.signal('SIGTERM');
  const answers = await Promise.all(asked);
  const answeredAt = performance.now();
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
  assert.equal(answers.at(-1)?.headers.get('connection'), 'close');
  assert.equal((await server.finished).status, 0);
  const laterMs = performance.now() - answeredAt;
  assert.ok(laterMs < 15_000, `It ended ${Math.round(laterMs)} ms after the last answer.`);
});
