/**
 * What becomes of sign-ups, logouts, events and webhooks while the database dies, stands still, or loses its pooler,
 * and while they all go on being asked for. The real program, a real PgBouncer and PostgreSQL.
 */
import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { startReceiver } from '../support/deliveries.ts';
import { callWithKey, newOrganization } from '../support/organizations.ts';
import { startPgbouncer } from '../support/pgbouncer.ts';
import { startPostgres15, withoutPostgres15 } from '../support/postgres15.ts';
import { missingPrograms } from '../topology/programs.ts';
import { checkDelivered } from './delivered.ts';
import { startFaultLoad } from './fault-load.ts';
import { makeFolder, startServer, toUrl } from './process.ts';
import { until } from './worker-connections.ts';

const skip = withoutPostgres15 || missingPrograms({ pgbouncer: 'pgbouncer' });

// Here and not in `before`: what that asks to be done afterwards is done at its own end.
const receiver = await startReceiver();
const folder = makeFolder();

async function open() {
  const database = await startPostgres15();
  const pgbouncer = await startPgbouncer(database.address, { poolSize: 12 });
  const server = await startServer({
    DATABASE_URL: toUrl(pgbouncer.address),
    DATABASE_DIRECT_URL: toUrl(database.address),
    DATABASE_MAX_WAIT_MS: '3000',
    DATA_DIR: folder,
    RATE_LIMIT: 'off',
    WEBHOOK_ALLOW_PRIVATE: 'on',
    LOG_FORMAT: 'json',
  });
  const organization = await newOrganization(server, 'enterprise');
  const webhook = { json: { webhook_url: receiver.url } };
  assert.equal((await callWithKey(server, organization, '/api/webhook/config', webhook)).status, 200);
  const load = startFaultLoad(server, organization);
  async function close() {
    await load.stop();
    server.signal('SIGTERM');
    await server.finished;
    await pgbouncer.close();
    await database.close();
  }
  return { database, pgbouncer, server, organization, load, close };
}

type Parts = Awaited<ReturnType<typeof open>>;
let fixture: Parts | undefined;
before(async () => {
  if (skip === false) fixture = await open();
});
after(() => fixture?.close());

/** One wait for a connection and one for an answer, and a machine that does much else. */
const longestAnswerMs = 3_000 + 5_000 + 10_000;

interface Fault {
  awayMs: number;
  begin: (parts: Parts) => Promise<void> | void;
  end: (parts: Parts) => Promise<void> | void;
}

async function survive(t: TestContext, { awayMs, begin, end }: Fault): Promise<void> {
  assert.ok(fixture !== undefined);
  const { load, server } = fixture;
  await load.more(30);
  const saidBefore = server.output().length;
  const refusedBefore = load.book.refused;
  load.book.slowestMs = 0;
  await begin(fixture);
  await wait(awayMs);
  await end(fixture);
  const backAt = performance.now();
  await load.more(1);
  const tookMs = performance.now() - backAt;
  await load.more(30);
  const isComplaint = (line: string) => /"level":[456]0/.test(line);
  const lines = server.output().slice(saidBefore).split('\n').filter(isComplaint);
  const slowest = load.book.slowestMs;
  t.diagnostic(
    `writes again ${tookMs.toFixed()} ms after the return; ${load.book.refused - refusedBefore} answers of 503; the ` +
      `slowest answer took ${slowest.toFixed()} ms; ${lines.length} lines in the log`,
  );
  await load.checkExpected();
  assert.ok(load.book.refused > refusedBefore, 'it was felt');
  assert.ok(tookMs < 15_000, `${tookMs} ms`);
  assert.ok(slowest < longestAnswerMs, `${slowest} ms`);
  const away = lines.filter((line) => line.includes('The database is away'));
  // Not even once where the fault came so soon after another that both are one outage.
  assert.ok(away.length <= 1, lines.join('\n'));
  assert.ok(lines.length <= 12, lines.join('\n'));
}

test('PostgreSQL killed', { skip }, async (t) => {
  await survive(t, {
    awayMs: 1_500,
    begin: ({ database }) => database.kill(),
    end: ({ database }) => database.start(),
  });
});

test('PostgreSQL standing still for longer than an answer may take', { skip }, async (t) => {
  await survive(t, {
    awayMs: 8_000,
    begin: ({ database }) => database.pause(),
    end: ({ database }) => database.resume(),
  });
});

test('PgBouncer killed', { skip }, async (t) => {
  await survive(t, {
    awayMs: 1_500,
    begin: ({ pgbouncer }) => pgbouncer.kill(),
    end: ({ pgbouncer }) => pgbouncer.start(),
  });
});

test('PgBouncer standing still', { skip }, async (t) => {
  await survive(t, {
    awayMs: 6_000,
    begin: ({ pgbouncer }) => pgbouncer.signal('SIGSTOP'),
    end: ({ pgbouncer }) => pgbouncer.signal('SIGCONT'),
  });
});

test('after all of that nothing acknowledged is lost, nothing ended lives, each event was stored once and each is delivered', {
  skip,
}, async (t) => {
  assert.ok(fixture !== undefined);
  const { load, database, server } = fixture;
  await load.stop();
  await load.checkExpected();
  const said = (sentence: string) => server.output().split(sentence).length - 1;
  const begun = said('The database is away');
  assert.ok(begun >= 1 && begun <= 8, `${begun} outages of four faults`);
  await until('each outage is said to be over', () => said('The outage is over') === begun);
  const { accounts, ended, events } = load.book;
  const sql = postgres({ ...database.address, max: 1, fetch_types: false });
  t.after(() => sql.end({ timeout: 1 }));
  await load.checkKept(sql);
  t.diagnostic(await checkDelivered(sql, receiver, events));
  t.diagnostic(`${accounts.length} accounts and ${ended.length} ended sessions were acknowledged`);
});
