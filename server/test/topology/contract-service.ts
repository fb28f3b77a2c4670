/**
 * A service for the contract tests that is a whole deployment: nodes as processes, nginx in front of them over TLS. The
 * tests see an address and a database; what looks into the process is not there (contract-suite.ts names those tests).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import postgres from 'postgres';
import { readConfig } from '../../src/config.ts';
import type { DatabaseConnection } from '../../src/database/embedded.ts';
import type { TestService } from '../support/service.ts';
import { type Deployment, type Surroundings, startDeployment, startSurroundings } from './deployment.ts';
import { certificateFrom, withoutLimits } from './nginx.ts';

/** What all services on a database share. */
const surroundings = new Map<string, Promise<Surroundings>>();

function surroundingsOf(database: DatabaseConnection): Promise<Surroundings> {
  const started = surroundings.get(database.database) ?? startForTest(database);
  surroundings.set(database.database, started);
  return started;
}

async function startForTest(database: DatabaseConnection): Promise<Surroundings> {
  const started = await startSurroundings(database);
  after(() => started.close());
  return started;
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
  let deployment: Deployment | undefined;
  let isClosed = false;
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await deployment?.stop();
    await sql.end({ timeout: 1 });
    rmSync(folder, { recursive: true, force: true });
  };
  after(close);

  const environment = {
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
    ARGON2_MEMORY_KIB: '64',
    ARGON2_PASSES: '1',
    DATABASE_POOL_SIZE: '5',
    KEY_SIGNUP: 'open',
    // The tests know the plain cookies; those that are about secure ones say so, and get them over TLS.
    COOKIE_SECURE: 'off',
    ...given,
  };
  const around = await surroundingsOf(database);
  const [{ first = '0' } = {}] = await sql`select pg_current_xact_id()::text as first`;
  deployment = await startDeployment({
    folder,
    database,
    surroundings: around,
    certificate: certificateFrom(process.env),
    environment,
    replace: withoutLimits,
  });
  await forgetFirstStart(sql, first);

  const absent = (what: string): never => assert.fail(`${what} is inside a process, and these are others`);
  return {
    url: deployment.url,
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
