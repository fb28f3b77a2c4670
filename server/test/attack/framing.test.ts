import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { call, newEmail, startTestService } from '../support/service.ts';
import { dial, exchange, parseAnswers, readToEnd } from './raw-client.ts';

const service = await startTestService();
const smuggled = 'GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n';
const crlf = '\r\n';

/** A request whose end two readers could see in two places; behind it another, which must not be answered. */
const shapes: Readonly<Record<string, string[]>> = {
  'a length beside chunks': ['content-length: 4', 'transfer-encoding: chunked'],
  'chunks beside a length': ['transfer-encoding: chunked', 'content-length: 4'],
  'two lengths': ['content-length: 0', `content-length: ${smuggled.length}`],
  'two lengths in one header': [`content-length: 0, ${smuggled.length}`],
  'a negative length': ['content-length: -1'],
  'a length with a plus': ['content-length: +0'],
  'a length in hexadecimal': ['content-length: 0x0'],
  'a length past all numbers': ['content-length: 99999999999999999999'],
  'an unknown coding': ['transfer-encoding: nonsense'],
  'chunked before another coding': ['transfer-encoding: chunked, identity'],
  'chunked twice': ['transfer-encoding: chunked', 'transfer-encoding: chunked'],
  'a coding behind a control character': ['transfer-encoding: \x0bchunked'],
  'a blank before the colon': ['content-length : 0'],
  'a folded header': ['x: a', ' transfer-encoding: chunked'],
  'a NUL in a header': ['x: a\0b'],
  'a second host': ['host: other.example'],
  'a second host in capitals': ['HOST: localhost'],
  'a bare CR in a header': ['x: a\rtransfer-encoding: chunked'],
  'no host': [],
};

for (const [name, headers] of Object.entries(shapes)) {
  test(`${name}: refused, and what stands behind it is not taken for a request`, async () => {
    const host = name === 'no host' ? [] : ['host: localhost'];
    const head = ['POST /api/v1/auth/login HTTP/1.1', ...host, ...headers, '', ''].join(crlf);
    const answers = parseAnswers(await exchange(service.url, `${head}0\r\n\r\n${smuggled}`));
    assert.equal(answers.length, 1, answers.map((answer) => answer.status).join(', '));
    assert.ok([400, 413, 415].includes(answers[0]?.status ?? 0), `${answers[0]?.status}`);
    assert.equal((await call(service, '/ping')).status, 200);
  });
}

test('the lines of a request may not end in a bare LF', async () => {
  const answers = parseAnswers(await exchange(service.url, 'GET /ping HTTP/1.1\nhost: localhost\n\n'));
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [400],
  );
});

test('chunks with rubbish for a size get no 2xx, and nothing is stored', async () => {
  const email = newEmail();
  const body = JSON.stringify({ email, password: 'Correct-Horse-7' });
  for (const size of ['zz', '-1', `${body.length.toString(16)} `, '0x10', 'ffffffffffffffffff']) {
    const head = ['POST /api/v1/auth/register HTTP/1.1', 'host: localhost', 'content-type: application/json'];
    const text = [...head, 'transfer-encoding: chunked', '', size, body, '0', '', ''].join(crlf);
    const answers = parseAnswers(await exchange(service.url, text));
    assert.deepEqual(
      answers.map(({ status, headers }) => [status, headers.get('content-type')]),
      [[400, 'application/problem+json; charset=utf-8']],
      size,
    );
    assert.match(answers[0]?.headers.get('x-request-id') ?? '', /./);
  }
  assert.equal((await service.sql`select 1 from users where email = ${email}`).length, 0);
});

test('a client that is told so and keeps its side open is not waited for', async () => {
  const { hostname, port } = new URL(service.url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  socket.on('error', () => undefined);
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write('no HTTP at all\r\n\r\n');
  await once(socket, 'end');
  assert.equal(parseAnswers(Buffer.concat(received))[0]?.status, 400);
  // What is sent to a connection that the other side has given up is answered with a reset.
  const poking = setInterval(() => socket.write('x'), 500);
  await closed;
  clearInterval(poking);
});

test('a body that does not come is answered 408', async () => {
  const head = 'POST /api/v1/auth/refresh HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n';
  const bytes = await exchange(service.url, `${head}content-length: 10\r\n\r\n{`, 60_000);
  assert.deepEqual(
    parseAnswers(bytes).map(({ status }) => status),
    [408],
  );
});

test('two requests on one connection are answered in their order', async () => {
  const head = ['GET /ping HTTP/1.1', 'host: localhost', '', ''].join(crlf);
  const last = ['GET /api/v1/nothing HTTP/1.1', 'host: localhost', 'connection: close', '', ''].join(crlf);
  const answers = parseAnswers(await exchange(service.url, head + head + last));
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [200, 200, 404],
  );
});

test('a client that never ends its headers is shut out, and others are served meanwhile', async () => {
  const sockets = await Promise.all(Array.from({ length: 50 }, () => dial(service.url)));
  const ends = sockets.map((socket) => readToEnd(socket, 30_000));
  for (const socket of sockets) socket.write('GET /ping HTTP/1.1\r\nhost: localhost\r\n');
  const drip = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write('x-slow: 1\r\n');
  }, 1_000);
  try {
    assert.equal((await call(service, '/ping')).status, 200);
    const received = await Promise.all(ends);
    // 15 s for the headers, looked at every 5 s.
    for (const bytes of received)
      assert.deepEqual(
        parseAnswers(bytes).map((answer) => answer.status),
        [408],
      );
  } finally {
    clearInterval(drip);
  }
});
