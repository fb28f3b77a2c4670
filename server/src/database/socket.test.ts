import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { freePort } from '../../test/topology/programs.ts';
import { Problem } from '../problem.ts';
import { openDatabase } from './database.ts';

const folder = mkdtempSync(join(tmpdir(), 'irontrack-socket-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function open(host: string, port: number) {
  const address = { host, port, user: 'nobody', database: 'nothing' };
  const database = openDatabase({ address, poolSize: 2, timeoutMs: 20_000 });
  after(() => database.close());
  return database;
}

/** Asks more often than there are connections: none may be used up. */
async function askInVain(database: ReturnType<typeof open>): Promise<void> {
  for (let count = 0; count < 8; count += 1) {
    const startedAt = performance.now();
    await assert.rejects(
      database.sql`select 1 as one`,
      (error) => error instanceof Problem && error.code === 'database-unavailable',
    );
    // Nowhere near the 5 s that a connection, and the 20 s that a statement may take.
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 4_000, `${tookMs} ms`);
  }
}

test('a place where nobody listens is an outage each time, at once', async () => {
  await Promise.all(
    [
      ['127.0.0.1', await freePort()] as const,
      ['localhost', await freePort()] as const,
      [folder, 5432] as const,
      [join(folder, 'no-folder'), 5432] as const,
      // Refused by the system before anything is sent.
      ['255.255.255.255', 5432] as const,
    ].map(([host, port]) => askInVain(open(host, port))),
  );
});

test('a proxy that takes connections and closes them without a word is an outage at once, and is not asked again and again', async (t) => {
  let connections = 0;
  const proxy: Server = createServer((socket) => {
    connections += 1;
    socket.end();
  }).listen(0, '127.0.0.1');
  t.after(() => proxy.close());
  await once(proxy, 'listening');
  const address = proxy.address();
  assert.ok(typeof address === 'object' && address !== null);
  const database = open('127.0.0.1', address.port);
  await askInVain(database);
  assert.ok(connections <= 20, `${connections} connections for 8 statements`);
});
