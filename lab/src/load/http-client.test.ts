/** What set-up and sign-in see of a server, on real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createRawServer, type Server as RawServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeSelfSigned } from '../../test/self-signed.ts';
import { LabError } from '../exit-status.ts';
import { createUntimedClient } from './http-client.ts';

async function listen(t: TestContext, server: Server | RawServer, socketPath?: string): Promise<URL> {
  if (socketPath === undefined) server.listen(0, '127.0.0.1');
  else server.listen(socketPath);
  await once(server, 'listening');
  t.after(() => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  const bound = server.address();
  return new URL(
    typeof bound === 'object' && bound !== null ? `http://127.0.0.1:${bound.port}` : 'http://localhost',
  );
}

function serve(t: TestContext, listener: RequestListener): Promise<URL> {
  return listen(t, createServer(listener));
}

async function failureOf(sending: Promise<unknown>): Promise<string> {
  try {
    await sending;
  } catch (error) {
    assert.ok(error instanceof LabError);
    assert.equal(error.status, 1);
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  return 'it answered';
}

test('an object is sent as JSON, text as it is, and the answer is read when asked', async (t) => {
  const url = await serve(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { 'content-type': type, 'content-length': length, host } = request.headers;
    response.setHeader('x-many', ['a', 'b']);
    response.end(JSON.stringify({ method: request.method, path: request.url, type, length, host, body }));
  });
  const client = createUntimedClient({ url: new URL('/api/', url), insecure: false });
  const answer = await client.send({ method: 'post', path: '/users?a=1', body: { name: 'J\u00f6rg' } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['x-many'], 'a, b');
  assert.deepEqual(answer.json(), {
    method: 'POST',
    path: '/api/users?a=1',
    type: 'application/json',
    length: '16',
    host: url.host,
    body: '{"name":"J\u00f6rg"}',
  });
  const form = { path: '/', method: 'POST', body: 'a=1', headers: { 'Content-Type': 'text/plain' } };
  assert.match((await client.send(form)).text(), /"type":"text\/plain","length":"3".*"body":"a=1"/);
  assert.match((await client.send({ path: '/' })).text(), /"method":"GET","path":"\/api\/","host"/);
});

test("a session lives in the cookies, ends with them, and is no other client's", async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/in') {
      response.setHeader('set-cookie', ['sid=7; Path=/; Secure; HttpOnly', 'renew=8; Path=/in']);
    } else if (request.url === '/out') response.setHeader('set-cookie', 'sid=; Path=/; Max-Age=0');
    response.end(request.headers.cookie ?? 'none');
  });
  const client = createUntimedClient({ url, insecure: false });
  const other = createUntimedClient({ url, insecure: false });
  const seen = async (path: string) => (await client.send({ path })).text();
  assert.equal(client.cookieHeader(), '');
  const signedIn = await client.send({ path: '/in' });
  assert.equal(signedIn.headers['set-cookie'], 'sid=7; Path=/; Secure; HttpOnly\nrenew=8; Path=/in');
  assert.equal(client.cookieHeader(), 'renew=8; sid=7');
  assert.equal(await seen('/me'), 'sid=7');
  assert.equal(await seen('/in?x'), 'renew=8; sid=7');
  assert.equal((await other.send({ path: '/me' })).text(), 'none');
  await seen('/out');
  assert.equal(await seen('/me'), 'none');
});

test('an error status is an answer, and a redirect is not followed', async (t) => {
  const url = await serve(t, (request, response) => {
    response.writeHead(request.url === '/old' ? 302 : 500, { location: '/new' }).end('oh');
  });
  const client = createUntimedClient({ url, insecure: false });
  assert.equal((await client.send({ path: '/old' })).status, 302);
  const answer = await client.send({ path: '/' });
  assert.equal(answer.status, 500);
  assert.throws(() => answer.json(), SyntaxError);
});

test('speaks over a Unix socket, where Secure cookies are kept too', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lab-client-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = join(folder, 'app.sock');
  const server = createServer((request, response) => {
    response
      .setHeader('set-cookie', '__Host-a=1; Path=/; Secure')
      .end(`${request.headers.host} ${request.url}`);
  });
  await listen(t, server, socketPath);
  const client = createUntimedClient({ url: new URL('http://app.example/'), socketPath, insecure: false });
  assert.equal((await client.send({ path: '/x' })).text(), 'app.example /x');
  assert.equal(client.cookieHeader(), '__Host-a=1');
  const lost = createUntimedClient({
    url: new URL('http://h/'),
    socketPath: `${socketPath}2`,
    insecure: false,
  });
  assert.match(
    await failureOf(lost.send({ path: '/x' })),
    /^GET http:\/\/h\/x on .*app\.sock2 got no answer: there is no such socket/,
  );
});

test('connects to the address it was given, whatever the host means', async (t) => {
  const url = await serve(t, (request, response) => response.end(request.headers.host));
  const named = new URL(`http://nowhere.invalid:${url.port}/`);
  const client = createUntimedClient({ url: named, address: '127.0.0.1', insecure: false });
  assert.equal((await client.send({ path: '/' })).text(), named.host);
});

test('says which URL did not answer and why, without its secrets', async (t) => {
  const reset = await listen(
    t,
    createRawServer((socket) => socket.resetAndDestroy()),
  );
  const half = await listen(
    t,
    createRawServer((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')),
    ),
  );
  const noHttp = await listen(
    t,
    createRawServer((socket) => socket.once('data', () => socket.end('SSH-2.0\r\n'))),
  );
  const silent = await listen(
    t,
    createRawServer((socket) => socket.on('error', () => undefined)),
  );
  const send = (url: URL, path = '/') =>
    failureOf(createUntimedClient({ url, insecure: false, timeoutMs: 300 }).send({ path, method: 'POST' }));
  assert.match(await send(reset), /the connection broke/);
  assert.match(await send(half), /the connection broke before the answer was complete\.$/);
  assert.match(await send(noHttp), /what came was not HTTP \(HPE_/);
  assert.match(await send(silent), /it took more than 0\.3 seconds\.$/);
  const closed = await send(new URL('http://ada:secret@127.0.0.1:1/'), '/a?token=secret');
  assert.match(closed, /^POST http:\/\/127\.0\.0\.1:1\/a\?token=\*\*\* got no answer: nothing listens there/);
  assert.match(await send(new URL(`https://127.0.0.1:${noHttp.port}`)), /TLS/);
  const client = createUntimedClient({ url: reset, insecure: false });
  assert.match(
    await failureOf(client.send({ path: '/', headers: { 'bad name': 'x' } })),
    /got no answer: .*bad name/,
  );
});

test('a certificate that nobody trusts is refused, unless --insecure says otherwise', async (t) => {
  const server = createTlsServer(makeSelfSigned(), (_request, response) => response.end('safe'));
  const url = new URL(`https://localhost:${(await listen(t, server)).port}/`);
  const refused = createUntimedClient({ url, address: '127.0.0.1', insecure: false });
  assert.match(
    await failureOf(refused.send({ path: '/' })),
    /certificate is not trusted .*; add --insecure\.$/,
  );
  const client = createUntimedClient({ url, address: '127.0.0.1', insecure: true });
  assert.equal((await client.send({ path: '/' })).text(), 'safe');
});

test('a body without end is not read to the end', async (t) => {
  const url = await serve(t, (_request, response) => {
    const chunk = Buffer.alloc(2 ** 20);
    const pour = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', pour);
    pour();
  });
  const client = createUntimedClient({ url, insecure: false });
  assert.match(await failureOf(client.send({ path: '/' })), /its body is over 64 MiB\.$/);
});
