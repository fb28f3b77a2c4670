/** A database of its own for each test file, cloned from a migrated template in some 30 ms. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import postgres from 'postgres';
import { type DatabaseConnection, startEmbeddedDatabase } from '../../src/database/embedded.ts';
import { migrate } from '../../src/database/migrations.ts';

const template = 'irontrack_template';
/** Any number: lets one test process at a time make the template. */
const templateLock = 8_015_731;

let server: Promise<DatabaseConnection> | undefined;

/** The PostgreSQL of the test run, or one of this file's own when the file is run by itself. */
function testServer(): Promise<DatabaseConnection> {
  server ??= openServer();
  return server;
}

async function openServer(): Promise<DatabaseConnection> {
  const given = process.env.IRONTRACK_TEST_DATABASE;
  if (given !== undefined) return JSON.parse(given);
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-test-'));
  const database = await startEmbeddedDatabase({
    dataDir: join(folder, 'data'),
    say: () => undefined,
    maxConnections: 300,
    durable: false,
  });
  after(async () => {
    await database.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return database.connection;
}

/** Creates an empty, migrated database. It is dropped with the whole server after the run. */
export async function createTestDatabase(): Promise<DatabaseConnection> {
  const connection = await testServer();
  const admin = postgres({ ...connection, max: 1, onnotice: () => undefined });
  try {
    await admin`select pg_advisory_lock(${templateLock})`;
    const [found] = await admin`select 1 as one from pg_database where datname = ${template}`;
    if (found === undefined) {
      await admin`create database ${admin(template)}`;
      await migrate({ ...connection, database: template });
    }
    const name = `test_${randomBytes(8).toString('hex')}`;
    await admin`create database ${admin(name)} template ${admin(template)}`;
    return { ...connection, database: name };
  } finally {
    await admin.end({ timeout: 5 });
  }
}
