import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { eventually } from '../../test/support/expectations.ts';
import { DirectRequest } from './direct-request.ts';

/** POST /direct is handed over past the stream, everything else read as one; each is answered with its body. */
let begun = 0;
let left = 0;
const server = createServer(
  { IncomingMessage: DirectRequest },
  (request: IncomingMessage, response: ServerResponse) => {
    begun += 1;
    response.on('close', () => {
      if (!response.writableFinished) left += 1;
    });
    const answer = (body: Buffer) =>
      setImmediate(() => response.writeHead(200, { 'content-length': body.length }).end(body));
    if (request instanceof DirectRequest && request.url === '/direct') request.whenComplete(answer);
    else request.toArray().then((parts) => answer(Buffer.concat(parts)));
  },
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
after(() => server.close());

async function open(): Promise<{ socket: Socket; read: () => string }> {
  const bound = server.address();
  assert.ok(typeof bound === 'object' && bound !== null);
  const socket = connect(bound.port, '127.0.0.1');
  socket.setNoDelay(true).setEncoding('utf8');
  let text = '';
  socket.on('data', (part: string) => {
    text += part;
  });
  await once(socket, 'connect');
  return { socket, read: () => text };
}

const head = (path: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`;
const bodies = (text: string) => text.split('HTTP/1.1 200 OK').slice(1).map(bodyOf);
const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4);
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

test('a body in pieces, an empty one and one beside its head are handed over whole, on one connection', async () => {
  const { socket, read } = await open();
  for (const part of [head('/direct', 9), 'one', 'two', 'six']) {
    socket.write(part);
    await pause();
  }
  await eventually(async () => bodies(read()).length === 1);
  socket.write(head('/direct', 0));
  await eventually(async () => bodies(read()).length === 2);
  socket.write(`${head('/direct', 4)}four`);
  await eventually(async () => bodies(read()).length === 3);
  assert.deepEqual(bodies(read()), ['onetwosix', '', 'four']);
  socket.destroy();
});

test('requests sent at once are answered in their order, whichever way their bodies go', async () => {
  const { socket, read } = await open();
  const paths = ['/direct', '/stream', '/direct', '/direct', '/stream', '/direct'];
  socket.write(paths.map((path, at) => `${head(path, 1)}${at}`).join(''));
  await eventually(async () => bodies(read()).length === paths.length);
  assert.deepEqual(bodies(read()), ['0', '1', '2', '3', '4', '5']);
  socket.destroy();
});

test('nothing is handed over when the client leaves before the end of its body', async () => {
  const { socket, read } = await open();
  const [begunBefore, leftBefore] = [begun, left];
  socket.write(`${head('/direct', 10)}half`);
  await eventually(async () => begun === begunBefore + 1);
  socket.destroy();
  await eventually(async () => left === leftBefore + 1);
  assert.equal(read(), '');
});

test('a connection is idle once it is answered: a server that closes does not wait for it', async () => {
  const { socket, read } = await open();
  socket.write(`${head('/direct', 4)}last`);
  await eventually(async () => bodies(read()).length === 1);
  const closed = once(socket, 'close');
  server.closeIdleConnections();
  await closed;
});
