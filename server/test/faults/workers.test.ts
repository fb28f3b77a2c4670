import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { createTestDatabase } from '../support/database.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { makeFolder, runCommand, startServer, toUrl } from './process.ts';
import {
  connectTo,
  connectToEach,
  metricOf,
  readMetric,
  startLoad,
  until,
  workersOf,
} from './worker-connections.ts';

const databaseUrl = toUrl(await createDatabaseProxy().reach(await createTestDatabase()));
const environment = { DATABASE_URL: databaseUrl, DATA_DIR: makeFolder(), WORKERS: '2' };
const pings = 'http_request_duration_seconds_count\\{method="GET",route="/ping",status="200"\\}';

test('workers serve one port, die and come back, are replaced without a failed request, and end together', async (t) => {
  const server = await startServer(environment);
  const { url } = server;

  await t.test('two answer on one port, and /metrics of either speaks for both', async () => {
    const each = await connectToEach(url, 2);
    const before = await metricOf(url, pings);
    for (let asked = 0; asked < 20; asked += 1) await each[asked % 2]?.ask('/ping');
    for (const one of each) {
      assert.equal(await readMetric(one, pings), before + 20);
      assert.equal(await readMetric(one, 'serving_processes'), 2);
      assert.equal((await one.ask('/ready')).status, 200);
      one.close();
    }
  });

  await t.test('on SIGHUP under load every worker is replaced and no request fails', async () => {
    const before = workersOf(server.pid);
    const counted = await metricOf(url, pings);
    const load = startLoad(url, '/ping', 8, 4);
    await until('load', () => load.answered > 200);
    server.signal('SIGHUP');
    await until('every worker replaced', () => server.output().includes('Every worker was replaced.'));
    const answered = load.answered;
    await until('load on the new workers', () => load.answered > answered + 100);
    await load.stop();
    assert.deepEqual(load.failures, []);
    const now = workersOf(server.pid);
    assert.equal(now.length, 2);
    assert.deepEqual(
      now.filter((pid) => before.includes(pid)),
      [],
    );
    assert.equal(
      await metricOf(url, pings),
      counted + load.answered,
      'what the old ones counted stays counted',
    );
  });

  await t.test('kill -9 of a worker under load: the other goes on, another takes its place', async () => {
    const [victim = 0] = workersOf(server.pid);
    const load = startLoad(url, '/ping', 8, 2);
    await until('load', () => load.answered > 200);
    process.kill(victim, 'SIGKILL');
    const answered = load.answered;
    await until('answers of the other', () => load.answered > answered + 200);
    await until('another worker', () => workersOf(server.pid).length === 2);
    await until('it serves', async () => (await metricOf(url, 'serving_processes')) === 2);
    await load.stop();
    // What it was just answering is lost, and nothing else: at most one request for each connection it had, and those
    // that were handed to it before its death was noticed.
    assert.ok(load.failures.length <= 12, load.failures.join('\n'));
    for (const failure of load.failures) assert.match(failure, /ECONNRESET|EPIPE|socket hang up/);
    const said = server
      .output()
      .split('\n')
      .filter((line) => line.includes(`"pid":${victim}`));
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(said[0] ?? '', /"signal":"SIGKILL".*was killed by SIGKILL\. It is started again\./);
    assert.equal(await metricOf(url, 'worker_restarts_total'), 1);
  });

  await t.test('one that goes on dying is started again after twice as long each time', async () => {
    const delays = () =>
      [...server.output().matchAll(/"restartInMs":(\d+)/g)].map(([, delay]) => Number(delay));
    for (const delayMs of [200, 400]) {
      // The youngest has the place of the one that died before.
      process.kill(Math.max(...workersOf(server.pid)), 'SIGKILL');
      await until('another worker', () => delays().at(-1) === delayMs && workersOf(server.pid).length === 2);
      await until('it serves', async () => (await metricOf(url, 'serving_processes')) === 2);
    }
    assert.deepEqual(delays(), [100, 200, 400]);
  });

  await t.test('SIGTERM to one worker replaces it without a failed request', async () => {
    const [chosen = 0] = workersOf(server.pid);
    const load = startLoad(url, '/ping', 4, 2);
    await until('load', () => load.answered > 100);
    process.kill(chosen, 'SIGTERM');
    await until('it is gone', () => !workersOf(server.pid).includes(chosen));
    await until('another worker', () => workersOf(server.pid).length === 2);
    await load.stop();
    assert.deepEqual(load.failures, []);
  });

  await t.test('on SIGTERM all end, with status 0, and every line of the log is whole', async () => {
    await until('two serve', async () => (await metricOf(url, 'serving_processes')) === 2);
    const workers = workersOf(server.pid);
    server.signal('SIGTERM');
    const { status, stdout, stderr } = await server.finished;
    assert.equal(status, 0, stdout.slice(-500) + stderr);
    assert.match(stdout, /"reason":"SIGTERM"/);
    assert.deepEqual(
      workers.filter((pid) => existsSync(`/proc/${pid}`)),
      [],
    );
    await assert.rejects(connectTo(url).ask('/ping'), /ECONNREFUSED/);
    for (const line of stdout.split('\n')) {
      if (line.startsWith('{')) JSON.parse(line);
      else assert.match(line, /^(IronTrack|Documentation|Administrator|Password|$)/);
    }
  });
});

test('workers serve a Unix socket too, and a supervisor that is killed leaves none of them behind', async () => {
  const path = `${environment.DATA_DIR}/workers.sock`;
  const server = await startServer({ ...environment, SOCKET_PATH: path, TRUSTED_PROXIES: 'unix' });
  assert.equal(server.url, `unix:${path}`);
  const each = await connectToEach(server.url, 2);
  const workers = workersOf(server.pid);
  assert.equal(workers.length, 2);
  server.signal('SIGKILL');
  await server.finished;
  await until('both gone', () => workers.every((pid) => !existsSync(`/proc/${pid}`)));
  for (const connection of each) await assert.rejects(connection.ask('/ping'));
  await assert.rejects(connectTo(server.url).ask('/ping'), /ECONNREFUSED/);
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

test('what keeps the first worker from starting is said once, with its own exit status', async () => {
  const { url, pid, signal, finished } = await startServer({ ...environment, WORKERS: '1' });
  assert.deepEqual(workersOf(pid), [], 'one is a single process');
  const { status, stdout, stderr } = await runCommand(['serve'], { ...environment, PORT: new URL(url).port });
  assert.equal(status, 69, stdout + stderr);
  assert.equal(stderr.match(/is in use\. Stop the other program/g)?.length, 1, stderr);
  signal('SIGTERM');
  assert.equal((await finished).status, 0);
});
