/** The real service on a real socket and a real PostgreSQL, in the process of the test. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import postgres from 'postgres';
import { createService, type Service } from '../../src/app.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { createSigningKey } from '../../src/crypto/signing-key.ts';
import type { DatabaseAddress } from '../../src/database/client.ts';
import type { DatabaseConnection } from '../../src/database/embedded.ts';
import { findDatabaseRoute } from '../../src/database/route.ts';
import type { Lifecycle } from '../../src/system/system.ts';
import { openTelemetry } from '../../src/telemetry/telemetry.ts';
import { startContractService } from '../topology/contract-service.ts';
import { createTestDatabase } from './database.ts';
import { isAround, reachThroughTopology } from './topology.ts';

/** A clock that can be moved ahead. */
interface TestClock {
  now(): Date;
  advance(milliseconds: number): void;
}

export interface TestService {
  /** Such as http://127.0.0.1:43210. */
  url: string;
  /** The database, for looking at what is really stored. */
  sql: postgres.Sql;
  clock: TestClock;
  config: Config;
  service: Service;
  lifecycle: Lifecycle;
  close(): Promise<void>;
}

interface TestServiceOptions {
  /** Beside these: cheap hashes, no limits, a silent log. */
  environment?: Readonly<Record<string, string>>;
  /** Another way to the database than straight: through a proxy that misbehaves, say. */
  reachDatabase?: (address: DatabaseAddress) => Promise<DatabaseAddress>;
  /** Migrated; one of its own when absent. */
  database?: DatabaseConnection;
  /** Reads lists there. */
  replica?: DatabaseAddress;
  /** Shares the database of another service: two nodes. */
  beside?: TestService & { address?: DatabaseAddress };
}

const addresses = new WeakMap<TestService, DatabaseConnection>();

/** Starts a service; it is closed after the tests of the file if not before. */
export async function startTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const shared = options.beside === undefined ? undefined : addresses.get(options.beside);
  if (isAround('nginx')) return await startThroughTopology(options, shared);
  const straight = shared ?? options.database ?? (await createTestDatabase());
  const way =
    options.reachDatabase === undefined
      ? await reachThroughTopology(straight)
      : { address: await options.reachDatabase(straight), close: async () => undefined };
  const { address } = way;
  const config = readConfig(
    {
      PORT: '0',
      RATE_LIMIT: 'off',
      LOG_LEVEL: 'silent',
      ARGON2_MEMORY_KIB: '64',
      ARGON2_PASSES: '1',
      DATABASE_POOL_SIZE: '5',
      ...options.environment,
    },
    false,
  );
  let aheadMs = 0;
  const clock: TestClock = {
    now: () => new Date(Date.now() + aheadMs),
    advance: (milliseconds) => {
      aheadMs += milliseconds;
    },
  };
  const lifecycle: Lifecycle = { state: 'starting' };
  const telemetry = await openTelemetry({ level: config.log.level, format: 'json', fd: 2 });
  const key = createSigningKey(randomBytes(32));
  const prepares = address === straight || (await findDatabaseRoute(address)).keepsPrepared;
  const service = await createService({
    config,
    database: {
      address,
      directAddress: straight,
      prepares,
      replica:
        options.replica === undefined ? undefined : { address: options.replica, poolSize: 5, prepares: true },
    },
    telemetry,
    loadSigningKey: async () => key,
    lifecycle,
    clock: clock.now,
    randomBytes,
  });
  await service.open();
  const url = await service.app.listen({ host: '127.0.0.1', port: 0 });
  lifecycle.state = 'serving';
  const sql =
    typeof straight === 'string'
      ? postgres(straight, { max: 2, fetch_types: false })
      : postgres({ ...straight, max: 2, fetch_types: false });

  let isClosed = false;
  const testService: TestService = {
    url,
    sql,
    clock,
    config,
    service,
    lifecycle,
    async close() {
      if (isClosed) return;
      isClosed = true;
      await service.close();
      await way.close();
      await sql.end({ timeout: 1 });
      await telemetry.close();
    },
  };
  addresses.set(testService, straight);
  after(() => testService.close());
  return testService;
}

/** The same service as nodes of their own behind nginx: npm run test:topology. */
async function startThroughTopology(
  { environment, reachDatabase }: TestServiceOptions,
  shared: DatabaseConnection | undefined,
): Promise<TestService> {
  assert.equal(reachDatabase, undefined, 'the nodes go to their database through their own pooler');
  const database = shared ?? (await createTestDatabase());
  const testService = await startContractService(database, environment);
  addresses.set(testService, database);
  return testService;
}

/** A password that meets the rules. */
export const goodPassword = 'Correct-Horse-7';

let serial = 0;

/** An e-mail that nobody in this run has. */
export function newEmail(): string {
  serial += 1;
  return `person-${serial}-${randomBytes(4).toString('hex')}@example.org`;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed when it is JSON, else the text. */
  body: unknown;
}

export interface Request {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as a form. */
  form?: Record<string, string>;
  /** Sent as it is. */
  raw?: string | Uint8Array;
  bearer?: string;
  cookies?: Record<string, string>;
}

/** Sends one request, with no cookie jar and no redirects. */
export async function call(
  service: Pick<TestService, 'url'>,
  path: string,
  request: Request = {},
): Promise<Answer> {
  const headers = new Headers(request.headers);
  let body: string | Uint8Array | undefined = request.raw;
  if (request.json !== undefined) {
    headers.set('content-type', 'application/json');
    body = JSON.stringify(request.json);
  }
  if (request.form !== undefined) {
    headers.set('content-type', 'application/x-www-form-urlencoded');
    body = new URLSearchParams(request.form).toString();
  }
  if (request.bearer !== undefined) headers.set('authorization', `Bearer ${request.bearer}`);
  if (request.cookies !== undefined) {
    const pairs = Object.entries(request.cookies).map(([name, value]) => `${name}=${value}`);
    headers.set('cookie', pairs.join('; '));
  }
  const response = await fetch(new URL(path, service.url), {
    method: request.method ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    redirect: 'manual',
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== '' ? JSON.parse(text) : text,
  };
}

/** The cookies an answer sets, by name; a cleared one is an empty string. */
export function cookiesOf(answer: Answer): Record<string, string> {
  const pairs = answer.headers.getSetCookie().map((line) => line.split(';', 1)[0]?.split('=') ?? []);
  return Object.fromEntries(pairs.map(([name = '', value = '']) => [name, value]));
}

/** Reads a member of a body that should be an object. */
export function member(body: unknown, name: string): unknown {
  assert.ok(
    typeof body === 'object' && body !== null && name in body,
    `no ${name} in ${JSON.stringify(body)}`,
  );
  return Reflect.get(body, name);
}

export function textMember(body: unknown, name: string): string {
  const value = member(body, name);
  assert.equal(typeof value, 'string');
  return String(value);
}

export interface Person {
  id: string;
  email: string;
  password: string;
}

export interface SignedIn extends Person {
  accessToken: string;
  refreshToken: string;
  cookies: { access_token: string; refresh_token: string };
}

export async function signUp(service: TestService, email = newEmail()): Promise<Person> {
  const answer = await call(service, '/api/v1/auth/register', { json: { email, password: goodPassword } });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return { id: textMember(answer.body, 'id'), email, password: goodPassword };
}

/** Starts a session. The tokens work in cookies and in the token flow alike. */
export async function signIn(service: TestService, person: Person): Promise<SignedIn> {
  const { email, password } = person;
  const answer = await call(service, '/api/v1/auth/login', { json: { email, password } });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const accessToken = textMember(answer.body, 'access_token');
  const refreshToken = textMember(answer.body, 'refresh_token');
  return {
    ...person,
    accessToken,
    refreshToken,
    cookies: { access_token: accessToken, refresh_token: refreshToken },
  };
}

/** Signs somebody up and in. */
export async function enter(service: TestService): Promise<SignedIn> {
  return await signIn(service, await signUp(service));
}

/** A signed-in superuser who is not the primary administrator. */
export async function enterAsSuperuser(service: TestService): Promise<SignedIn> {
  const person = await signUp(service);
  await service.sql`update users set role_slug = 'superuser' where id = ${person.id}`;
  return await signIn(service, person);
}
