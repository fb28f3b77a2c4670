/** Clients that want no answer but the machine: through nginx, with the limits that are shipped. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { makeFolder } from '../faults/process.ts';
import { until } from '../faults/worker-connections.ts';
import { createTestDatabase } from '../support/database.ts';
import { goodPassword, newEmail } from '../support/service.ts';
import { makeCertificate, type Nginx, startNginx } from './nginx.ts';
import { databaseUrlOf, type Node, startNode } from './nodes.ts';
import { missingPrograms } from './programs.ts';

const skip = missingPrograms({ nginx: 'nginx-light', openssl: 'openssl' });

suite('nginx between the service and who abuses it', { skip }, () => {
  const folder = makeFolder();
  let node: Node;
  let nginx: Nginx;
  let ca: Buffer;

  before(async () => {
    const certificate = makeCertificate(folder);
    ca = readFileSync(certificate.chain);
    for (const name of ['1', 'nginx']) mkdirSync(join(folder, name));
    node = await startNode(join(folder, '1'), {
      DATABASE_URL: databaseUrlOf(await createTestDatabase()),
      ARGON2_MEMORY_KIB: '64',
      ARGON2_PASSES: '1',
    });
    nginx = await startNginx({
      folder: join(folder, 'nginx'),
      nodes: [`unix:${node.socket}`],
      certificate,
      // Fifteen seconds are for people; the lines are the same.
      replace: {
        'client_header_timeout 15s;': 'client_header_timeout 1s;',
        'client_body_timeout 15s;': 'client_body_timeout 3s;',
      },
    });
  });
  after(async () => {
    await nginx?.stop();
    await node?.stop();
  });

  async function dial(protocol: 'http/1.1' | 'h2' = 'http/1.1'): Promise<TLSSocket> {
    const socket = connect({
      host: '127.0.0.1',
      port: nginx.port,
      servername: 'localhost',
      ca,
      ALPNProtocols: [protocol],
    });
    // A reset is an outcome.
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    return socket;
  }

  async function ping(): Promise<number | undefined> {
    const session = connectHttp2(nginx.url, { ca });
    try {
      return await askHttp2(session, { ':path': '/ping' });
    } finally {
      session.close();
    }
  }

  /** @returns the status */
  async function askHttp2(
    session: ClientHttp2Session,
    headers: Record<string, string>,
    body?: string,
  ): Promise<number | undefined> {
    const stream = session.request(headers);
    stream.end(body);
    const [answered] = await once(stream, 'response');
    stream.resume();
    await once(stream, 'end');
    return answered[':status'];
  }

  const linesWith = (text: string, word: string) => text.split('\n').filter((line) => line.includes(word));

  test('whoever sends headers or a body too slowly is cut off, and the service never heard of it', async () => {
    const beginnings = [
      'GET /api/v1/access/me HTTP/1.1\r\nHost: localhost\r\nX-Slow: 1',
      'POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{',
    ];
    const heard = () => linesWith(node.output(), '"method":').length;
    const before = heard();
    await Promise.all(
      beginnings.map(async (beginning) => {
        const socket = await dial();
        let answer = '';
        socket.setEncoding('latin1').on('data', (chunk: string) => {
          answer += chunk;
        });
        const closed = new Promise((resolve) => socket.once('close', resolve));
        socket.write(beginning);
        await closed;
        assert.ok(answer === '' || answer.includes(' 408 '), answer.slice(0, 200));
      }),
    );
    // The service writes its log every 0.1 s.
    await pause(300);
    assert.equal(heard(), before);
    assert.equal(await ping(), 200);
  });

  test('what HTTP/2 says of itself is not believed as HTTP/1.1: a body is one, whatever stands in it', async () => {
    const socket = await dial('h2');
    const hidden = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n';
    socket.write(
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
        frame(4, 0, 0, Buffer.alloc(0)),
        frame(
          1,
          0x4,
          1,
          literals({
            ':method': 'POST',
            ':scheme': 'https',
            ':authority': 'localhost',
            ':path': '/api/v1/auth/login',
            'x-request-id': 'framed-twice',
            'content-type': 'application/json',
            'transfer-encoding': 'chunked',
          }),
        ),
        frame(0, 0x1, 1, Buffer.from(`0\r\n\r\n${hidden}`, 'latin1')),
      ]),
    );
    socket.resume();
    await until('it is answered', () => linesWith(nginx.accessLog(), 'framed-twice').length === 1);
    socket.destroy();
    // Through the same connections to the service, so that an answer too many would go to one of these.
    const session = connectHttp2(nginx.url, { ca });
    for (let asked = 0; asked < 10; asked += 1)
      assert.equal(await askHttp2(session, { ':path': '/ping' }), 200);
    session.close();
    await pause(300);
    assert.ok(!nginx.accessLog().includes('"method":"GET","status":404'), 'the hidden one was answered');
    assert.ok(!node.output().includes('"route":"unmatched"'), 'the hidden one reached the service');
  });

  test('where a request comes from is told apart by HTTP/2 too', async () => {
    const session = connectHttp2(nginx.url, { ca });
    const person = { email: newEmail(), password: goodPassword };
    const headers = { ':method': 'POST', 'content-type': 'application/json' };
    const register = { ...headers, ':path': '/api/v1/auth/register' };
    assert.equal(await askHttp2(session, register, JSON.stringify(person)), 201);
    const signIn = { ...headers, ':path': '/api/v1/access/signin' };
    const own = { ...signIn, origin: nginx.url };
    const others = { ...signIn, origin: 'https://evil.example' };
    assert.equal(await askHttp2(session, own, JSON.stringify(person)), 204);
    assert.equal(await askHttp2(session, others, JSON.stringify(person)), 403);
    session.close();
  });

  test('one network has 200 requests under way at most, however few connections it needs for them', async () => {
    const heard = () => linesWith(node.output(), '"method":"PATCH"').length;
    const before = heard();
    const refused: number[] = [];
    const sessions = Array.from({ length: 4 }, () => connectHttp2(nginx.url, { ca }));
    for (const session of sessions) {
      session.on('error', () => undefined);
      for (let count = 0; count < 60; count += 1) {
        const stream = session.request({
          ':method': 'PATCH',
          ':path': '/api/v1/users/me',
          'content-type': 'application/json',
          'content-length': '100',
        });
        stream.on('error', () => undefined);
        stream.on('response', ({ ':status': status }) => status === 429 && refused.push(status));
        // And no more: it is waited for.
        stream.write('{');
      }
    }
    await until('those beyond are refused', () => refused.length > 0);
    for (const session of sessions) session.destroy();
    assert.ok(refused.length <= 40, `${refused.length} of 240 were refused`);
    await until('others are served', async () => (await ping()) === 200);
    assert.equal(heard(), before, 'the service heard of none');
  });

  test('a connection of HTTP/2 that opens streams and resets them is closed, and the service sees few of them', async (t) => {
    const session = connectHttp2(nginx.url, { ca });
    session.on('error', () => undefined);
    await once(session, 'connect');
    let opened = 0;
    const closed = once(session, 'close');
    while (!session.closed && !session.destroyed && opened < 5_000) {
      const stream = session.request({ ':path': '/api/v1/exercises' });
      stream.on('error', () => undefined);
      stream.close(constants.NGHTTP2_CANCEL);
      opened += 1;
      if (opened % 50 === 0) await pause(1);
    }
    assert.ok(opened < 5_000, 'it could go on for ever');
    session.destroy();
    await closed;
    await pause(300);
    const seen = linesWith(node.output(), '"route":"/api/v1/exercises"').length;
    t.diagnostic(`${opened} opened and reset, ${seen} of them reached the service`);
    // What may come at once, and 200 a second besides.
    assert.ok(seen <= 1_000, `${seen} of ${opened} reached the service`);
    // It was refused for its number, at one address with this test.
    await until('others are served', async () => (await ping()) === 200);
  });
});

/** A frame of HTTP/2 (RFC 9113, 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers in clear, none remembered (RFC 7541, 6.2.2); names and values are below 127 bytes. */
function literals(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]),
  );
}
