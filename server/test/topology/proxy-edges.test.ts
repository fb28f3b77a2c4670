import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';
import { type ProblemCode, problems, problemType } from '@irontrack/contract/problems.ts';
import postgres from 'postgres';
import { makeFolder } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';
import { makeCertificate, type Nginx, startNginx, withoutLimits } from './nginx.ts';
import { databaseUrlOf, type Node, startNode } from './nodes.ts';
import { missingPrograms } from './programs.ts';

const skip = missingPrograms({ nginx: 'nginx-light', openssl: 'openssl' });

interface Answer {
  status: number;
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>;
  body: string;
}

/** Sends bytes as they are over TLS, on a connection of its own, and reads until nginx closes it. */
async function send(nginx: Nginx, lines: readonly string[], body = ''): Promise<Answer> {
  const socket = connect({
    host: '127.0.0.1',
    port: nginx.port,
    servername: 'localhost',
    rejectUnauthorized: false,
  });
  socket.write(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  // Whoever sends too much is cut off after the answer.
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [first = '', ...fields] = head.split('\r\n');
  const headers = fields.map((field): [string, string] => {
    const at = field.indexOf(':');
    return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()];
  });
  return { status: Number(first.split(' ')[1]), headers: new Map(headers), body: rest.join('\r\n\r\n') };
}

const host = 'Host: localhost';
const json = 'Content-Type: application/json';

function post(nginx: Nginx, path: string, value: object, ...more: string[]): Promise<Answer> {
  const body = JSON.stringify(value);
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return send(nginx, [`POST ${path} HTTP/1.1`, host, json, length, ...more], body);
}

suite('what nginx answers and passes on at the edges', { skip }, () => {
  const folder = makeFolder();
  const certificate = { chain: join(folder, 'fullchain.pem'), key: join(folder, 'privkey.pem') };
  let sql: postgres.Sql;
  let node: Node;
  let nginx: Nginx;
  let balanced: Nginx;

  before(async () => {
    makeCertificate(folder);
    const database = await createTestDatabase();
    sql = postgres({ ...database, max: 1, fetch_types: false });
    for (const name of ['1', 'nginx', 'balanced', 'acme']) mkdirSync(join(folder, name));
    node = await startNode(join(folder, '1'), {
      DATABASE_URL: databaseUrlOf(database),
      ARGON2_MEMORY_KIB: '64',
      ARGON2_PASSES: '1',
      RATE_LIMIT: 'off',
    });
    const nodes = [`unix:${node.socket}`];
    nginx = await startNginx({
      folder: join(folder, 'nginx'),
      nodes,
      certificate,
      replace: { ...withoutLimits, '/var/www/html': join(folder, 'acme') },
    });
    // As its comment says for a balancer in front, and with a limit of two passwords.
    balanced = await startNginx({
      folder: join(folder, 'balanced'),
      nodes,
      certificate,
      replace: {
        '#   set_real_ip_from 192.0.2.0/24;': 'set_real_ip_from 127.0.0.1;',
        '#   real_ip_header X-Forwarded-For;': 'real_ip_header X-Forwarded-For;',
        '#   real_ip_recursive on;': 'real_ip_recursive on;',
        'rate=5r/s': 'rate=1r/m',
        'zone=passwords burst=50 nodelay': 'zone=passwords burst=1 nodelay',
      },
    });
  });
  after(async () => {
    await nginx?.stop();
    await balanced?.stop();
    await node?.stop();
    await sql?.end({ timeout: 1 });
  });

  const refusals: readonly (readonly [string, string[], ProblemCode])[] = [
    ['a method that is for proxies', ['TRACE /ping HTTP/1.1', host], 'method-not-allowed'],
    [
      'a transfer coding that nobody knows',
      ['POST /ping HTTP/1.1', host, 'Transfer-Encoding: gzip'],
      'malformed-request',
    ],
    ['a version of HTTP to come', ['GET /ping HTTP/3.0', host], 'malformed-request'],
    [
      'two lengths of one body',
      ['POST /ping HTTP/1.1', host, 'Content-Length: 3', 'Transfer-Encoding: chunked'],
      'malformed-request',
    ],
    [
      'one length twice',
      ['POST /ping HTTP/1.1', host, 'Content-Length: 3', 'Content-Length: 3'],
      'malformed-request',
    ],
    [
      'a space before the colon, which some take for another header',
      ['POST /ping HTTP/1.1', host, 'Content-Length: 3', 'Transfer-Encoding : chunked'],
      'malformed-request',
    ],
    ['no host', ['GET /ping HTTP/1.1'], 'malformed-request'],
    ['two hosts', ['GET /ping HTTP/1.1', host, 'Host: other.example.org'], 'malformed-request'],
    [
      'the name of another site, asked on a connection that was opened for ours',
      ['GET /ping HTTP/1.1', 'Host: other.example.org'],
      'malformed-request',
    ],
    [
      'the same in the request line, which counts more than Host',
      ['GET https://other.example.org/ping HTTP/1.1', host],
      'malformed-request',
    ],
    ['a header of 20 KB', ['GET /ping HTTP/1.1', host, `X-Long: ${'a'.repeat(20_000)}`], 'headers-too-large'],
    ['a path of 20 KB', [`GET /${'a'.repeat(20_000)} HTTP/1.1`, host], 'uri-too-long'],
  ];
  for (const [name, lines, code] of refusals) {
    test(`${name} is refused in the words of the service`, async () => {
      const answer = await send(nginx, lines);
      const { status, title } = problems[code];
      assert.equal(answer.status, status, answer.body);
      assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8');
      const body: Record<string, unknown> = JSON.parse(answer.body);
      assert.deepEqual(
        { code: body.code, title: body.title, status: body.status, type: body.type },
        { code, title, status, type: problemType(code) },
      );
      for (const name of [
        'x-request-id',
        'referrer-policy',
        'content-security-policy',
        'x-content-type-options',
      ])
        assert.ok(answer.headers.has(name), name);
      assert.equal(body.instance, `urn:irontrack:request:${answer.headers.get('x-request-id')}`);
      if (status === 405) assert.match(answer.headers.get('allow') ?? '', /GET/);
    });
  }

  test('two request ids are one for both logs, and what belongs to one connection goes no further', async () => {
    const ids = ['X-Request-Id: the-first', 'X-Request-Id: the-second'];
    const upgrade = ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'];
    const answer = await send(nginx, ['GET /ping HTTP/1.1', host, ...ids, ...upgrade]);
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'OK');
    const id = answer.headers.get('x-request-id') ?? '';
    const lines = nginx
      .accessLog()
      .split('\n')
      .filter((line) => line.includes(`"requestId":"${id}"`));
    assert.equal(lines.length, 1, id);
  });

  test('headers that the service takes get through', async () => {
    const long = Array.from({ length: 15 }, (_, at) => `X-Long-${at}: ${'a'.repeat(1_000)}`);
    assert.equal((await send(nginx, ['GET /ping HTTP/1.1', host, ...long])).status, 200);
  });

  test('behind a balancer the client is whom the balancer names, not whom the client names', async () => {
    const email = 'balanced@example.org';
    const claim = 'X-Forwarded-For: 203.0.113.9, 198.51.100.4';
    const person = { email, password: 'Correct-Horse-7' };
    assert.equal((await post(balanced, '/api/v1/auth/register', person, claim)).status, 201);
    const [row] = await sql`
      select ip_address as address from audit_entries
      where action = 'user.created' and details->>'email' = ${email}`;
    assert.equal(row?.address, '198.51.100.4');
  });

  test('a limit counts an IPv4 address or a /64 of IPv6, and nobody beside it', async () => {
    const nobody = { email: 'nobody@example.org', password: 'Correct-Horse-7' };
    const signIn = async (address: string) =>
      (await post(balanced, '/api/v1/auth/login', nobody, `X-Forwarded-For: ${address}`)).status;
    assert.equal(await signIn('2001:db8:0:1::1'), 401);
    assert.equal(await signIn('2001:db8:0:1::2'), 401);
    assert.equal(await signIn('2001:db8:0:1:ffff::3'), 429);
    assert.equal(await signIn('2001:db8:0:2::1'), 401);
    for (const expected of [401, 401, 429]) assert.equal(await signIn('192.0.2.7'), expected);
    assert.equal(await signIn('192.0.2.8'), 401);
    const [refused = ''] = balanced
      .accessLog()
      .split('\n')
      .filter((line) => line.includes('REJECTED'));
    assert.match(refused, /"status":429,.*"upstream":"",.*"client":"2001:db8:0:1:ffff::3"/);
  });

  test('what a certificate authority asks for is there on plain HTTP, and only that', async () => {
    const challenges = join(folder, 'acme/.well-known/acme-challenge');
    mkdirSync(challenges, { recursive: true });
    writeFileSync(join(challenges, 'a-token'), 'a-token.thumbprint');
    const ask = (path: string) => fetch(`${nginx.plainUrl}${path}`, { redirect: 'manual' });
    const answer = await ask('/.well-known/acme-challenge/a-token');
    assert.deepEqual([answer.status, await answer.text()], [200, 'a-token.thumbprint']);
    assert.equal((await ask('/.well-known/acme-challenge/another')).status, 404);
    assert.equal((await ask('/.well-known/jwks.json')).status, 308);
  });

  test('every line of the access log is JSON, also of requests that were broken off', async () => {
    const socket = connect({
      host: '127.0.0.1',
      port: nginx.port,
      servername: 'localhost',
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    socket.write(`POST /api/v1/auth/login HTTP/1.1\r\n${host}\r\nContent-Length: 100\r\n\r\n{`);
    await pause(200);
    socket.destroy();
    await pause(200);
    await send(nginx, ['GET /a"\\b HTTP/1.1', host, 'X-Request-Id: "\\']);
    const lines = nginx.accessLog().trimEnd().split('\n');
    assert.ok(lines.length > refusals.length);
    for (const line of lines) {
      const { status }: { status: unknown } = JSON.parse(line);
      assert.equal(typeof status, 'number', line);
    }
  });
});

test('what is not idempotent goes to one node, although that one breaks off; what is, to one more', {
  skip,
}, async () => {
  const folder = makeFolder();
  mkdirSync(join(folder, 'nginx'));
  let asked = 0;
  const nodes = await Promise.all(
    ['1', '2'].map(async (name) => {
      const path = join(folder, `${name}.sock`);
      const node = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => {
          asked += 1;
          socket.destroy();
        });
      }).listen(path);
      await once(node, 'listening');
      after(() => node.close());
      return `unix:${path}`;
    }),
  );
  const nginx = await startNginx({
    folder: join(folder, 'nginx'),
    nodes,
    certificate: makeCertificate(folder),
    replace: { ...withoutLimits, 'hash $client_network consistent;': '' },
  });
  after(() => nginx.stop());
  for (const [method, times] of [
    ['POST', 1],
    ['PATCH', 1],
    ['GET', 2],
    ['DELETE', 2],
  ] as const) {
    asked = 0;
    const answer = await send(nginx, [`${method} /api/v1/users HTTP/1.1`, host, 'Content-Length: 0']);
    assert.equal(answer.status, 502, method);
    assert.equal(JSON.parse(answer.body).code, 'service-unreachable');
    assert.equal(asked, times, method);
    // As long as nginx leaves a node alone that failed.
    await pause(3_000);
  }
});
