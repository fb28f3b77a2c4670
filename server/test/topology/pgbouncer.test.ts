import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findStatementRoute } from '../../src/commands/database-access.ts';
import { openDatabase } from '../../src/database/database.ts';
import { migrate } from '../../src/database/migrations.ts';
import { makeFolder, runCommand, startServer, startWorker, toUrl } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';
import { startReceiver, until } from '../support/deliveries.ts';
import { store } from '../support/events.ts';
import { callWithKey, newOrganization } from '../support/organizations.ts';
import { sharesPrepared, startPgbouncer } from '../support/pgbouncer.ts';
import { call, goodPassword, newEmail, textMember } from '../support/service.ts';
import { missingPrograms } from './programs.ts';

const skip = missingPrograms({ pgbouncer: 'pgbouncer' });
const straight = await createTestDatabase();
const direct = { DATABASE_DIRECT_URL: toUrl(straight), DATA_DIR: join(makeFolder(), 'data') };

test('the program and its commands work through a PgBouncer in transaction mode', { skip }, async (t) => {
  const pgbouncer = await startPgbouncer(straight, { poolSize: 6 });
  t.after(pgbouncer.close);
  const environment = {
    ...direct,
    DATABASE_URL: toUrl(pgbouncer.address),
    // More than PostgreSQL would give.
    DATABASE_POOL_SIZE: '400',
    WEBHOOK_WORKER: 'off',
    WEBHOOK_ALLOW_PRIVATE: 'on',
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
  };
  const server = await startServer(environment);
  const worker = await startWorker(environment);
  for (const [name, ...args] of [
    ['seed', '--exercises', '2000'],
    ['create-superuser', '--email', newEmail(), '--password', goodPassword],
    ['rotate-signing-key'],
  ] as const) {
    const { status, stdout, stderr } = await runCommand([name, ...args], environment);
    assert.equal(status, 0, `${name}: ${stdout}${stderr}`);
  }

  const people = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const json = { email: newEmail(), password: goodPassword };
      assert.equal((await call(server, '/api/v1/auth/register', { json })).status, 201);
      const signedIn = await call(server, '/api/v1/auth/login', { json });
      assert.equal(signedIn.status, 200);
      const token = textMember(signedIn.body, 'refresh_token');
      const refreshed = await call(server, '/api/v1/auth/refresh', { json: { refresh_token: token } });
      assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
      return textMember(refreshed.body, 'access_token');
    }),
  );
  for (const bearer of people) {
    assert.equal((await call(server, '/api/v1/access/me', { bearer })).status, 200);
    assert.equal((await call(server, '/api/v1/exercises', { bearer })).status, 200);
    assert.equal((await call(server, '/api/v1/auth/logout', { method: 'POST', bearer })).status, 204);
    assert.equal((await call(server, '/api/v1/access/me', { bearer })).status, 401);
  }

  const receiver = await startReceiver();
  const organization = await newOrganization(server, 'enterprise');
  const webhook = { json: { webhook_url: receiver.url } };
  assert.equal((await callWithKey(server, organization, '/api/webhook/config', webhook)).status, 200);
  const ids = await Promise.all(Array.from({ length: 100 }, () => store(server, organization)));
  await until('all are delivered', () => receiver.received.length >= ids.length, 30_000);
  const delivered = receiver.received.map(({ headers }) => String(headers['webhook-id']));
  assert.deepEqual(delivered.toSorted(), ids.toSorted());

  for (const { signal, finished } of [server, worker]) {
    signal('SIGTERM');
    const { status, stdout, stderr } = await finished;
    assert.equal(status, 0);
    assert.doesNotMatch(stdout + stderr, /"level":[456]0(?!.*OWASP)/);
  }
});

test('through a PgBouncer in session mode no DATABASE_DIRECT_URL is needed', { skip }, async (t) => {
  const pgbouncer = await startPgbouncer(straight, { mode: 'session', poolSize: 20 });
  t.after(pgbouncer.close);
  const { DATA_DIR } = direct;
  const server = await startServer({ DATABASE_URL: toUrl(pgbouncer.address), DATA_DIR });
  const json = { email: newEmail(), password: goodPassword };
  assert.equal((await call(server, '/api/v1/auth/register', { json })).status, 201);
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0);
});

test('a start that would hear no news is refused in words', { skip }, async (t) => {
  const pgbouncer = await startPgbouncer(straight);
  t.after(pgbouncer.close);
  const sentence = /leads through a pooler in transaction mode.*set DATABASE_DIRECT_URL/;
  const { DATA_DIR } = direct;
  const finished = await runCommand(['serve'], { DATABASE_URL: toUrl(pgbouncer.address), DATA_DIR });
  assert.equal(finished.status, 78, finished.stdout + finished.stderr);
  assert.match(finished.stderr, sentence);
  assert.doesNotMatch(finished.stderr, /\n./, 'one line');
  await assert.rejects(migrate(pgbouncer.address), { name: 'StartupError', message: sentence });
});

test('two addresses of different databases are refused in words', { skip }, async (t) => {
  const pgbouncer = await startPgbouncer(straight);
  t.after(pgbouncer.close);
  const directAddress = await createTestDatabase();
  await assert.rejects(
    findStatementRoute({ preparedStatements: 'auto' }, { address: pgbouncer.address, directAddress }),
    { name: 'StartupError', message: /lead to different databases/ },
  );
});

test('a pooler that is not there, or that cannot do transactions, is told in words', { skip }, async (t) => {
  const statements = await startPgbouncer(straight, { mode: 'statement' });
  t.after(statements.close);
  const gone = await startPgbouncer(straight);
  await gone.close();
  for (const { address } of [statements, gone]) {
    await assert.rejects(
      findStatementRoute({ preparedStatements: 'auto' }, { address, directAddress: straight }),
      { name: 'StartupError', message: /^DATABASE_URL does not lead to the database \(.*\)\./ },
    );
  }
});

test('DATABASE_PREPARED_STATEMENTS decides by hand', { skip }, async (t) => {
  const { address, close } = await startPgbouncer(straight);
  t.after(close);
  const way = { address, directAddress: straight };
  const prepares = async (preparedStatements: 'auto' | 'on' | 'off', on: typeof way) =>
    (await findStatementRoute({ preparedStatements }, on)).prepares;
  assert.equal(await prepares('auto', way), sharesPrepared);
  assert.equal(await prepares('on', way), true);
  assert.equal(await prepares('off', { ...way, address: straight }), false);
  assert.equal(await prepares('auto', { ...way, address: straight }), true);
});

test('statements with and without parameters and transactions side by side get their own answers', {
  skip,
}, async (t) => {
  const { address, close } = await startPgbouncer(straight, { poolSize: 3 });
  t.after(close);
  const { prepares } = await findStatementRoute(
    { preparedStatements: 'auto' },
    { address, directAddress: straight },
  );
  // Fewer connections than callers, so that each has several statements to carry.
  const database = openDatabase({ address, poolSize: 4, timeoutMs: 20_000, prepares });
  t.after(database.close);
  const kinds = [
    async () => (await database.sql<{ n: number }>`select 1 as n`)[0]?.n === 1,
    async (n: number) => (await database.sql<{ n: number }>`select ${n}::int as n`)[0]?.n === n,
    async (n: number) => {
      const rows = await database.forRequest(`r${n}`)<{ n: number }>`
        select n from generate_series(1, ${n}::int) as n`;
      return rows.length === n && rows.at(-1)?.n === n;
    },
    (n: number) =>
      database.transaction(
        `t${n}`,
        async (tx) => (await tx<{ n: number }>`select ${n}::int as n`)[0]?.n === n,
      ),
  ];
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: 40 }, async (_, caller) => {
      for (let turn = 1; turn <= 30; turn += 1) {
        const ask = kinds[(caller + turn) % kinds.length];
        assert.ok(await ask?.(turn), `caller ${caller}, turn ${turn}`);
      }
    }),
  );
  t.diagnostic(`1,200 in ${(performance.now() - startedAt).toFixed()} ms, prepared: ${prepares}`);
});
