import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { problems, problemType } from '@irontrack/contract/problems.ts';
import postgres from 'postgres';
import { makeFolder } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';
import { goodPassword, newEmail } from '../support/service.ts';
import { makeCertificate, type Nginx, startNginx } from './nginx.ts';
import { databaseUrlOf, type Node, startNode } from './nodes.ts';
import { missingPrograms } from './programs.ts';

const skip = missingPrograms({ nginx: 'nginx-light', openssl: 'openssl' });

suite('nginx over TLS, with the configuration that is shipped', { skip }, () => {
  const folder = makeFolder();
  const certificate = { chain: join(folder, 'fullchain.pem'), key: join(folder, 'privkey.pem') };
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let sql: postgres.Sql;
  let node: Node;
  let nginx: Nginx;
  let http2: ClientHttp2Session;

  before(async () => {
    makeCertificate(folder);
    database = await createTestDatabase();
    sql = postgres({ ...database, max: 1, fetch_types: false });
    for (const name of ['1', 'nginx']) mkdirSync(join(folder, name));
    node = await startNode(join(folder, '1'), {
      DATABASE_URL: databaseUrlOf(database),
      ARGON2_MEMORY_KIB: '64',
      ARGON2_PASSES: '1',
    });
    nginx = await startNginx({ folder: join(folder, 'nginx'), nodes: [`unix:${node.socket}`], certificate });
    http2 = connectHttp2(nginx.url, { ca: readFileSync(certificate.chain) });
  });
  after(async () => {
    http2?.close();
    await nginx?.stop();
    await node?.stop();
    await sql?.end({ timeout: 1 });
  });

  interface Answer {
    status: number | undefined;
    headers: Record<string, unknown>;
    body: string;
  }

  /** One request over HTTP/1.1 on a connection of its own. */
  async function send(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Buffer,
  ): Promise<Answer> {
    const ca = readFileSync(certificate.chain);
    const sent = request(new URL(nginx.url), { method, path, headers, ca, agent: false });
    sent.end(body);
    return await read(sent);
  }

  async function read(sent: ReturnType<typeof request>): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: text }),
      );
    });
    return await promise;
  }

  const postJson = (path: string, json: object, headers: Record<string, string> = {}) =>
    send('POST', path, { 'content-type': 'application/json', ...headers }, JSON.stringify(json));

  /** As a browser: many requests on one connection. */
  async function sendHttp2(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    const stream = http2.request({ ':path': path, ...headers });
    const answer: Answer = { status: undefined, headers: {}, body: '' };
    stream.on('response', (given) => {
      answer.status = given[':status'];
      answer.headers = given;
    });
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      answer.body += chunk;
    });
    await once(stream, 'end');
    return answer;
  }

  /** Signs somebody up and returns the address that the audit trail has for it. */
  async function addressInTrail(headers: Record<string, string>): Promise<unknown> {
    const email = newEmail();
    const answer = await postJson('/api/v1/auth/register', { email, password: goodPassword }, headers);
    assert.equal(answer.status, 201, answer.body);
    const rows = await sql`
      select ip_address as address from audit_entries
      where action = 'user.created' and details->>'email' = ${email}`;
    assert.equal(rows.length, 1);
    return rows[0]?.address;
  }

  test('a browser walks from sign-up to logout over TLS, with prefixed cookies', async () => {
    const email = newEmail();
    const signUp = { email, password: goodPassword, confirmPassword: goodPassword };
    assert.equal((await postJson('/api/v1/access/signup', signUp)).status, 201);
    const origin = nginx.url;
    const signIn = await postJson('/api/v1/access/signin', { email, password: goodPassword }, { origin });
    assert.equal(signIn.status, 204, 'the page at the same name and port may sign in');
    assert.match(String(signIn.headers['strict-transport-security']), /max-age=\d{8}/);
    const cookie = [signIn.headers['set-cookie']]
      .flat()
      .map((line) => String(line).split(';', 1)[0])
      .join('; ');
    assert.match(cookie, /__Host-access_token=/);
    const me = await sendHttp2('/api/v1/access/me', { cookie });
    assert.equal(me.status, 200);
    assert.ok(me.body.includes(email));
    const elsewhere = await postJson('/api/v1/access/logout', {}, { cookie, origin: 'https://evil.example' });
    assert.equal(elsewhere.status, 403);
    assert.equal((await send('POST', '/api/v1/access/logout', { cookie, origin })).status, 204);
    assert.equal((await sendHttp2('/api/v1/access/me', { cookie })).status, 401);
  });

  test('the client address is that of the connection, whatever the client claims', async () => {
    assert.equal(await addressInTrail({}), '127.0.0.1');
    assert.equal(await addressInTrail({ 'x-forwarded-for': '203.0.113.9' }), '127.0.0.1');
    const claims = { 'x-forwarded-for': '203.0.113.9, 198.51.100.1', forwarded: 'for=203.0.113.9' };
    assert.equal(await addressInTrail({ ...claims, 'x-real-ip': '203.0.113.9' }), '127.0.0.1');
    // Named as one that ends here, so that a proxy which believes it drops the address.
    assert.equal(await addressInTrail({ connection: 'close, x-forwarded-for' }), '127.0.0.1');
  });

  test('a slow client that sends 300 KB gets the 413 of the service, not a reset', async () => {
    const body = Buffer.alloc(300_000, 0x20);
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
    const ca = readFileSync(certificate.chain);
    const sent = request(new URL('/api/v1/auth/login', nginx.url), {
      method: 'POST',
      headers,
      ca,
      agent: false,
    });
    const answered = read(sent);
    for (let at = 0; at < body.length; at += 30_000) {
      sent.write(body.subarray(at, at + 30_000));
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    sent.end();
    const answer = await answered;
    assert.equal(answer.status, 413);
    assert.equal(JSON.parse(answer.body).code, 'body-too-large');
    assert.match(
      nginx.accessLog().trimEnd().split('\n').at(-1) ?? '',
      /"status":413,.*"upstreamStatus":"413"/,
    );
  });

  test('while a client sends its body slowly, the service does not know of it', async () => {
    const body = JSON.stringify({ email: newEmail(), password: goodPassword });
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
    const ca = readFileSync(certificate.chain);
    const sent = request(new URL('/api/v1/auth/login', nginx.url), {
      method: 'POST',
      headers,
      ca,
      agent: false,
    });
    const answered = read(sent);
    sent.write(body.slice(0, 10));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const sentAt = Date.now();
    sent.end(body.slice(10));
    const answer = await answered;
    assert.equal(answer.status, 401);
    const id = String(answer.headers['x-request-id']);
    // The service writes its log every 0.1 s.
    const line = await lineOf(id);
    const begunAt = line.time - line.durationMs;
    assert.ok(begunAt > sentAt - 100, `it began ${sentAt - begunAt} ms before the body was there`);
  });

  async function lineOf(requestId: string): Promise<{ time: number; durationMs: number }> {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const line = node
        .output()
        .split('\n')
        .find((text) => text.includes(`"requestId":"${requestId}"`));
      if (line !== undefined) return JSON.parse(line);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail(`no line of ${requestId} in the log of the service`);
  }

  test('a body larger than the proxy carries gets a 413 in the shape of the service', async () => {
    const answer = await send(
      'POST',
      '/api/v1/auth/login',
      { 'content-type': 'application/json' },
      Buffer.alloc(2_000_000, 0x20),
    );
    assert.equal(answer.status, 413);
    assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8');
    const body: Record<string, unknown> = JSON.parse(answer.body);
    const { code, title, status, type } = body;
    const row = problems['body-too-large'];
    assert.deepEqual(
      { code, title, status, type },
      { code: 'body-too-large', ...row, type: problemType('body-too-large') },
    );
    assert.equal(body.instance, `urn:irontrack:request:${answer.headers['x-request-id']}`);
  });

  test('no spelling of the path of the metrics gets past the proxy', async () => {
    const spellings = [
      ...['/metrics', '/metrics/', '//metrics', '/%6detrics', '/./metrics', '/docs/../metrics'],
      ...['/docs/%2e%2e/metrics', '/docs%2f..%2fmetrics', '/metrics%2f', '/metrics;a=b', '/METRICS'],
      ...['/metrics%3fa=b', '/metrics%23', '/metrics%0a', '/metrics%09', '/ping/..;/metrics', '/metrics/.'],
    ];
    const inside = [
      '/health',
      '/health/',
      '/health/live',
      '/health/ready',
      '/ready',
      '/api/health',
      '/api//health',
    ];
    for (const path of [...spellings, '/metrics?a=b', '/metrics//', '/metric%73/', ...inside]) {
      const answer = await send('GET', path);
      assert.equal(answer.status, 404, path);
      assert.ok(!answer.body.includes('http_request_duration'), path);
      assert.equal((await sendHttp2(path)).status, 404, `${path} by HTTP/2`);
    }
    assert.equal(JSON.parse((await send('GET', '/metrics')).body).code, 'route-not-found');
    assert.equal((await send('GET', '/ping')).status, 200);
  });

  test('the scraper of the machine reads the metrics, and nothing else there', async () => {
    const metrics = await fetch(`${nginx.insideUrl}/metrics`);
    assert.match(await metrics.text(), /http_request_duration_seconds_bucket/);
    assert.equal((await fetch(`${nginx.insideUrl}/api/v1/openapi.json`)).status, 404);
  });

  test('neither the access log nor an answer holds what was secret in a request', async () => {
    const secrets = [
      'query-secret-1',
      'bearer-secret-2',
      'cookie-secret-3',
      'referrer-secret-4',
      'key-secret-5',
    ];
    const headers = {
      authorization: `Bearer ${secrets[1]}`,
      cookie: `__Host-access_token=${secrets[2]}`,
      referer: `https://auth.example.org/?token=${secrets[3]}`,
      'x-api-key': secrets[4] ?? '',
    };
    const path = `/api/v1/access/me?access_token=${secrets[0]}`;
    const [first, second] = [await send('GET', path, headers), await sendHttp2(path, headers)];
    assert.deepEqual([first.status, second.status], [401, 401]);
    for (const secret of secrets) {
      assert.ok(!nginx.accessLog().includes(secret), `${secret} is in the access log`);
      assert.ok(!node.output().includes(secret), `${secret} is in the log of the service`);
    }
    assert.ok(!nginx.accessLog().includes('/api/'), 'paths hold e-mails');
    const { server } = first.headers;
    assert.equal(server, 'nginx', 'without a version');
  });

  test('one request id is in the answer and in both logs', async () => {
    for (const headers of [{}, { 'x-request-id': 'from-the-client.1' }]) {
      const answer = await send('GET', '/api/v1/access/me', headers);
      const id = String(answer.headers['x-request-id']);
      assert.ok(nginx.accessLog().includes(`"requestId":"${id}"`));
      await lineOf(id);
    }
    const refused = await send('GET', '/ping', { 'x-request-id': 'not an id' });
    assert.match(String(refused.headers['x-request-id']), /^[0-9a-f]{32}$/);
  });

  test('the documentation is compressed, what holds secrets is not', async () => {
    const headers = { 'accept-encoding': 'gzip' };
    for (const path of ['/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css', '/api/v1/openapi.json']) {
      assert.equal((await sendHttp2(path, headers)).headers['content-encoding'], 'gzip', path);
    }
    const person = { email: newEmail(), password: goodPassword };
    await postJson('/api/v1/auth/register', person);
    const tokens = await postJson('/api/v1/auth/login', person, headers);
    assert.equal(tokens.status, 200);
    assert.equal(tokens.headers['content-encoding'], undefined);
  });

  test('plain HTTP is sent to the name of the service, not to what the client called it', async () => {
    const sent = plainRequest(new URL('/docs?a=1', nginx.plainUrl), { headers: { host: 'evil.example' } });
    sent.end();
    const [response] = await once(sent, 'response');
    assert.equal(response.statusCode, 308);
    assert.equal(response.headers.location, 'https://auth.example.org/docs?a=1');
    response.resume();
  });

  test('a name that is not served gets no certificate, and TLS 1.1 no connection', async () => {
    const refusals = [
      { servername: 'other.example.org' },
      { servername: 'localhost', minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' } as const,
    ];
    for (const options of refusals) {
      const socket = connectTls({
        host: '127.0.0.1',
        port: nginx.port,
        rejectUnauthorized: false,
        ...options,
      });
      const [error] = await once(socket, 'error');
      assert.ok(error instanceof Error);
    }
  });

  test('a body that may hold a password is not written to disk, a larger one may be', async () => {
    const spooled = () => nginx.errorLog().split('buffered to a temporary file').length - 1;
    const headers = { 'content-type': 'application/json' };
    const before = spooled();
    const longest = JSON.stringify({ email: newEmail(), password: 'x'.repeat(64 * 1024 - 60) });
    assert.ok(longest.length > 65_000 && longest.length <= 65_536);
    assert.equal((await send('POST', '/api/v1/auth/login', headers, longest)).status, 422);
    assert.equal(spooled(), before);
    await send('POST', '/api/v1/auth/login', headers, `${longest}${' '.repeat(100_000)}`);
    assert.equal(spooled(), before + 1, 'the log would have said so');
  });
});
