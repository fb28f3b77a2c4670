/**
 * The service's endpoints as benchmarks for `npm run bench`: a real server with its own PostgreSQL, started on a free
 * port with the limits off, and one kept-alive connection. What is timed is a whole call, one after the other.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ServerUnderTest, startServer } from '../src/load/server-process.ts';
import type { Benchmark, BenchmarkContext } from '../src/micro/benchmark.ts';

const main = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url));
const json = { 'content-type': 'application/json' };
const password = 'Correct-Horse-7';
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

let folder: string | undefined;
let server: ServerUnderTest | undefined;
let port = 0;
let registered = 0;

export async function setUp({ environment, cwd, interrupted }: BenchmarkContext): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'irontrack-bench-'));
  port = await findFreePort();
  server = await startServer({
    command: `exec "${process.execPath}" "${main}" serve`,
    cores: null,
    url: new URL(`http://127.0.0.1:${port}/ping`),
    readyTimeoutS: 60,
    environment: {
      ...environment,
      HOST: '127.0.0.1',
      PORT: String(port),
      DATA_DIR: join(folder, 'data'),
      RATE_LIMIT: 'off',
      LOG_FORMAT: 'json',
      DATABASE_URL: '',
    },
    cwd,
    interrupted,
  });
  // A server that has just started compiles and connects; the first benchmark would pay for all.
  for (let call = 0; call < 300; call += 1) await send({ method: 'GET', path: '/health', expected: 200 });
}

export async function tearDown(): Promise<void> {
  agent.destroy();
  await server?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}

interface Call {
  method: string;
  path: string;
  /** The status that is right. */
  expected: number;
  token?: string;
  body?: object;
}

/** @returns the body. @throws for any other status than the right one: a fast refusal is no figure */
function send({ method, path, expected, token, body }: Call): Promise<string> {
  const headers = {
    ...(body === undefined ? {} : json),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === expected) resolve(text);
        else reject(new Error(`${method} ${path} answered ${response.statusCode}: ${text.slice(0, 200)}`));
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

interface Tokens {
  access: string;
  refresh: string;
}

function register(email: string): Promise<string> {
  return send({ method: 'POST', path: '/api/v1/auth/register', expected: 201, body: { email, password } });
}

async function login(email: string): Promise<Tokens> {
  const body = { email, password };
  return readTokens(await send({ method: 'POST', path: '/api/v1/auth/login', expected: 200, body }));
}

function readTokens(text: string): Tokens {
  const answer: unknown = JSON.parse(text);
  const read = (name: string) =>
    String(typeof answer === 'object' && answer !== null ? Reflect.get(answer, name) : '');
  return { access: read('access_token'), refresh: read('refresh_token') };
}

/** A GET that needs nobody. */
function publicCall(path: string): Benchmark {
  return { name: `GET ${path}`, run: () => send({ method: 'GET', path, expected: 200 }) };
}

/** A call of a user of its own with one session, so that no list grows with other benchmarks. */
function userCall(method: string, path: string, body?: object): Benchmark {
  const email = `${method}${path.replaceAll('/', '.')}@example.org`.toLowerCase();
  let token = '';
  return {
    name: `${method} ${path}`,
    async setUp() {
      await register(email);
      token = (await login(email)).access;
    },
    run: () => send({ method, path, expected: 200, token, ...(body === undefined ? {} : { body }) }),
  };
}

let rotating: Tokens = { access: '', refresh: '' };

export const benchmarks: readonly Benchmark[] = [
  publicCall('/health'),
  publicCall('/api/v1/openapi.json'),
  {
    name: 'POST /api/v1/auth/register',
    run() {
      registered += 1;
      return register(`athlete-${registered}@example.org`);
    },
  },
  {
    name: 'POST /api/v1/auth/login',
    setUp: () => register('login@example.org'),
    run: () => login('login@example.org'),
  },
  {
    name: 'POST /api/v1/auth/refresh',
    async setUp() {
      await register('refresh@example.org');
      rotating = await login('refresh@example.org');
    },
    async run() {
      const body = { refresh_token: rotating.refresh };
      const path = '/api/v1/auth/refresh';
      rotating = readTokens(await send({ method: 'POST', path, expected: 200, body }));
    },
  },
  userCall('GET', '/api/v1/sessions/me'),
  userCall('GET', '/api/v1/users/me'),
  userCall('PATCH', '/api/v1/users/me', { name: 'Ada Lovelace' }),
];

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const found = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(found));
    });
  });
}
