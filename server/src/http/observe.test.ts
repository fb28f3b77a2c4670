import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import fastify from 'fastify';
import { createAccessLog } from '../telemetry/access-log.ts';
import { createErrorHandler } from './errors.ts';
import { createObserver, noteUser } from './observe.ts';
import { createRequestIds, isRequestId } from './request-id.ts';
import { chooseWriteHead, type WriteHead, writePublicHead } from './response-head.ts';

interface Line {
  requestId: string;
  method: string;
  route: string;
  status: number;
  durationMs: number;
  userId?: string;
}

const token = 'eyJhbGciOiJFZERTQSJ9.secret.signature';

/** A server with a shortcut, ordinary routes of every kind, and everything it logged and counted. */
async function startServer(
  t: TestContext,
  options: { writePreparedHead?: WriteHead; isSecure?: boolean; longestReadMs?: number } = {},
) {
  const lines: Line[] = [];
  const counted: string[] = [];
  const observer = createObserver({
    accessLog: createAccessLog({
      writer: { write: (line) => void lines.push(JSON.parse(line)) },
      format: 'json',
      now: () => Date.now(),
    }),
    histogram: {
      series: (method, route, status) => ({
        observe: () => void counted.push(`${method} ${route} ${status}`),
      }),
    },
    makeRequestId: createRequestIds((size) => Buffer.alloc(size, 7)),
    clock: () => performance.now(),
    isSecure: false,
    ...options,
  });
  const app = fastify({
    serverFactory: (handler) => observer.createServer(handler, { maxHeaderSize: 4096 }),
    clientErrorHandler: observer.clientErrorHandler,
    genReqId: observer.genReqId,
    requestIdHeader: false,
    routerOptions: { maxParamLength: 200 },
  });
  observer.mount(app);
  let release: () => void = () => undefined;
  const body = 'short \u00e4\u{1f600}';
  // More than what a system keeps of an answer that nobody reads.
  const large = Buffer.alloc(32 * 1024 * 1024, 'x');
  app.get(
    '/large',
    { config: { shortcut: () => ({ contentType: 'text/plain', body: large }) } },
    () => 'large',
  );
  app.get(
    '/short',
    {
      config: {
        shortcut: ({ headers }) =>
          headers['x-decline'] === undefined
            ? { contentType: 'text/plain; charset=utf-8', body, userId: 'user-1' }
            : undefined,
      },
    },
    (_request, reply) => void reply.type('text/plain; charset=utf-8').send(body),
  );
  app.get('/users/:email', (request, reply) => {
    noteUser(reply.raw, 'user-2');
    return { id: request.id };
  });
  app.get('/docs', (_request, reply) => {
    reply
      .header('content-security-policy', "script-src 'self'")
      .header('cache-control', 'max-age=60')
      .send('docs');
  });
  app.get('/slow', async () => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return 'late';
  });
  app.post(
    '/held',
    {
      config: {
        postShortcut: {
          bodyLimit: 100,
          take: () => (_body, reply) => {
            release = () => reply.send(201, [], '{}', 2);
          },
        },
      },
    },
    () => 'declined',
  );
  app.get('/stream', (_request, reply) => {
    reply.send(Readable.from(['a', 'b', 'c']));
  });
  app.get('/broken', { errorHandler: createErrorHandler(() => undefined) }, async () => {
    throw new Error('broken');
  });
  app.post('/users', async (_request, reply) => reply.code(201).send({ ok: true }));
  app.delete('/users', async (_request, reply) => reply.code(204).send());
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.after(() => app.close());
  const address = app.server.address();
  assert.ok(address !== null && typeof address === 'object');
  const { port }: AddressInfo = address;
  return { app, observer, port, lines, counted, body, release: () => release() };
}

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

function ask(port: number, path: string, options: http.RequestOptions = {}, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: '127.0.0.1', path, agent: false, ...options }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Sends bytes as they are and reads until the server closes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(5000, () => socket.destroy(new Error('The server neither closed nor said more.')));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 500, 'it did not happen within 5 s');
    await wait(10);
  }
}

const constant = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

test('every answer carries an id and the constant headers, and leaves one line and one count', async (t) => {
  const { port, lines, counted } = await startServer(t);
  const json = { 'content-type': 'application/json' };
  const cases = [
    { path: '/short', route: '/short', status: 200 },
    { path: '/short', headers: { 'x-decline': '1' }, route: '/short', status: 200 },
    { path: '/short', headers: { origin: 'https://example.org' }, route: '/short', status: 200 },
    { path: '/short?query', route: '/short', status: 200 },
    { path: '/short', method: 'HEAD', route: '/short', status: 200 },
    { path: '/users/ada@example.org', route: '/users/:email', status: 200 },
    { path: '/stream', route: '/stream', status: 200 },
    { path: '/broken', route: '/broken', status: 500 },
    { path: '/users', method: 'POST', headers: json, body: '{}', route: '/users', status: 201 },
    { path: '/users', method: 'POST', headers: json, body: '{', route: '/users', status: 400 },
    { path: '/users', method: 'DELETE', route: '/users', status: 204 },
    { path: '/nowhere', route: 'unmatched', status: 404 },
    { path: '/%zz', route: 'unmatched', status: 400 },
    { path: '/short', method: 'PUT', route: 'unmatched', status: 404 },
  ];
  const ids = new Set<string>();
  for (const { path, route, status, method = 'GET', headers = {}, body } of cases) {
    lines.length = 0;
    counted.length = 0;
    const answer = await ask(port, path, { method, headers }, body);
    const what = `${method} ${path}`;
    assert.equal(answer.status, status, what);
    for (const [name, value] of Object.entries(constant)) assert.equal(answer.headers[name], value, what);
    const id = String(answer.headers['x-request-id']);
    assert.ok(isRequestId(id) && !ids.has(id), what);
    ids.add(id);
    await until(() => lines.length > 0);
    assert.deepEqual(
      lines.map((line) => [line.requestId, line.method, line.route, line.status]),
      [[id, method, route, status]],
    );
    assert.deepEqual(counted, [`${method} ${route} ${status}`]);
  }
});

test('a shortcut and the route behind it give the same answer, byte for byte but for id and date', async (t) => {
  for (const writePreparedHead of [chooseWriteHead(), writePublicHead]) {
    const { port, lines, body } = await startServer(t, { writePreparedHead });
    const [short, routed] = [
      await ask(port, '/short'),
      await ask(port, '/short', { headers: { 'x-decline': '1' } }),
    ];
    assert.equal(short.body, body);
    for (const answer of [short, routed]) {
      delete answer.headers['x-request-id'];
      delete answer.headers.date;
    }
    assert.deepEqual(short, routed);
    assert.equal(lines[0]?.userId, 'user-1');
  }
});

test('the prepared head is used on this Node', () => {
  assert.notEqual(chooseWriteHead(), writePublicHead);
});

test('a sane id of the client is kept, everywhere; any other is replaced', async (t) => {
  const { port, lines } = await startServer(t);
  for (const path of ['/short', '/users/a', '/nowhere']) {
    const kept = await ask(port, path, { headers: { 'x-request-id': 'trace:1.2_3-4' } });
    assert.equal(kept.headers['x-request-id'], 'trace:1.2_3-4');
  }
  assert.equal((await ask(port, '/users/a', { headers: { 'x-request-id': 'same' } })).body, '{"id":"same"}');
  const hostile = [
    '',
    ' ',
    'a b',
    'a"b',
    '\u00e4',
    'a'.repeat(129),
    "'; drop table users; --",
    '*/',
    'a,b',
    '{jndi:ldap}',
  ];
  for (const id of hostile) {
    const answer = await ask(port, '/short', { headers: { 'x-request-id': id } });
    assert.notEqual(answer.headers['x-request-id'], id);
    assert.ok(isRequestId(String(answer.headers['x-request-id'])));
  }
  const twice = await ask(port, '/short', { headers: { 'x-request-id': ['one', 'two'] } });
  assert.match(String(twice.headers['x-request-id']), /^[0-9a-z]{10}-[0-9a-z]+$/);
  assert.ok(lines.every((line) => isRequestId(line.requestId)));
});

test('neither path nor query, cookie, token or body reaches a line', async (t) => {
  const { port, lines } = await startServer(t);
  const headers = { cookie: `access_token=${token}`, authorization: `Bearer ${token}` };
  for (const path of [
    '/short',
    '/users/ada@example.org?password=hunter2',
    '/ada@example.org',
    '/%zzhunter2',
  ]) {
    await ask(port, path, { headers });
  }
  await ask(
    port,
    '/users',
    { method: 'POST', headers: { 'content-type': 'application/json' } },
    '{"password":"hunter2"}',
  );
  await until(() => lines.length === 5);
  const text = JSON.stringify(lines);
  for (const secret of ['ada@', 'hunter2', token, 'eyJ']) assert.ok(!text.includes(secret), secret);
});

test('a route may set its own policy, and keeps the other constant headers', async (t) => {
  const { port } = await startServer(t);
  const { headers } = await ask(port, '/docs');
  assert.equal(headers['content-security-policy'], "script-src 'self'");
  assert.equal(headers['cache-control'], 'max-age=60');
  assert.equal(headers['x-content-type-options'], 'nosniff');
});

test('browsers are told to stay on TLS only when the service is reached over it', async (t) => {
  const [plain, secure] = [await startServer(t), await startServer(t, { isSecure: true })];
  for (const path of ['/short', '/docs', '/nowhere']) {
    assert.equal((await ask(plain.port, path)).headers['strict-transport-security'], undefined);
    assert.match(
      String((await ask(secure.port, path)).headers['strict-transport-security']),
      /^max-age=\d{8}/,
    );
  }
});

test('a client that leaves before the answer is logged as 499, once', async (t) => {
  const { port, lines, observer, release } = await startServer(t);
  const socket = connect(port, '127.0.0.1', () => socket.write('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n'));
  await until(() => observer.openRequests === 1);
  socket.destroy();
  await until(() => lines.length === 1);
  assert.equal(lines[0]?.status, 499);
  assert.equal(lines[0]?.route, '/slow');
  release();
  await wait(50);
  assert.equal(lines.length, 1);
  assert.equal(observer.openRequests, 0);
});

test('a client that leaves while a POST of a shortcut is worked on is logged as 499, once', async (t) => {
  const { port, lines, counted, observer, release } = await startServer(t);
  const head =
    'POST /held HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n';
  const socket = connect(port, '127.0.0.1', () => socket.write(`${head}{}`));
  await until(() => observer.openRequests === 1);
  await wait(30);
  socket.destroy();
  await until(() => lines.length === 1);
  release();
  assert.deepEqual(
    lines.map((line) => [line.route, line.status]),
    [['/held', 499]],
  );
  assert.deepEqual(counted, ['POST /held 499']);
});

test('a refusal closes the connection of a server that is being retired', async (t) => {
  const { port, observer } = await startServer(t);
  observer.retire();
  const text = await exchange(port, 'GET /broken HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.match(text, /^HTTP\/1\.1 500 .*\r\nconnection: close\r\n/is);
});

test('whoever does not read an answer in time is cut off, and whoever is only slow to ask again is not', async (t) => {
  const { port, observer } = await startServer(t, { longestReadMs: 1_000 });
  const patient = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => patient.destroy());
  assert.equal((await ask(port, '/short', { agent: patient })).status, 200);
  const socket = connect(port, '127.0.0.1', () => socket.write('GET /large HTTP/1.1\r\nhost: a\r\n\r\n'));
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  await once(socket, 'readable');
  assert.equal(observer.openRequests, 1);
  await until(() => observer.openRequests === 0);
  socket.resume();
  await closed;
  assert.ok(socket.bytesRead < 32 * 1024 * 1024, `${socket.bytesRead}`);
  assert.equal((await ask(port, '/short', { agent: patient })).status, 200);
});

test('requests queued behind a slow one are forgotten with their connection', async (t) => {
  const { port, lines, observer } = await startServer(t);
  const slow = 'GET /slow HTTP/1.1\r\nhost: a\r\n\r\n';
  const socket = connect(port, '127.0.0.1', () => socket.write(slow + slow + slow));
  await until(() => observer.openRequests === 3);
  socket.destroy();
  await until(() => observer.openRequests === 0);
  assert.deepEqual(
    lines.map((line) => line.status),
    [499, 499, 499],
  );
});

test('pipelined requests are answered in order, whichever way they take', async (t) => {
  const { port, release, observer } = await startServer(t);
  const paths = ['/short', '/slow', '/short', '/users/a', '/short'];
  const bytes = paths.map((path, at) => {
    const last = at === paths.length - 1 ? 'connection: close\r\n' : '';
    return `GET ${path} HTTP/1.1\r\nhost: a\r\nx-request-id: id-${at}\r\n${last}\r\n`;
  });
  const answered = exchange(port, bytes.join(''));
  await until(() => observer.openRequests >= 1);
  await wait(30);
  release();
  const text = await answered;
  assert.deepEqual(
    [...text.matchAll(/x-request-id: (\S+)/g)].map((match) => match[1]),
    ['id-0', 'id-1', 'id-2', 'id-3', 'id-4'],
  );
  assert.equal([...text.matchAll(/HTTP\/1\.1 200 OK\r\n/g)].length, 5);
});

test('HEAD has the length and no body', async (t) => {
  const { port, body } = await startServer(t);
  const text = await exchange(port, 'HEAD /short HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  const [head, rest] = text.split('\r\n\r\n');
  assert.match(head ?? '', new RegExp(`content-length: ${Buffer.byteLength(body)}`));
  assert.equal(rest, '');
});

test('HTTP/1.0, Connection: close and Expect are answered by a shortcut as by any route', async (t) => {
  const { port, body } = await startServer(t);
  for (const first of [
    'GET /short HTTP/1.0\r\n\r\n',
    'GET /short HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
  ]) {
    const text = await exchange(port, first);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(text, /\r\nConnection: close\r\n/);
    assert.ok(text.endsWith(`\r\n\r\n${body}`));
  }
  const expecting = 'GET /short HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n';
  assert.match(await exchange(port, expecting), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
});

test('a GET with a body does not disturb the next request of its connection', async (t) => {
  const { port } = await startServer(t);
  const text = await exchange(
    port,
    'GET /short HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET /users/b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
  );
  assert.equal([...text.matchAll(/HTTP\/1\.1 200 OK/g)].length, 2);
});

test('what is no HTTP, has too large headers or no Host is refused with an id, headers and a line', async (t) => {
  const { port, lines } = await startServer(t);
  const cases = [
    { bytes: 'hello\r\n\r\n', status: 400 },
    { bytes: `GET /short HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(8000)}\r\n\r\n`, status: 431 },
    { bytes: 'GET /short HTTP/1.1\r\n\r\n', status: 400 },
  ];
  for (const { bytes, status } of cases) {
    lines.length = 0;
    const text = await exchange(port, bytes);
    assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(text, /\r\nx-request-id: [0-9a-z]{10}-[0-9a-z]+\r\n/i);
    assert.match(text, /\r\nx-content-type-options: nosniff\r\n/i);
    assert.deepEqual(
      lines.map((line) => [line.route, line.status]),
      [['unmatched', status]],
    );
  }
});

test('rubbish behind a request that is being answered is not answered in its place', async (t) => {
  const { port, lines } = await startServer(t);
  const text = await exchange(port, 'GET /slow HTTP/1.1\r\nhost: a\r\n\r\nrubbish\r\n\r\n').catch(() => '');
  assert.equal(text, '');
  await until(() => lines.length === 1);
  assert.equal(lines[0]?.status, 499);
});

test('while the server drains shortcuts decline, so that Fastify can say so', async (t) => {
  const { app, port, observer, release } = await startServer(t);
  const socket = connect(port, '127.0.0.1', () => socket.write('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n'));
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await until(() => observer.openRequests === 1);
  const closed = app.close();
  await wait(20);
  socket.write('GET /short HTTP/1.1\r\nhost: a\r\n\r\n');
  await until(() => observer.openRequests === 2);
  release();
  await once(socket, 'close');
  await closed;
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 503']);
});

test('ids differ over more than one block of the counter', () => {
  const make = createRequestIds((size) => Buffer.alloc(size, 255));
  const ids = new Set(Array.from({ length: 5000 }, make));
  assert.equal(ids.size, 5000);
  for (const id of ids) assert.ok(isRequestId(id));
});
