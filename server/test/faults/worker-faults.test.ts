/** What can befall a worker or its supervisor beside a plain death. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import postgres from 'postgres';
import { compose, dial, parseAnswers, readToEnd } from '../attack/raw-client.ts';
import { createTestDatabase } from '../support/database.ts';
import { goodPassword, newEmail, textMember } from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { beginServer, makeFolder, startServer, toUrl } from './process.ts';
import {
  type Connection,
  connectTo,
  connectToEach,
  metricOf,
  startLoad,
  until,
  workersOf,
} from './worker-connections.ts';

const databaseUrl = toUrl(await createDatabaseProxy().reach(await createTestDatabase()));
const environment = {
  DATABASE_URL: databaseUrl,
  DATABASE_POOL_SIZE: '3',
  DATA_DIR: makeFolder(),
  WORKERS: '2',
};
const ping = (last: boolean) =>
  compose('GET', '/ping', [['host', 'localhost'], ...(last ? [['connection', 'close'] as const] : [])]);

/** A node of two workers, and what every test asks of it. */
async function startNode() {
  const server = await startServer(environment);
  const { url, pid } = server;
  const bothServe = () =>
    until('two serve', async () => {
      if (workersOf(pid).length !== 2) return false;
      // Nobody may be there to ask.
      return (await metricOf(url, 'serving_processes').catch(() => 0)) === 2;
    });
  const end = async () => {
    server.signal('SIGTERM');
    const { status, stdout, stderr } = await server.finished;
    assert.equal(status, 0, stdout.slice(-1_000) + stderr);
  };
  return { server, url, pid, bothServe, end };
}

test('a connection handed to a worker that has just died costs that connection alone', async () => {
  const { server, url, pid, bothServe, end } = await startNode();
  const [victim = 0] = workersOf(pid);
  // Connections first, the death after them: the supervisor meets both at once, in this order.
  server.signal('SIGSTOP');
  const sockets = await Promise.all(Array.from({ length: 6 }, () => dial(url)));
  const reading = sockets.map((socket) => readToEnd(socket, 60_000));
  for (const socket of sockets) socket.write(ping(true));
  process.kill(victim, 'SIGKILL');
  await pause(300);
  server.signal('SIGCONT');
  const answered = (await Promise.all(reading)).filter((bytes) => parseAnswers(bytes)[0]?.status === 200);
  assert.ok(answered.length >= 5, `${answered.length} of 6 answered; ${server.output().slice(-2_000)}`);
  await bothServe();
  await end();
});

test('a worker that cannot be made, as there are no descriptors, is made when there are', async () => {
  const { server, pid, bothServe, end } = await startNode();
  const limit = (soft: string) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
  limit('8');
  const [victim = 0] = workersOf(pid);
  process.kill(victim, 'SIGKILL');
  await until('it says so', () => /Worker \d could not be made \(.*EMFILE/.test(server.output()));
  limit('1024');
  await bothServe();
  await end();
});

test('asked twice it replaces the workers twice, and no write fails', async () => {
  const { server, url, pid, end } = await startNode();
  const replaced = () => server.output().split('Every worker was replaced.').length - 1;
  const { bearer } = await enter(connectTo(url));
  const json = { name: 'Somebody' };
  const load = startLoad(url, '/api/v1/users/me', 4, 2, { method: 'PATCH', json, bearer });
  await until('load', () => load.answered > 50);
  server.signal('SIGHUP');
  await until('the first has a successor', () => workersOf(pid).length === 3);
  server.signal('SIGHUP');
  await until('both times', () => replaced() === 2, 120_000);
  await load.stop();
  assert.deepEqual(load.failures, [], `of ${load.answered}`);
  await end();
});

test('asked while a worker is dying it goes on until they serve again', async () => {
  const { server, pid, bothServe, end } = await startNode();
  // One of them: with nobody left the port is given up, and port 0 would be another one afterwards.
  process.kill(workersOf(pid)[0] ?? 0, 'SIGKILL');
  server.signal('SIGHUP');
  await bothServe();
  const said = () => [...server.output().matchAll(/Every worker was replaced|is given up/g)].length;
  await until('it is done with that', () => said() === 1, 120_000);
  await bothServe();
  await end();
});

test('new files whose migrations the database lacks replace no worker', async () => {
  const { server, url, pid, end } = await startNode();
  const before = workersOf(pid);
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false });
  const [row] = await sql`
    delete from schema_migrations where version = (select max(version) from schema_migrations)
    returning version, checksum`;
  try {
    server.signal('SIGHUP');
    const said = new RegExp(
      `The database lacks ${row?.version}, which these files need.*the rolling restart is given up`,
    );
    await until('given up', () => said.test(server.output()));
    assert.deepEqual(workersOf(pid), before);
    const each = await connectToEach(url, 2);
    for (const connection of each) {
      assert.equal((await connection.ask('/ping')).status, 200);
      connection.close();
    }
  } finally {
    await sql`insert into schema_migrations ${sql({ version: row?.version, checksum: row?.checksum })}`;
    await sql.end();
  }
  await end();
});

test('a worker that hangs holds up the others once, and is replaced', async () => {
  const { server, url, pid, bothServe, end } = await startNode();
  const each = await connectToEach(url, 2);
  const restarts = await metricOf(url, 'worker_restarts_total');
  const [hanging = 0] = workersOf(pid);
  process.kill(hanging, 'SIGSTOP');
  // The other's answer never comes: it is reset when that worker is killed.
  const alive = await Promise.any(
    each.map(async (connection) => {
      await connection.ask('/ping');
      return connection;
    }),
  );
  const beganAt = performance.now();
  await changeName(alive, 20);
  const tookMs = performance.now() - beganAt;
  assert.ok(tookMs < 15_000, `20 changes took ${Math.round(tookMs)} ms: each waits for the one that hangs`);
  await until('it is killed', () => server.output().includes('it hangs, and is killed'));
  await until('it is gone', () => !existsSync(`/proc/${hanging}`));
  await bothServe();
  const said = server
    .output()
    .split('\n')
    .filter((line) => line.includes(`"pid":${hanging},`));
  assert.equal(said.length, 2, said.join('\n'));
  assert.match(said[0] ?? '', /"silentMs":20000.*Worker \d has not answered for 20 s/);
  assert.match(said[1] ?? '', /was killed by SIGKILL\. It is started again\./);
  assert.equal(await metricOf(url, 'worker_restarts_total'), restarts + 1);
  for (const connection of each) connection.close();
  await end();
});

test('SIGHUP while it drains cuts no open request off', async () => {
  const { server, url } = await startNode();
  const socket = await dial(url);
  const reading = readToEnd(socket, 60_000);
  const body = Buffer.from(JSON.stringify({ refresh_token: 'none of ours' }));
  const head = [
    ['host', 'localhost'],
    ['content-type', 'application/json'],
    ['content-length', String(body.length)],
  ] as const;
  socket.write(compose('POST', '/api/v1/auth/refresh', head, body.subarray(0, 1)));
  await pause(500);
  server.signal('SIGTERM');
  // A second SIGTERM this late would end it at once.
  await pause(1_500);
  server.signal('SIGHUP');
  await pause(300);
  socket.write(body.subarray(1));
  assert.equal(parseAnswers(await reading)[0]?.status, 401);
  const { status, stdout, stderr } = await server.finished;
  assert.equal(status, 0, stdout.slice(-1_000) + stderr);
});

async function enter(connection: Connection): Promise<{ bearer: string }> {
  const person = { email: newEmail(), password: goodPassword };
  assert.equal((await connection.ask('/api/v1/auth/register', { json: person })).status, 201);
  const { body } = await connection.ask('/api/v1/auth/login', { json: person });
  return { bearer: textMember(body, 'access_token') };
}

async function changeName(connection: Connection, times: number): Promise<void> {
  const { bearer } = await enter(connection);
  for (let count = 0; count < times; count += 1) {
    const json = { name: `Name ${count}` };
    const changed = await connection.ask('/api/v1/users/me', { method: 'PATCH', json, bearer });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
  }
}

/** Of a start, in order, on a machine of any speed. */
const moments: Readonly<Record<string, (server: Started) => boolean>> = {
  'when it has just begun to listen to signals': ({ pid }) => catchesHangUp(pid),
  'when there is a worker that does not serve yet': ({ pid }) => workersOf(pid).length > 0,
  'when the other workers are being started': ({ pid }) => workersOf(pid).length === 3,
  'when it serves': ({ output }) => output().includes('IronTrack serves on'),
};

type Started = ReturnType<typeof beginServer>;

for (const [name, isNow] of Object.entries(moments)) {
  test(`SIGTERM ${name} ends a start with status 0 and leaves no worker behind`, async () => {
    const server = beginServer({ ...environment, WORKERS: '3' });
    await until(name, () => isNow(server));
    const workers = workersOf(server.pid);
    server.signal('SIGTERM');
    const { status, stdout, stderr } = await server.finished;
    assert.equal(status, 0, stdout + stderr);
    assert.equal(stderr, '');
    assert.deepEqual(
      workers.filter((pid) => existsSync(`/proc/${pid}`)),
      [],
    );
  });
}

/** Node itself catches SIGTERM from its first moment; SIGHUP is ours, and caught together with it. */
function catchesHangUp(pid: number): boolean {
  const mask = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (BigInt(`0x${mask ?? '0'}`) & 1n) === 1n;
}

test('when every worker has all the connections it may have, one more is closed and the others go on', async () => {
  const server = await startServer({ ...environment, MAX_CONNECTIONS: '3' });
  const kept = Array.from({ length: 6 }, () => connectTo(server.url));
  const workers = new Set<string>();
  for (const connection of kept) workers.add((await connection.ask('/ping')).worker);
  assert.equal(workers.size, 2);
  for (let tries = 0; tries < 4; tries += 1) {
    const beyond = connectTo(server.url);
    await assert.rejects(beyond.ask('/ping'), /ECONNRESET|EPIPE|socket hang up/);
    beyond.close();
  }
  const [first] = kept;
  const { body } = (await first?.ask('/metrics')) ?? {};
  assert.match(String(body), /^http_connections_dropped_total 4$/m);
  for (const connection of kept) connection.close();
  const later = connectTo(server.url);
  await until('there is room again', () =>
    later.ask('/ping').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  later.close();
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0);
});

test('workers together hash as many passwords as HASH_CONCURRENCY says, on workers x (pool + 2) connections', async () => {
  const server = await startServer({
    ...environment,
    HASH_CONCURRENCY: '3',
    HASH_MAX_WAIT_MS: '60000',
    ARGON2_MEMORY_KIB: '65536',
    ARGON2_PASSES: '4',
    RATE_LIMIT: 'off',
  });
  const each = await connectToEach(server.url, 2);
  const watcher = each[0];
  let open = 0;
  // Connections go to the workers in turn, so each has eight: more than it may hash at once.
  const asked = Array.from({ length: 16 }, async () => {
    const connection = connectTo(server.url);
    open += 1;
    const json = { email: newEmail(), password: goodPassword };
    const { status } = await connection.ask('/api/v1/auth/register', { json });
    open -= 1;
    connection.close();
    return status;
  });
  const seen: number[] = [];
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false });
  while (open > 0) {
    const { body } = (await watcher?.ask('/metrics')) ?? {};
    seen.push(Number(/^password_hash_running (\d+)$/m.exec(String(body))?.[1]));
    const [row] = await sql<{ count: number }[]>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and application_name = 'irontrack'`;
    assert.ok(Number(row?.count) <= 2 * (3 + 2), `${row?.count} connections`);
  }
  await sql.end();
  assert.deepEqual(new Set(await Promise.all(asked)), new Set([201]));
  assert.equal(Math.max(...seen), 3, seen.join(' '));
  for (const connection of each) connection.close();
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0);
});
