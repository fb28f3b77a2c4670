/** The environment, read once, as one frozen and typed value. All faults are reported together. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import {
  databaseUrl,
  email,
  type FieldReader,
  flag,
  integer,
  lifetime,
  oneOf,
  optional,
  origins,
  password,
  proxies,
  text,
  valkeyUrl,
  webAddress,
} from './config-fields.ts';
import { exitStatus, StartupError } from './startup-error.ts';

/** One row a variable: how it is read, what it is without being set, and what it means (docs/configuration.md). */
export const settings = {
  HOST: setting(text(), '127.0.0.1', 'Address to listen on.'),
  PORT: setting(integer(0, 65_535), '8000', 'Port to listen on; 0 picks a free one and prints it.'),
  SOCKET_PATH: setting(optional(text()), '', 'Listen on this Unix domain socket instead.'),
  DATABASE_URL: setting(
    optional(databaseUrl()),
    '',
    'PostgreSQL 15 or later, such as postgres://name:password@host/database. Unset: the embedded PostgreSQL.',
  ),
  DATABASE_DIRECT_URL: setting(
    optional(databaseUrl()),
    '',
    'The same database past a pooler, for LISTEN and migrations. Unset: DATABASE_URL.',
  ),
  DATABASE_REPLICA_URL: setting(
    optional(databaseUrl()),
    '',
    'A streaming replica of the same database, for lists and inbox pages. Unset: they are read where everything is.',
  ),
  DATABASE_POOL_SIZE: setting(integer(1, 1000), '10', 'Database connections of each worker at most.'),
  DATABASE_QUEUE: setting(
    integer(1, 1_000_000),
    '1000',
    'Callers that may wait for a connection of the pool. One more gets 503 with Retry-After at once.',
  ),
  DATABASE_MAX_WAIT_MS: setting(
    integer(1, 60_000),
    '10000',
    'Who has waited this long for a connection of the pool gets 503 with Retry-After.',
  ),
  MAX_EVENT_LOOP_DELAY_MS: setting(
    integer(0, 60_000),
    '1000',
    'From half of this delay of the event loop on, costly requests get 503 with Retry-After. 0: never.',
  ),
  MAX_CONNECTIONS: setting(
    integer(1, 1_000_000),
    '10000',
    'Client connections of each worker at most. One more is closed as it is opened.',
  ),
  VALKEY_URL: setting(
    optional(valkeyUrl()),
    '',
    'Valkey, or Redis 6.2 or later, shared by several nodes: redis://, rediss:// or unix://. Unset: each for itself.',
  ),
  DATABASE_PREPARED_STATEMENTS: setting(
    oneOf('auto', 'on', 'off'),
    'auto',
    'Keep statements prepared on the connections of DATABASE_URL. auto finds out whether a pooler lets them through.',
  ),
  DATA_DIR: setting(text(), './.irontrack', 'Folder of the embedded database and of the keys.'),
  WORKERS: setting(integer(1, 64), '1', 'Serving processes on the one address.'),
  HASH_CONCURRENCY: setting(
    integer(1, 64),
    String(Math.min(availableParallelism(), 4)),
    'Password hashes computed at once, by all workers. Default: the number of cores, at most 4.',
  ),
  HASH_MAX_WAIT_MS: setting(
    integer(0, 60_000),
    '5000',
    'A sign-in that would wait longer than this for its turn gets 503 with Retry-After at once.',
  ),
  ARGON2_MEMORY_KIB: setting(integer(8, 4_194_304), '65536', 'Argon2id memory, KiB.'),
  ARGON2_PASSES: setting(integer(1, 100), '3', 'Argon2id passes over the memory.'),
  ARGON2_PARALLELISM: setting(integer(1, 16), '1', 'Argon2id lanes.'),
  ACCESS_TOKEN_TTL: setting(lifetime('1s', '1d'), '30m', 'Lifetime of an access token: 90s, 30m, 12h, 7d.'),
  REFRESH_TOKEN_TTL: setting(
    lifetime('1s', '365d'),
    '30d',
    'A session ends when it was not refreshed for this long.',
  ),
  SESSION_MAX_TTL: setting(lifetime('1s', '3650d'), '365d', 'A session ends at this age, however busy.'),
  AUDIT_RETENTION: setting(lifetime('1d', '3650d'), '365d', 'Audit entries are deleted at this age.'),
  TOKEN_ISSUER: setting(text(), 'irontrack', '`iss` of the access tokens.'),
  TOKEN_AUDIENCE: setting(text(), 'irontrack', '`aud` of the access tokens.'),
  SIGNING_KEY: setting(
    optional(text()),
    '',
    'Ed25519 private key as a JWK. Unset: made at the first start and kept in DATA_DIR with mode 0600.',
  ),
  COOKIE_SECURE: setting(
    optional(flag()),
    '',
    'Cookies only over HTTPS. Default: on unless HOST is a loopback address. off on a public address is refused.',
  ),
  COOKIE_PREFIX: setting(
    optional(flag()),
    '',
    'The __Host- and __Secure- cookie names. Default: on with secure cookies.',
  ),
  TRUSTED_PROXIES: setting(
    proxies(),
    '',
    'Addresses or CIDR ranges, separated by commas, whose X-Forwarded-For counts; `unix` for a Unix socket.',
  ),
  CORS_ORIGINS: setting(origins(), '', 'Origins, separated by commas, that may call with credentials.'),
  CDN_URL: setting(
    optional(webAddress()),
    '',
    'Goes before the image paths of exercises, such as https://cdn.example.org/images.',
  ),
  RATE_LIMIT: setting(
    flag(),
    'on',
    'Limits on sign-in, sign-up, refresh and new API keys. off is for load tests.',
  ),
  KEY_SIGNUP: setting(
    optional(oneOf('open', 'admin')),
    '',
    'Who may have an API key made: anybody, or superusers. Default: open when HOST is a loopback address.',
  ),
  EVENT_RETENTION: setting(
    lifetime('1d', '3650d'),
    '30d',
    'Events and delivery attempts are deleted at this age, a day at a time.',
  ),
  INGEST_STATUS: setting(
    oneOf('201', '202'),
    '201',
    'Status of a stored event. 202 is for clients that count only that as success; the event is stored all the same.',
  ),
  INGEST_BATCH: setting(integer(1, 1000), '128', 'Events stored by one statement at most.'),
  INGEST_FLUSHERS: setting(
    integer(1, 64),
    '3',
    'Statements that store events at once. Each takes a connection of the pool.',
  ),
  INGEST_QUEUE: setting(
    integer(1, 1_000_000),
    '10000',
    'Events held in memory at most, until they are stored. One more gets 503 with Retry-After.',
  ),
  WEBHOOK_WORKER: setting(
    flag(),
    'on',
    'Deliver webhooks in the serving process. off where irontrack worker does it.',
  ),
  WORKER_METRICS_PORT: setting(
    optional(integer(0, 65_535)),
    '',
    'irontrack worker answers /metrics and /health there, at HOST; 0 picks a free port. Unset: nowhere.',
  ),
  WEBHOOK_CONCURRENCY: setting(integer(1, 4096), '256', 'Deliveries that a process makes at once.'),
  WEBHOOK_ALLOW_PRIVATE: setting(
    flag(),
    'off',
    'Deliver to addresses of this machine and of private networks too. For development.',
  ),
  ADMIN_EMAIL: setting(
    email(),
    'admin@irontrack.local',
    'E-mail of the primary administrator at the first start.',
  ),
  ADMIN_PASSWORD: setting(
    optional(password()),
    '',
    'Password of the primary administrator at the first start. Unset: one is made and printed once.',
  ),
  LOG_LEVEL: setting(
    oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    'info',
    'What is logged. The line of each request is info.',
  ),
  LOG_FORMAT: setting(
    optional(oneOf('json', 'pretty')),
    '',
    'json or pretty. Default: pretty on a terminal, else json.',
  ),
} as const;

interface Setting<Value> {
  read: FieldReader<Value>;
  fallback: string;
  meaning: string;
}

function setting<Value>(read: FieldReader<Value>, fallback: string, meaning: string): Setting<Value> {
  return { read, fallback, meaning };
}

type Values = {
  [Name in keyof typeof settings]: (typeof settings)[Name] extends Setting<infer Value> ? Value : never;
};

export type Config = ReturnType<typeof arrange>;

/**
 * Reads the environment.
 *
 * @param environment variables by name, such as `process.env`; an empty value counts as unset
 * @param isTerminal whether standard output is one
 * @throws StartupError with status 78 that names every variable that is wrong, each with what it should be
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): Config {
  const { values, faults } = readValues(environment);
  faults.push(...findContradictions(values));
  if (!areAllRead(values) || faults.length > 0) {
    const list = faults.map((fault) => `  ${fault}`).join('\n');
    throw new StartupError(exitStatus.badConfiguration, `The configuration is not usable:\n${list}`);
  }
  return arrange(values, isTerminal);
}

/** @returns the values that could be read, and a fault for each that could not */
function readValues(environment: Readonly<Record<string, string | undefined>>): {
  values: Partial<Values>;
  faults: string[];
} {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, { read, fallback }] of Object.entries(settings)) {
    const given = environment[name];
    const outcome = read(given === undefined || given === '' ? fallback : given);
    if ('fault' in outcome) faults.push(`${name} ${outcome.fault}`);
    else values[name] = outcome.value;
  }
  // parser: each value was read by the reader that its row names.
  return { values: values as Partial<Values>, faults };
}

function areAllRead(values: Partial<Values>): values is Values {
  return Object.keys(settings).every((name) => name in values);
}

/** A value that could not be read is absent, which is not the same as one that is not set. */
function areRead<Name extends keyof Values>(
  values: Partial<Values>,
  names: readonly Name[],
): values is Partial<Values> & Pick<Values, Name> {
  return names.every((name) => name in values);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Each value may be fine on its own and wrong beside another. Of a pair, both must have been readable. */
function findContradictions(values: Partial<Values>): string[] {
  const faults: string[] = [];
  if (areRead(values, ['COOKIE_SECURE', 'HOST', 'SOCKET_PATH'])) {
    const local = values.SOCKET_PATH !== undefined || isLoopback(values.HOST);
    if (values.COOKIE_SECURE === false && !local) {
      faults.push(
        `COOKIE_SECURE must not be off while HOST is ${values.HOST}: sessions would cross the network in clear. ` +
          'Leave it on and put TLS in front, or listen on 127.0.0.1.',
      );
    }
  }
  if (values.COOKIE_PREFIX === true && values.COOKIE_SECURE === false) {
    faults.push('COOKIE_PREFIX must not be on while COOKIE_SECURE is off: browsers drop such cookies.');
  }
  if (
    areRead(values, ['ARGON2_MEMORY_KIB', 'ARGON2_PARALLELISM']) &&
    values.ARGON2_MEMORY_KIB < 8 * values.ARGON2_PARALLELISM
  ) {
    faults.push('ARGON2_MEMORY_KIB must be at least 8 times ARGON2_PARALLELISM (RFC 9106).');
  }
  if (
    areRead(values, ['REFRESH_TOKEN_TTL', 'ACCESS_TOKEN_TTL']) &&
    values.REFRESH_TOKEN_TTL < values.ACCESS_TOKEN_TTL
  ) {
    faults.push('REFRESH_TOKEN_TTL must not be shorter than ACCESS_TOKEN_TTL.');
  }
  if (
    areRead(values, ['DATABASE_URL', 'DATABASE_DIRECT_URL']) &&
    values.DATABASE_DIRECT_URL !== undefined &&
    values.DATABASE_URL === undefined
  ) {
    faults.push('DATABASE_DIRECT_URL is of use only beside DATABASE_URL.');
  }
  if (
    areRead(values, ['DATABASE_URL', 'DATABASE_REPLICA_URL']) &&
    values.DATABASE_REPLICA_URL !== undefined &&
    values.DATABASE_URL === undefined
  ) {
    faults.push(
      'DATABASE_REPLICA_URL is of use only beside DATABASE_URL: the embedded database has no replicas.',
    );
  }
  return faults;
}

function arrange(values: Values, isTerminal: boolean) {
  const isLocal = values.SOCKET_PATH === undefined && isLoopback(values.HOST);
  const cookieSecure = values.COOKIE_SECURE ?? !isLocal;
  return Object.freeze({
    listen:
      values.SOCKET_PATH === undefined
        ? { host: values.HOST, port: values.PORT }
        : { path: values.SOCKET_PATH },
    database: {
      url: values.DATABASE_URL,
      directUrl: values.DATABASE_DIRECT_URL ?? values.DATABASE_URL,
      replicaUrl: values.DATABASE_REPLICA_URL,
      poolSize: values.DATABASE_POOL_SIZE,
      preparedStatements: values.DATABASE_PREPARED_STATEMENTS,
      timeoutMs: 5_000,
      queue: { mostWaiting: values.DATABASE_QUEUE, maxWaitMs: values.DATABASE_MAX_WAIT_MS },
    },
    overload: {
      maxEventLoopDelayMs: values.MAX_EVENT_LOOP_DELAY_MS,
      maxConnections: values.MAX_CONNECTIONS,
    },
    valkey: values.VALKEY_URL,
    dataDir: resolve(values.DATA_DIR),
    workers: values.WORKERS,
    hashing: {
      concurrency: values.HASH_CONCURRENCY,
      maxWaitMs: values.HASH_MAX_WAIT_MS,
      parameters: {
        memoryKib: values.ARGON2_MEMORY_KIB,
        passes: values.ARGON2_PASSES,
        parallelism: values.ARGON2_PARALLELISM,
      },
    },
    tokens: {
      accessTtlMs: values.ACCESS_TOKEN_TTL,
      refreshTtlMs: values.REFRESH_TOKEN_TTL,
      sessionMaxTtlMs: values.SESSION_MAX_TTL,
      issuer: values.TOKEN_ISSUER,
      audience: values.TOKEN_AUDIENCE,
      signingKey: values.SIGNING_KEY,
    },
    cookies: { secure: cookieSecure, prefix: values.COOKIE_PREFIX ?? cookieSecure },
    trustedProxies: values.TRUSTED_PROXIES,
    corsOrigins: values.CORS_ORIGINS,
    cdnUrl: values.CDN_URL ?? '',
    rateLimit: values.RATE_LIMIT,
    keySignup: values.KEY_SIGNUP ?? (isLocal ? 'open' : 'admin'),
    worker: { host: values.HOST, metricsPort: values.WORKER_METRICS_PORT },
    webhooks: {
      deliversHere: values.WEBHOOK_WORKER,
      concurrency: values.WEBHOOK_CONCURRENCY,
      allowPrivate: values.WEBHOOK_ALLOW_PRIVATE,
    },
    events: {
      retentionMs: values.EVENT_RETENTION,
      storedStatus: values.INGEST_STATUS === '202' ? (202 as const) : (201 as const),
      ingest: {
        flushers: values.INGEST_FLUSHERS,
        batchRows: values.INGEST_BATCH,
        batchBytes: 1024 * 1024,
        queueRows: values.INGEST_QUEUE,
        queueBytes: 64 * 1024 * 1024,
      },
    },
    auditRetentionMs: values.AUDIT_RETENTION,
    administrator: { email: values.ADMIN_EMAIL, password: values.ADMIN_PASSWORD },
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT ?? (isTerminal ? 'pretty' : 'json') },
  });
}
