import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { call, enter, enterAsSuperuser, newEmail, startTestService } from '../support/service.ts';

const service = await startTestService();
const { hostname, port } = new URL(service.url);

/** Sends a request up to the first byte of its body, and the rest when told to. */
async function beginRequest(method: string, path: string, bearer: string, json: unknown) {
  const body = JSON.stringify(json);
  const socket: Socket = connect(Number(port), hostname);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(
    `${method} ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${bearer}\r\nconnection: close\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body.slice(0, 1)}`,
  );
  // Long enough for the head to have been let in; were it not, the test would only be weaker, not wrong.
  await new Promise((resolve) => setTimeout(resolve, 150));
  return async () => {
    socket.write(body.slice(1));
    await ended;
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
  };
}

test('a session that ends while a body is on its way changes nothing any more', async () => {
  const person = await enter(service);
  const finish = await beginRequest('PATCH', '/api/v1/users/me', person.accessToken, { name: 'Too Late' });
  assert.equal(
    (await call(service, '/api/v1/auth/logout', { method: 'POST', bearer: person.accessToken })).status,
    204,
  );
  assert.equal(await finish(), 401);
  const [row] = await service.sql`select name from users where id = ${person.id}`;
  assert.equal(row?.name, null);
});

test('a superuser who is dismissed while a body is on its way makes no superuser any more', async () => {
  const [chief, dismissed] = [await enterAsSuperuser(service), await enterAsSuperuser(service)];
  const email = newEmail();
  const creation = { email, password: 'Back-Door-1', isSuperuser: true };
  const finish = await beginRequest('POST', '/api/v1/users', dismissed.accessToken, creation);
  const dismissal = await call(service, `/api/v1/users/${dismissed.id}`, {
    method: 'PATCH',
    bearer: chief.accessToken,
    json: { isActive: false },
  });
  assert.equal(dismissal.status, 200);
  assert.equal(await finish(), 401);
  assert.equal((await service.sql`select 1 from users where email = ${email}`).length, 0);
});

test('a superuser who is dismissed while a password is being hashed makes no superuser any more', async () => {
  const slow = await startTestService({
    beside: service,
    environment: { ARGON2_MEMORY_KIB: '65536', ARGON2_PASSES: '20', HASH_CONCURRENCY: '1' },
  });
  const [chief, dismissed] = [await enterAsSuperuser(service), await enterAsSuperuser(service)];
  const email = newEmail();
  const pending = call(slow, '/api/v1/users', {
    bearer: dismissed.accessToken,
    json: { email, password: 'Back-Door-2', isSuperuser: true },
  });
  const dismissal = await call(service, `/api/v1/roles/${dismissed.email}/revoke`, {
    method: 'PATCH',
    bearer: chief.accessToken,
    json: { roleSlug: 'superuser' },
  });
  assert.equal(dismissal.status, 200);
  const answer = await pending;
  // Whichever came first: made before the dismissal, or refused. Never made after it.
  if (answer.status !== 201) assert.equal(answer.status, 403);
  const [made] = await service.sql`select created_at from users where email = ${email}`;
  assert.equal(made === undefined, answer.status !== 201);
});

test('a connection that asks on and on without reading is cut off', async () => {
  const socket = connect(Number(port), hostname);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined);
  socket.pause();
  socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(600));
  socket.resume();
  await closed;
  assert.equal((await call(service, '/ping')).status, 200);
});

test('a connection that asks on and on without reading is cut off also where answers are at hand', async () => {
  const socket = connect(Number(port), hostname);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined);
  let answers = 0;
  socket.on('data', (chunk: Buffer) => {
    answers += chunk.toString('latin1').split('HTTP/1.1 200').length - 1;
  });
  const request = 'GET /ping HTTP/1.1\r\nhost: x\r\n\r\n';
  // A browser's or a proxy's few are answered.
  socket.write(request.repeat(50));
  while (answers < 50) await new Promise((resolve) => setTimeout(resolve, 20));
  socket.write(request.repeat(1_500));
  await closed;
  assert.ok(answers < 300, `${answers}`);
  assert.equal((await call(service, '/ping')).status, 200);
});
