import assert from 'node:assert/strict';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { openDeliveryBench, readState, startReceiver, until } from '../support/deliveries.ts';

const bench = await openDeliveryBench();
const { engine, failures } = bench.startEngine({ timeoutMs: 600 });

/** Adds one event of a new organization at the address and waits for its first attempt. */
async function attemptAt(url: string) {
  const { id: organizationId } = await bench.addOrganization(url);
  const id = await bench.addEvent(organizationId);
  engine.wake();
  await until('it was attempted', async () => (await readState(bench, id)).attempts === 1);
  return { organizationId, id, state: await readState(bench, id) };
}

/** Listens with bare sockets. */
async function startTcp(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return `http://127.0.0.1:${address.port}/`;
}

test('a receiver that never answers is given up on in time, and tried again later', async () => {
  const startedAt = performance.now();
  const { state } = await attemptAt((await startReceiver(() => undefined)).url);
  assert.ok(performance.now() - startedAt < 5_000);
  assert.deepEqual([state.status, state.lastError], ['pending', 'No answer within 0.6 s.']);
  assert.ok(state.dueAt !== null);
});

test('a connection that takes everything and says nothing is given up on in time', async () => {
  const { state } = await attemptAt(await startTcp(() => undefined));
  assert.equal(state.lastError, 'No answer within 0.6 s.');
});

test('a head that drips in for ever is given up on in time', async () => {
  const url = await startTcp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const timer = setInterval(() => socket.write('x-a: b\r\n'), 50);
    socket.on('close', () => clearInterval(timer));
  });
  assert.equal((await attemptAt(url)).state.lastError, 'No answer within 0.6 s.');
});

test('a dead receiver is a failure that says so', async () => {
  const { url, server } = await startReceiver();
  await new Promise((resolve) => server.close(resolve));
  assert.equal((await attemptAt(url)).state.lastError, 'The connection was refused.');
});

test('a redirect is a failure, and nothing is sent where it leads', async () => {
  const target = await startReceiver();
  for (const status of [301, 302, 303, 307, 308]) {
    const { url } = await startReceiver((response) =>
      response.writeHead(status, { location: target.url }).end(),
    );
    const { state } = await attemptAt(url);
    assert.equal(state.status, 'pending');
    assert.equal(state.lastError, `The receiver answered ${status}, and redirects are not followed.`);
  }
  assert.equal(target.received.length, 0);
});

test('410 disables the address, fails what waits for it, and a later event is not sent', async () => {
  const receiver = await startReceiver((response) => response.writeHead(410).end());
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  const ids = [await bench.addEvent(organizationId)];
  engine.wake();
  await until('the address is disabled', async () => {
    const [row] =
      await bench.sql`select webhook_disabled_at as at from organizations where id = ${organizationId}`;
    return row?.at !== null;
  });
  for (let count = 0; count < 3; count += 1) ids.push(await bench.addEvent(organizationId));
  engine.wake();
  for (const id of ids)
    await until('it failed', async () => (await readState(bench, id)).status === 'failed');
  assert.equal(receiver.received.length, 1);
  const [first = '', second = ''] = ids;
  assert.equal((await readState(bench, first)).lastError, 'The receiver answered 410.');
  assert.equal((await readState(bench, second)).lastError, 'The address is disabled since it answered 410.');
});

test('an organization that has taken its address away keeps its events, undelivered', async () => {
  const { id: organizationId } = await bench.addOrganization('');
  const id = await bench.addEvent(organizationId);
  engine.wake();
  await until('nothing waits', async () => (await readState(bench, id)).dueAt === null);
  const { status, attempts } = await readState(bench, id);
  assert.deepEqual([status, attempts], ['pending', 0]);
});

test('an endless body of a 200 is a success, and not much of it is read', async () => {
  let sent = 0;
  const { url } = await startReceiver((response) => {
    const chunk = Buffer.alloc(4096, 'x');
    const more = () => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      sent += chunk.length;
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  const { state } = await attemptAt(url);
  assert.equal(state.status, 'delivered');
  // What the sockets buffer on both sides comes on top of the 16 KiB.
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(sent < 8_000_000, `${sent} bytes`);
});

test('a body that drips in for ever holds a delivery up for a second at most', async () => {
  const { url } = await startReceiver((response) => {
    const timer = setInterval(() => response.write('x'), 100);
    response.on('close', () => clearInterval(timer));
  });
  const startedAt = performance.now();
  assert.equal((await attemptAt(url)).state.status, 'delivered');
  assert.ok(performance.now() - startedAt < 3_000);
});

test('what is no HTTP, an oversized head, an upgrade and a cut connection are failures', async () => {
  const answers = {
    'The answer is no HTTP.': 'SSH-2.0-OpenSSH_9.9\r\n',
    'The receiver answered 101.':
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
  };
  for (const [error, text] of Object.entries(answers)) {
    assert.equal((await attemptAt(await startTcp((socket) => socket.write(text)))).state.lastError, error);
  }
  const oversized = `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`;
  assert.equal(
    (await attemptAt(await startTcp((socket) => socket.write(oversized)))).state.lastError,
    'The answer is no HTTP.',
  );
  const cut = await attemptAt(await startTcp((socket) => socket.once('data', () => socket.destroy())));
  assert.equal(cut.state.lastError, 'The connection was reset.');
});

test('an address that is no address is a failure like any other', async () => {
  for (const url of ['http://', 'http://[::1', 'http://exa mple.org/', 'http://%zz/']) {
    assert.equal((await attemptAt(url)).state.lastError, 'The address is no URL.', url);
  }
});

test('Retry-After of a busy receiver is waited for, by its other deliveries too', async () => {
  let isBusy = true;
  const receiver = await startReceiver((response) => {
    if (isBusy) response.writeHead(429, { 'retry-after': '200' });
    response.end();
  });
  const { organizationId, id, state } = await attemptAt(receiver.url);
  const [row] = await bench.sql`select at from delivery_attempts where event_id = ${id}`;
  const waits = ((state.dueAt?.getTime() ?? 0) - row?.at.getTime()) / 1000;
  assert.ok(waits >= 200 && waits < 202, `${waits} s`);
  const other = await bench.addEvent(organizationId);
  isBusy = false;
  bench.advance(190_000);
  engine.wake();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(receiver.received.length, 1);
  bench.advance(15_000);
  engine.wake();
  for (const each of [id, other]) {
    await until('it is delivered', async () => (await readState(bench, each)).status === 'delivered');
  }
});

test('an address that fails ten times in a row is left alone, then tried with one delivery, then trusted', async () => {
  let isDown = true;
  const receiver = await startReceiver((response) => response.writeHead(isDown ? 500 : 204).end());
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  for (let count = 0; count < 60; count += 1) await bench.addEvent(organizationId);
  engine.wake();
  const readBreaker = async () => {
    const [row] = await bench.sql`
      select failures, open_until > now() as is_open from webhook_breakers where organization_id = ${organizationId}`;
    return row;
  };
  await until('the breaker opens', async () => (await readBreaker())?.is_open === true);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const tried = receiver.received.length;
  // At most what was under way when the first failure came.
  assert.ok(tried >= 10 && tried <= 40, `${tried} attempts`);
  bench.advance(35_000);
  engine.wake();
  await until('a probe', () => receiver.received.length > tried);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(receiver.received.length, tried + 1, 'one probe, no more');
  isDown = false;
  bench.advance(3_600_000);
  engine.wake();
  await until('all are delivered', async () => {
    const [row] =
      await bench.sql`select count(*)::int as left from deliveries where organization_id = ${organizationId}`;
    return row?.left === 0;
  });
  assert.equal((await readBreaker())?.failures, 0);
});

test('a new address of the organization is not held up by the breaker of the old one', async () => {
  const dead = await startReceiver((response) => response.writeHead(500).end());
  const { id: organizationId } = await bench.addOrganization(dead.url);
  for (let count = 0; count < 20; count += 1) await bench.addEvent(organizationId);
  engine.wake();
  await until('ten failures', () => dead.received.length >= 10);
  const alive = await startReceiver();
  await bench.sql`update organizations set webhook_url = ${alive.url} where id = ${organizationId}`;
  const id = await bench.addEvent(organizationId);
  engine.wake();
  await until('it is delivered', async () => (await readState(bench, id)).status === 'delivered');
});

test('nothing that receivers did made the engine itself fail', () => {
  assert.deepEqual(failures, []);
});
