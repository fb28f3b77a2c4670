import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { makeFolder, runCommand } from './process.ts';

// No PostgreSQL of such an age can be had, so this speaks as much of its protocol (version 3) as a client hears before
// it knows better: https://www.postgresql.org/docs/14/protocol-message-formats.html

function message(type: string, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

const text = (value: string) => Buffer.from(`${value}\0`);
const column = (name: string, type: number, size: number) =>
  Buffer.concat([text(name), int32(0), int16(0), int32(type), int16(size), int32(-1), int16(0)]);
const field = (value: string) => Buffer.concat([int32(value.length), Buffer.from(value)]);
const isIdle = message('Z', Buffer.from('I'));

/** Whom the client is told it is talking to, when it connects and when it asks: no pooler is in between. */
const processId = 1;

/** Answers every statement with one row: the version, that the database can be written to, and its process. */
function answersOf(version: number): Readonly<Record<string, Buffer>> {
  return {
    P: message('1'),
    D: Buffer.concat([
      message('t', int16(0)),
      message('T', int16(3), column('version', 23, 4), column('readOnly', 16, 1), column('pid', 23, 4)),
    ]),
    B: message('2'),
    E: Buffer.concat([
      message('D', int16(3), field(String(version)), field('f'), field(String(processId))),
      message('C', text('SELECT 1')),
    ]),
    S: isIdle,
    Q: Buffer.concat([message('C', text('BEGIN')), isIdle]),
  };
}

/** @returns its DATABASE_URL, and the statements that it was sent */
async function startOldDatabase(version: number): Promise<{ url: string; statements: string[] }> {
  const statements: string[] = [];
  const sockets = new Set<Socket>();
  const answers = answersOf(version);
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let unread = Buffer.alloc(0);
    let isStarted = false;
    socket.on('data', (bytes: Buffer) => {
      unread = Buffer.concat([unread, bytes]);
      if (!isStarted) {
        if (unread.length < 4 || unread.length < unread.readInt32BE(0)) return;
        unread = unread.subarray(unread.readInt32BE(0));
        isStarted = true;
        socket.write(
          Buffer.concat([
            message('R', int32(0)),
            message('S', text('server_version'), text(`${version}.0`)),
            message('S', text('client_encoding'), text('UTF8')),
            message('K', int32(processId), int32(1)),
            isIdle,
          ]),
        );
      }
      while (unread.length >= 5 && unread.length > unread.readInt32BE(1)) {
        const type = unread.toString('latin1', 0, 1);
        const body = unread.subarray(5, 1 + unread.readInt32BE(1));
        unread = unread.subarray(1 + unread.readInt32BE(1));
        if (type === 'P' || type === 'Q') statements.push(body.toString('utf8'));
        if (type === 'X') socket.end();
        else socket.write(answers[type] ?? '');
      }
    });
  }).listen(0, '127.0.0.1');
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { url: `postgres://irontrack:hidden-word@127.0.0.1:${address.port}/irontrack`, statements };
}

for (const command of ['migrate', 'serve']) {
  test(`${command} refuses a PostgreSQL 14 in one sentence, and has changed nothing in it`, async () => {
    const database = await startOldDatabase(14);
    const environment = { DATABASE_URL: database.url, DATA_DIR: makeFolder() };
    const { status, stdout, stderr } = await runCommand([command], environment);
    assert.equal(status, 69, stdout + stderr);
    assert.match(stderr, /The database is PostgreSQL 14, and IronTrack needs 15 or later\./);
    assert.match(stderr, /Upgrade it/);
    assert.doesNotMatch(stdout + stderr, /\n {4}at |hidden-word/, 'no stack and no secret');
    assert.ok(database.statements.length > 0);
    for (const statement of database.statements)
      assert.match(statement, /^[^\0]*\0\s*select current_setting/);
  });
}

test('the same database would not be refused for its age if it were a PostgreSQL 15', async () => {
  const database = await startOldDatabase(15);
  const environment = { DATABASE_URL: database.url, DATA_DIR: makeFolder() };
  const { stderr } = await runCommand(['migrate'], environment);
  assert.doesNotMatch(stderr, /or later/);
  assert.ok(database.statements.some((statement) => statement.includes('pg_advisory_lock')));
});
