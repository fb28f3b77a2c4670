import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestDatabase } from '../support/database.ts';
import { call } from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { makeFolder, runCommand, startServer, toUrl } from './process.ts';

const databaseUrl = toUrl(await createDatabaseProxy().reach(await createTestDatabase()));
const environment = { DATABASE_URL: databaseUrl, DATA_DIR: makeFolder(), WORKERS: '2' };

test('two workers serve one port, /metrics of either speaks for both, and SIGTERM ends them with status 0', async () => {
  const server = await startServer(environment);
  for (let asked = 0; asked < 20; asked += 1) assert.equal((await call(server, '/ping')).status, 200);
  for (let asked = 0; asked < 4; asked += 1) {
    const page = String((await call(server, '/metrics')).body);
    assert.match(page, /^serving_processes 2$/m);
    assert.match(
      page,
      /^http_request_duration_seconds_count\{method="GET",route="\/ping",status="200"\} 20$/m,
    );
  }
  assert.equal((await call(server, '/ready')).status, 200);
  server.signal('SIGTERM');
  const { status, stdout, stderr } = await server.finished;
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /"reason":"SIGTERM"/);
});

test('a start is refused when workers x (pool + 2) are more connections than the database has', async () => {
  const { status, stderr } = await runCommand(['serve'], {
    ...environment,
    WORKERS: '8',
    DATABASE_POOL_SIZE: '100',
  });
  assert.equal(status, 78);
  assert.match(stderr, /workers x \(pool \+ 2\) = 8 x \(100 \+ 2\) = 816.*max_connections - reserved = /s);
});
