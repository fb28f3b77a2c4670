import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { createTestDatabase } from '../support/database.ts';
import { goodPassword, newEmail } from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { type Environment, makeFolder, runCommand, toUrl } from './process.ts';

const folder = makeFolder();
const socketPath = `${folder}/irontrack.sock`;
const database = await createTestDatabase();
const sql = postgres({ ...database, max: 1, fetch_types: false });
after(() => sql.end({ timeout: 1 }));
const environment: Environment = {
  PATH: process.env.PATH ?? '',
  HOME: process.env.HOME ?? '',
  ARGON2_MEMORY_KIB: '64',
  ARGON2_PASSES: '1',
  // The database of the tests has a Unix socket alone, which a URL cannot name.
  DATABASE_URL: toUrl(await createDatabaseProxy().reach(database)),
  DATA_DIR: folder,
  SOCKET_PATH: socketPath,
};

const command = fileURLToPath(new URL('../../bin/irontrack.mjs', import.meta.url));
const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill('SIGKILL');
});

interface SocketServer {
  output(): string;
  /** @returns the exit status, null when the signal ended it */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts `serve` and waits until it says where it serves. */
async function startOnSocket(more: Environment = {}): Promise<SocketServer> {
  const child = spawn(process.execPath, [command, 'serve'], {
    env: { ...environment, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const exited = once(child, 'exit');
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      written += text;
    });
  }
  const deadline = performance.now() + 60_000;
  while (!written.includes('Documentation:')) {
    assert.equal(child.exitCode, null, `It ended instead of serving: ${written}`);
    assert.ok(performance.now() < deadline, `It does not serve: ${written}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    output: () => written,
    async end(signal) {
      child.kill(signal);
      await exited;
      running.delete(child);
      return child.exitCode;
    },
  };
}

/** Sends one request over the socket, on a connection of its own. */
async function send(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  json?: object,
): Promise<{ status: number | undefined; body: string }> {
  const body = json === undefined ? undefined : JSON.stringify(json);
  const outgoing = request({
    socketPath,
    path,
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    agent: false,
  });
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; body: string }>();
  outgoing.on('error', reject);
  outgoing.on('response', (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('error', reject);
    response.on('end', () => resolve({ status: response.statusCode, body: text }));
  });
  outgoing.end(body);
  return await promise;
}

/** Signs somebody up and returns the address that the audit trail has for it. */
async function addressInTrail(headers: Record<string, string>): Promise<unknown> {
  const email = newEmail();
  const answer = await send('POST', '/api/v1/auth/register', headers, { email, password: goodPassword });
  assert.equal(answer.status, 201, answer.body);
  const rows = await sql`
    select ip_address as address from audit_entries
    where action = 'user.created' and details->>'email' = ${email}`;
  assert.equal(rows.length, 1);
  return rows[0]?.address;
}

const forwarded = (value: string) => ({ 'x-forwarded-for': value });
let server: SocketServer;

test('with SOCKET_PATH the server answers on that Unix socket and says so', async () => {
  server = await startOnSocket({ TRUSTED_PROXIES: '10.0.0.0/8' });
  assert.ok(server.output().includes(`IronTrack serves on unix:${socketPath}`), server.output());
  assert.ok(statSync(socketPath).isSocket());
  assert.deepEqual(await send('GET', '/ping'), { status: 200, body: 'OK' });
});

test('on a Unix socket that TRUSTED_PROXIES does not name, X-Forwarded-For counts for nothing', async () => {
  assert.equal(await addressInTrail({}), null);
  assert.equal(await addressInTrail(forwarded('203.0.113.9')), null);
});

test('a second server on the socket of a live one is refused, and the first goes on', async () => {
  const { status, stdout, stderr } = await runCommand(['serve'], environment);
  assert.equal(status, 69, stdout + stderr);
  assert.ok(stderr.includes(socketPath), stderr);
  assert.match(stderr, /Stop .* SOCKET_PATH/);
  assert.deepEqual(await send('GET', '/ping'), { status: 200, body: 'OK' });
});

test('the socket of a killed server does not stop the next start', async () => {
  assert.equal(await server.end('SIGKILL'), null);
  assert.ok(statSync(socketPath).isSocket(), 'it was left behind');
  await assert.rejects(send('GET', '/ping'));
  server = await startOnSocket({ TRUSTED_PROXIES: 'unix' });
  assert.deepEqual(await send('GET', '/ping'), { status: 200, body: 'OK' });
});

test('with TRUSTED_PROXIES=unix the audit trail shows the address that the proxy saw', async () => {
  assert.equal(await addressInTrail(forwarded('203.0.113.9')), '203.0.113.9');
  assert.equal(await addressInTrail(forwarded('2001:db8::7')), '2001:db8::7');
  const spoofed = forwarded('198.51.100.1, 203.0.113.9');
  assert.equal(await addressInTrail(spoofed), '203.0.113.9', 'not what the client said before the proxy');
  assert.equal(await addressInTrail({}), null);
});

test('ended with SIGTERM the server takes its socket with it', async () => {
  assert.equal(await server.end('SIGTERM'), 0);
  assert.ok(!existsSync(socketPath));
});

test('a file that is no socket is left alone, and the server says what is in its way', async () => {
  writeFileSync(socketPath, 'somebody needs this');
  const { status, stderr } = await runCommand(['serve'], environment);
  assert.equal(status, 69, stderr);
  assert.ok(stderr.includes(socketPath), stderr);
  assert.equal(readFileSync(socketPath, 'utf8'), 'somebody needs this');
});
