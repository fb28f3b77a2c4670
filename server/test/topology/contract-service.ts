/**
 * A service for the contract tests that is a whole deployment: nodes as processes, nginx in front of them over TLS. The
 * tests see an address and a database; what looks into the process is not there (contract-suite.ts names those tests).
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import postgres from 'postgres';
import { readConfig } from '../../src/config.ts';
import type { DatabaseConnection } from '../../src/database/embedded.ts';
import { type Pgbouncer, startPgbouncer } from '../support/pgbouncer.ts';
import type { TestService } from '../support/service.ts';
import { startValkey, type TestValkey } from '../support/valkey.ts';
import { certificateFrom, startNginx, withoutLimits } from './nginx.ts';
import { databaseUrlOf, startNode } from './nodes.ts';

const nodesOfAService = 2;
const workersOfANode = '2';

/** What all services on a database share, with the settings of deploy/. */
interface Surroundings {
  pgbouncer: Pgbouncer;
  valkey: TestValkey;
}

const surroundings = new Map<string, Promise<Surroundings>>();

function surroundingsOf(database: DatabaseConnection): Promise<Surroundings> {
  const started = surroundings.get(database.database) ?? startSurroundings(database);
  surroundings.set(database.database, started);
  return started;
}

async function startSurroundings(database: DatabaseConnection): Promise<Surroundings> {
  // Where they listen and whom they let in is the test's.
  const ofPgbouncer = shippedSettings(
    'pgbouncer/pgbouncer.ini',
    /^([a-z_]+) = (.*)$/gm,
    /^(listen|unix|auth)_/,
  );
  const ofValkey = shippedSettings('valkey/valkey.conf', /^([a-z][a-z-]*) (.*)$/gm, /^(bind|port)$/);
  const [pgbouncer, valkey] = await Promise.all([
    startPgbouncer(database, { settings: ofPgbouncer }),
    startValkey(ofValkey),
  ]);
  after(() => pgbouncer.close());
  return { pgbouncer, valkey };
}

/** The lines of a file of deploy/ but those whose names are left out. */
function shippedSettings(file: string, line: RegExp, leftOut: RegExp): Record<string, string> {
  const text = readFileSync(new URL(`../../../deploy/${file}`, import.meta.url), 'utf8');
  const pairs = [...text.matchAll(line)].map(([, name = '', value = '']) => [
    name,
    value === '""' ? '' : value,
  ]);
  return Object.fromEntries(pairs.filter(([name = '']) => !leftOut.test(name) && name !== 'irontrack'));
}

/** What nodes add when they start, and the services that tests usually start do not. */
const filledAtStart = [
  'users',
  'exercises',
  'exercise_primary_muscles',
  'exercise_secondary_muscles',
  'exercise_equipment',
  'exercise_tagging',
  'muscle_groups',
  'equipment',
  'exercise_tags',
  'events',
  'event_dedup',
  'deliveries',
  'delivery_turns',
];

/** @param database migrated; several services may share it */
export async function startContractService(
  database: DatabaseConnection,
  given: Readonly<Record<string, string>> = {},
): Promise<TestService> {
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-nodes-'));
  const sql = postgres({ ...database, max: 2, fetch_types: false });
  const running: { stop(): Promise<void> }[] = [];
  let isClosed = false;
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await Promise.all(running.map((program) => program.stop()));
    await sql.end({ timeout: 1 });
    rmSync(folder, { recursive: true, force: true });
  };
  after(close);

  const { pgbouncer, valkey } = await surroundingsOf(database);
  const environment = {
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
    ARGON2_MEMORY_KIB: '64',
    ARGON2_PASSES: '1',
    WORKERS: workersOfANode,
    DATABASE_POOL_SIZE: '5',
    KEY_SIGNUP: 'open',
    // The tests know the plain cookies; those that are about secure ones say so, and get them over TLS.
    COOKIE_SECURE: 'off',
    ADMIN_PASSWORD: 'Correct-Horse-7',
    // One key for all nodes of a service; a service beside it has its own.
    SIGNING_KEY: makeSigningKey(),
    DATABASE_URL: databaseUrlOf(pgbouncer.address),
    DATABASE_DIRECT_URL: databaseUrlOf(database),
    VALKEY_URL: valkey.url,
    ...given,
  };
  const [{ first = '0' } = {}] = await sql`select pg_current_xact_id()::text as first`;
  const nodes = await Promise.all(
    Array.from({ length: nodesOfAService }, async (_, index) => {
      const home = join(folder, String(index + 1));
      mkdirSync(home);
      const node = await startNode(home, environment);
      running.push(node);
      return node;
    }),
  );
  await forgetFirstStart(sql, first);
  const home = join(folder, 'nginx');
  mkdirSync(home);
  const nginx = await startNginx({
    folder: home,
    nodes: nodes.map(({ socket }) => `unix:${socket}`),
    certificate: certificateFrom(process.env),
    replace: withoutLimits,
  });
  running.unshift(nginx);

  const absent = (what: string): never => assert.fail(`${what} is inside a process, and these are others`);
  return {
    url: nginx.url,
    sql,
    clock: { now: () => new Date(), advance: () => absent('the clock') },
    config: readConfig({ ...environment, SOCKET_PATH: 'node.sock' }, false),
    get service() {
      return absent('the service');
    },
    get lifecycle() {
      return absent('the lifecycle');
    },
    close,
  };
}

/** A private key as SIGNING_KEY takes it. */
function makeSigningKey(): string {
  return JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
}

/** Deletes every row that was made since a transaction, past the triggers: no node has read it. */
async function forgetFirstStart(sql: postgres.Sql, firstTransaction: string): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`
      delete from audit_entries
      where xmin::text::bigint >= ${firstTransaction}::bigint and action not like 'signing_key.%'`;
    for (const table of filledAtStart) {
      await tx`delete from ${tx(table)} where xmin::text::bigint >= ${firstTransaction}::bigint`;
    }
  });
}
