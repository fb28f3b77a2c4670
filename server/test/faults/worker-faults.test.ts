/** What can befall a worker or its supervisor beside a plain death. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import postgres from 'postgres';
import { compose, dial, parseAnswers, readToEnd } from '../attack/raw-client.ts';
import { createTestDatabase } from '../support/database.ts';
import { goodPassword, newEmail } from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { beginServer, makeFolder, startServer, toUrl } from './process.ts';
import { connectTo, connectToEach, startLoad, until, workersOf } from './worker-connections.ts';
import { enter, startNode } from './worker-node.ts';

const databaseUrl = toUrl(await createDatabaseProxy().reach(await createTestDatabase()));
/** Where connections are counted: a server that a failed test has left behind would count too. */
const countedUrl = toUrl(await createDatabaseProxy().reach(await createTestDatabase()));
const environment = {
  DATABASE_URL: databaseUrl,
  DATABASE_POOL_SIZE: '3',
  DATA_DIR: makeFolder(),
  WORKERS: '2',
};
const ping = (last: boolean) =>
  compose('GET', '/ping', [['host', 'localhost'], ...(last ? [['connection', 'close'] as const] : [])]);

test('a connection handed to a worker that has just died costs that connection alone', async () => {
  const { server, url, pid, bothServe, end } = await startNode(environment);
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
  const { server, pid, bothServe, end } = await startNode(environment);
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
  const { server, url, pid, end } = await startNode(environment);
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
  const { server, pid, bothServe, end } = await startNode(environment);
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
  const { server, url, pid, end } = await startNode(environment);
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

test('SIGHUP while it drains cuts no open request off', async () => {
  const { server, url } = await startNode(environment);
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
    DATABASE_URL: countedUrl,
    HASH_CONCURRENCY: '3',
    HASH_MAX_WAIT_MS: '60000',
    ARGON2_MEMORY_KIB: '65536',
    ARGON2_PASSES: '4',
    RATE_LIMIT: 'off',
  });
  const each = await connectToEach(server.url, 2);
  const watcher = each[0];
  const sql = postgres(countedUrl, { max: 1, fetch_types: false });
  const listConnections = () => sql`
    select pid, backend_start, state, query from pg_stat_activity
    where datname = current_database() and application_name = 'irontrack'`;
  // What a start asks it asks on connections of its own, whose processes take a moment to end.
  const hasSettled = async () => (await listConnections()).length <= 2 * (3 + 1);
  await until('only pools and listeners are connected', hasSettled);
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
  while (open > 0) {
    const { body } = (await watcher?.ask('/metrics')) ?? {};
    seen.push(Number(/^password_hash_running (\d+)$/m.exec(String(body))?.[1]));
    const connections = await listConnections();
    assert.ok(connections.length <= 2 * (3 + 2), JSON.stringify(connections, undefined, 1));
  }
  await sql.end();
  assert.deepEqual(new Set(await Promise.all(asked)), new Set([201]));
  assert.equal(Math.max(...seen), 3, seen.join(' '));
  for (const connection of each) connection.close();
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0);
});
