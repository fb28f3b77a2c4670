import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { runLoad } from './testing/load-run.ts';

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lab-load-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function makeCertificate(t: TestContext): { key: Buffer; cert: Buffer } {
  const folder = makeFolder(t);
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, ...subject], {
    stdio: 'ignore',
  });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

async function listen(t: TestContext, server: Server, path?: string): Promise<number> {
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Says back what it was asked, so that a wrong request is a wrong answer. */
function echo(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  const pieces: Buffer[] = [];
  const asked: Readable = request;
  asked.on('data', (piece: Buffer) => pieces.push(piece));
  asked.on('end', () => {
    const { method, url, headers } = request;
    const body = Buffer.concat(pieces).toString();
    const isRight = method === 'POST' && url === '/a/b?c=d' && body === 'caf\u00e9' && headers['x-y'] === 'z';
    response.statusCode = isRight ? 200 : 418;
    response.end();
  });
}

const request = { method: 'POST', headers: { 'X-Y': 'z' }, body: 'caf\u00e9' };

test('loads plain HTTP/1.1 with method, path, query, headers and body as given', async (t) => {
  const port = await listen(t, createHttp(echo));
  const run = await runLoad(t, { url: `http://127.0.0.1:${port}/a/b?c=d`, request });
  assert.deepEqual(run.statuses, { 200: run.due });
  assert.equal(run.ok, run.due);
});

test('loads through a Unix socket', async (t) => {
  const socketPath = join(makeFolder(t), 's');
  await listen(t, createHttp(echo), socketPath);
  const run = await runLoad(t, { url: 'http://anything/a/b?c=d', socketPath, request });
  assert.equal(run.ok, run.due);
});

test('loads over TLS, and refuses a certificate it cannot trust unless told', async (t) => {
  const port = await listen(t, createHttps(makeCertificate(t), echo));
  const url = `https://localhost:${port}/a/b?c=d`;
  const address = '127.0.0.1';
  const run = await runLoad(t, { url, address, request, insecure: true });
  assert.equal(run.ok, run.due, JSON.stringify(run));
  const refused = await runLoad(t, { url, address, request, load: { ratePerS: 50 } });
  assert.deepEqual(refused.failures, { connect: 50 });
  assert.match(
    refused.notes?.join() ?? '',
    /not trusted \(self-signed certificate\); --insecure accepts any/,
  );
});

test('says which protocol the server did not speak, and what to try', async (t) => {
  const address = '127.0.0.1';
  const load = { ratePerS: 50 };
  const notesOf = async (url: string) =>
    (await runLoad(t, { url, address, request, insecure: true, load })).notes?.join() ?? '';
  const plain = await listen(t, createHttp(echo));
  assert.match(await notesOf(`https://localhost:${plain}/`), /does not speak TLS; try http:/);
  const onlyHttp2 = await listen(t, createSecureServer(makeCertificate(t), echo));
  assert.match(await notesOf(`https://localhost:${onlyHttp2}/`), /try with --http2/);
});

test('loads HTTP/2 in the clear, over a Unix socket and over TLS', async (t) => {
  const load = { protocol: 'http/2' } as const;
  const clear = await listen(t, createHttp2(echo));
  const plain = await runLoad(t, { url: `http://127.0.0.1:${clear}/a/b?c=d`, request, load });
  assert.equal(plain.ok, plain.due, JSON.stringify(plain.failures));
  const socketPath = join(makeFolder(t), 's');
  await listen(t, createHttp2(echo), socketPath);
  const socket = await runLoad(t, { url: 'http://a/a/b?c=d', socketPath, request, load });
  assert.equal(socket.ok, socket.due, JSON.stringify(socket.failures));
  const port = await listen(t, createSecureServer(makeCertificate(t), echo));
  const url = `https://localhost:${port}/a/b?c=d`;
  const secure = await runLoad(t, { url, address: '127.0.0.1', request, load, insecure: true });
  assert.equal(secure.ok, secure.due, JSON.stringify(secure.failures));
});

test('HTTP/2 streams that are reset, never answered or too large are counted by kind', async (t) => {
  const load = { protocol: 'http/2', ratePerS: 50 } as const;
  const server = createHttp2();
  server.on('stream', (stream: ServerHttp2Stream, fields: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    if (fields[':path'] === '/reset') stream.close(2);
    else if (fields[':path'] === '/large') stream.end(Buffer.alloc(100_000));
    else if (fields[':path'] === '/half') {
      stream.respond({ ':status': 200, 'content-length': '9' });
      stream.end('half');
    }
  });
  const port = await listen(t, server);
  for (const [path, kind] of [
    ['reset', 'reset'],
    ['half', 'truncated'],
    ['large', 'too-large'],
  ] as const) {
    const run = await runLoad(t, { url: `http://127.0.0.1:${port}/${path}`, load, maxBodyBytes: 50_000 });
    assert.deepEqual(run.failures, { [kind]: 50 });
  }
  const silent = await runLoad(t, { url: `http://127.0.0.1:${port}/never`, load });
  assert.ok((silent.failures.timeout ?? 0) >= 4, JSON.stringify(silent.failures));
  assert.equal(silent.ok, 0);
});

test('a server without HTTP/2 is a connect failure, not a wait without end', async (t) => {
  const port = await listen(t, createHttp(echo));
  const run = await runLoad(t, {
    url: `http://127.0.0.1:${port}/`,
    load: { protocol: 'http/2', ratePerS: 20 },
  });
  assert.deepEqual(run.failures, { connect: 20 }, (run.notes ?? []).join());
});
