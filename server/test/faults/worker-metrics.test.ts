/** The one page of metrics that several workers have, while one of them dies or hangs: what it counts never falls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createTestDatabase } from '../support/database.ts';
import { textMember } from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { makeFolder, startServer, toUrl } from './process.ts';
import {
  type Connection,
  connectToEach,
  metricOf,
  readMetric,
  until,
  workersOf,
} from './worker-connections.ts';

const workers = 3;
const pings = 'http_request_duration_seconds_count\\{method="GET",route="/ping",status="200"\\}';
const server = await startServer({
  DATABASE_URL: toUrl(await createDatabaseProxy().reach(await createTestDatabase())),
  DATABASE_POOL_SIZE: '3',
  DATA_DIR: makeFolder(),
  WORKERS: String(workers),
});

let each: Connection[] = [];

/** Connections to all workers, those that have taken a dead one's place included. */
async function reconnect(): Promise<void> {
  for (const connection of each) connection.close();
  each = await connectToEach(server.url, workers);
}

/** That of one worker: all others answer while it is stopped. */
async function connectionOf(pid: number): Promise<Connection> {
  const answered = new Set<Connection>();
  process.kill(pid, 'SIGSTOP');
  const asking = each.map(async (connection) => {
    await connection.ask('/ping');
    answered.add(connection);
  });
  await until('all others answer', () => answered.size === each.length - 1);
  const own = each.find((connection) => !answered.has(connection));
  process.kill(pid, 'SIGCONT');
  await Promise.all(asking);
  assert.ok(own !== undefined);
  return own;
}

async function ping(connection: Connection, times: number): Promise<void> {
  for (let asked = 0; asked < times; asked += 1) await connection.ask('/ping');
}

test('what a worker had counted when it wrote the page stays on it when that worker is killed', async () => {
  await reconnect();
  const [victim = 0] = workersOf(server.pid);
  const own = await connectionOf(victim);
  await ping(own, 20);
  // Nobody else was asked for a page before: only this one knows what it has counted.
  const shown = await readMetric(own, pings);
  process.kill(victim, 'SIGKILL');
  const other = each.find((connection) => connection !== own);
  assert.ok(other !== undefined);
  assert.equal(await readMetric(other, pings), shown);
  await until('another serves', async () => (await metricOf(server.url, 'serving_processes')) === workers);
  assert.equal(await metricOf(server.url, pings), shown);
});

test('a worker that dies while the page is being written is counted once', async () => {
  await reconnect();
  const [slow = 0, dying = 0] = workersOf(server.pid);
  const [ofSlow, ofDying] = [await connectionOf(slow), await connectionOf(dying)];
  const writer = each.find((connection) => connection !== ofSlow && connection !== ofDying);
  assert.ok(writer !== undefined);
  await ping(ofDying, 20);
  const before = await readMetric(writer, pings);
  // The page waits 1.5 s for it; the others have said what they counted by then.
  process.kill(slow, 'SIGSTOP');
  const writing = readMetric(writer, pings);
  await pause(700);
  process.kill(dying, 'SIGKILL');
  const shown = await writing;
  process.kill(slow, 'SIGCONT');
  assert.equal(shown, before);
  await until('another serves', async () => (await metricOf(server.url, 'serving_processes')) === workers);
  assert.equal(await metricOf(server.url, pings), before);
});

test('there is no page of one worker alone: without an answer of the supervisor it is refused', async () => {
  await reconnect();
  const [one] = each;
  assert.ok(one !== undefined);
  const before = await readMetric(one, pings);
  server.signal('SIGSTOP');
  const { status, headers, body } = await one.ask('/metrics');
  server.signal('SIGCONT');
  assert.equal(status, 503, JSON.stringify(body).slice(0, 500));
  assert.equal(textMember(body, 'code'), 'overloaded');
  assert.match(String(headers['retry-after']), /^\d+$/);
  assert.equal(await readMetric(one, pings), before);

  for (const connection of each) connection.close();
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0);
});
