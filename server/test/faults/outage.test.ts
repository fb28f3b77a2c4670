import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import postgres from 'postgres';
import {
  type Answer,
  call,
  enter,
  goodPassword,
  member,
  newEmail,
  startTestService,
} from '../support/service.ts';
import { createDatabaseProxy } from './database-proxy.ts';

const proxy = createDatabaseProxy();
const service = await startTestService({ reachDatabase: proxy.reach });
const { straight } = proxy;
assert.ok(typeof straight === 'object');
// What is done to a database as a whole is done from another one.
const admin = postgres({ ...straight, database: 'postgres', max: 1, onnotice: () => undefined });
after(() => admin.end({ timeout: 1 }));

const me = (bearer: string) => call(service, '/api/v1/access/me', { bearer });
const register = (email = newEmail()) =>
  call(service, '/api/v1/auth/register', { json: { email, password: goodPassword } });

function expectUnavailable(answer: Answer): void {
  assert.equal(answer.status, 503, JSON.stringify(answer.body));
  assert.equal(member(answer.body, 'code'), 'database-unavailable');
  assert.equal(answer.headers.get('retry-after'), '1');
}

async function timed(run: () => Promise<Answer>): Promise<{ answer: Answer; tookMs: number }> {
  const startedAt = performance.now();
  const answer = await run();
  return { answer, tookMs: performance.now() - startedAt };
}

async function eventually(isTrue: () => Promise<boolean>, withinMs: number, what: string): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, `Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Ends connections of the test's database: all that match, seen from outside. */
const terminate = (application: string, query: string) => admin`
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = ${straight.database} and application_name = ${application} and query ilike ${query}`;

/** After another test the connection that carries the news may just be opened anew. */
const untilListening = () =>
  eventually(
    async () => {
      const found = await admin`
        select pid from pg_stat_activity
        where datname = ${straight.database} and application_name = 'irontrack'
          and (query ilike 'listen%' or query ilike '%pg_notify%')`;
      return found.length === 1;
    },
    10_000,
    'the listening connection is there',
  );

test('while the database refuses connections, everything that needs it says 503, and the rest goes on', async () => {
  const known = await enter(service);
  const unknown = await enter(service);
  assert.equal((await me(known.accessToken)).status, 200);
  proxy.refuse();
  try {
    const { answer: refused, tookMs: refusedMs } = await timed(() => register());
    expectUnavailable(refused);
    // A proxy in front of a database that is away closes connections without a word, too.
    assert.ok(refusedMs < 3_000, `${refusedMs} ms`);
    expectUnavailable(await me(unknown.accessToken));
    expectUnavailable(await call(service, '/api/v1/sessions/me', { bearer: known.accessToken }));
    expectUnavailable(
      await call(service, '/api/v1/auth/refresh', { json: { refresh_token: known.refreshToken } }),
    );
    expectUnavailable(
      await call(service, '/api/v1/auth/login', { json: { email: known.email, password: goodPassword } }),
    );
    assert.equal((await me(known.accessToken)).status, 200, 'who is known already is served');
    assert.equal((await call(service, '/ping')).status, 200);
    const { answer, tookMs } = await timed(() => call(service, '/health'));
    assert.equal(answer.status, 503);
    assert.equal(member(answer.body, 'database_status'), 'offline');
    assert.ok(tookMs < 2_000, `${tookMs} ms`);
  } finally {
    proxy.restore();
  }
  await eventually(async () => (await register()).status === 201, 3_000, 'it serves again by itself');
  assert.equal((await me(unknown.accessToken)).status, 200);
  assert.equal((await call(service, '/health')).status, 200);
});

test('a database that goes away in the middle of requests fails these and no later ones', async () => {
  const under = Promise.all(Array.from({ length: 20 }, () => register()));
  setTimeout(() => proxy.refuse(), 15);
  const answers = await under;
  proxy.restore();
  for (const answer of answers) assert.ok(answer.status === 201 || answer.status === 503, `${answer.status}`);
  await eventually(async () => (await register()).status === 201, 3_000, 'it serves again by itself');
});

test('while nothing comes back from the database, an answer takes 5 s at most and /health 2 s', async () => {
  const { accessToken } = await enter(service);
  proxy.pause();
  try {
    const [signUpOutcome, health, unknown] = await Promise.all([
      timed(() => register()),
      timed(() => call(service, '/health')),
      timed(() => me(accessToken)),
    ]);
    expectUnavailable(signUpOutcome.answer);
    expectUnavailable(unknown.answer);
    assert.equal(health.answer.status, 503);
    assert.ok(health.tookMs < 2_000, `/health took ${health.tookMs} ms`);
    for (const { tookMs } of [signUpOutcome, unknown]) assert.ok(tookMs < 5_600, `${tookMs} ms`);
  } finally {
    proxy.restore();
  }
  await eventually(async () => (await register()).status === 201, 6_000, 'it serves again by itself');
});

test('connections on which nothing ever comes back are replaced by others', async () => {
  // As after a fail-over that said no goodbye: the old connections are open and dead, new ones would work.
  await Promise.all(Array.from({ length: 20 }, () => register()));
  proxy.stallOpenConnections();
  try {
    await eventually(async () => (await register()).status === 201, 30_000, 'a new connection is used');
  } finally {
    proxy.restore();
  }
});

test('a database that turned read-only is a 503, and reading goes on', async () => {
  const person = await enter(service);
  const { database } = straight;
  await admin.unsafe(`alter database ${database} set default_transaction_read_only = on`);
  await terminate('irontrack', '%');
  try {
    await eventually(
      async () => (await call(service, '/api/v1/users/me', { bearer: person.accessToken })).status === 200,
      3_000,
      'reading goes on',
    );
    expectUnavailable(await register());
    expectUnavailable(
      await call(service, '/api/v1/auth/refresh', { json: { refresh_token: person.refreshToken } }),
    );
  } finally {
    await admin.unsafe(`alter database ${database} reset default_transaction_read_only`);
    await terminate('irontrack', '%');
  }
  await eventually(async () => (await register()).status === 201, 3_000, 'it serves again by itself');
});

test('a session that is ended by SQL is refused at once, though its news were cut off', async () => {
  const { accessToken, id } = await enter(service);
  // A connection that the test before ended may still be noticed.
  await eventually(async () => (await me(accessToken)).status === 200, 3_000, 'the session is served');
  // In one transaction, so that the announcement finds nobody who listens.
  await service.sql.begin(async (tx) => {
    await tx`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'irontrack'
        and (query ilike 'listen%' or query ilike '%pg_notify%')`;
    await tx`update sessions set ended_at = now() where user_id = ${id}`;
  });
  await eventually(async () => (await me(accessToken)).status === 401, 2_000, 'the session is refused');
});

test('while no news can be heard every request asks the database', async () => {
  const { accessToken, id } = await enter(service);
  // All connections of the pool are open then, and both of the test's own.
  await Promise.all(Array.from({ length: 20 }, () => register()));
  await Promise.all([1, 2].map(() => service.sql`select pg_sleep(0.1)`));
  await eventually(async () => (await me(accessToken)).status === 200, 3_000, 'the session is served');
  await untilListening();
  const { database } = straight;
  // The connections of the pool live on; the one that listens cannot come back.
  await admin.unsafe(`alter database ${database} allow_connections false`);
  try {
    const cut = await terminate('irontrack', 'listen%');
    const pulses = cut.length > 0 ? cut : await terminate('irontrack', '%pg_notify%');
    assert.equal(pulses.length, 1, 'the listening connection was found');
    await eventually(
      async () => {
        await service.sql`update users set name = ${`Name ${Math.random()}`} where id = ${id}`;
        const [row] = await service.sql`select name from users where id = ${id}`;
        return member((await me(accessToken)).body, 'name') === row?.name;
      },
      1_000,
      'a change by SQL is felt by the very next request',
    );
    await service.sql`update sessions set ended_at = now() where user_id = ${id}`;
    assert.equal((await me(accessToken)).status, 401);
  } finally {
    await admin.unsafe(`alter database ${database} allow_connections true`);
  }
  const later = await enter(service);
  await eventually(
    async () => {
      assert.equal((await me(later.accessToken)).status, 200);
      const page = await call(service, '/metrics');
      return page.status === 200;
    },
    3_000,
    'it serves again',
  );
});

test('a signing key that is cut off while no news can be heard is found by looking, also for tokens known before', async () => {
  const { accessToken } = await enter(service);
  await eventually(async () => (await me(accessToken)).status === 200, 3_000, 'the token is known');
  await untilListening();
  const { database } = straight;
  await admin.unsafe(`alter database ${database} allow_connections false`);
  try {
    const cut = await terminate('irontrack', 'listen%');
    if (cut.length === 0) assert.equal((await terminate('irontrack', '%pg_notify%')).length, 1);
    assert.equal((await me(accessToken)).status, 200);
    await service.sql`update signing_keys set verify_until = now(), revoked_at = now()`;
    await eventually(async () => (await me(accessToken)).status === 401, 10_000, 'the key is refused');
  } finally {
    await admin.unsafe(`alter database ${database} allow_connections true`);
  }
});

test('a signing key that is cut off is refused soon, though the database failed just as the news were followed', async () => {
  for (const isMissed of [false, true]) {
    const way = createDatabaseProxy();
    const node = await startTestService({ reachDatabase: way.reach });
    const { accessToken } = await enter(node);
    const ask = async () => (await call(node, '/api/v1/access/me', { bearer: accessToken })).status;
    await eventually(async () => (await ask()) === 200, 3_000, 'the token is known');
    way.breakAt('public_jwk as "publicJwk"', 'before it arrives');
    await node.sql.begin(async (tx) => {
      // News that find nobody who listens are made up for when somebody does again.
      if (isMissed) {
        await tx`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name = 'irontrack'
            and (query ilike 'listen%' or query ilike '%pg_notify%')`;
      }
      await tx`update signing_keys set verify_until = now(), revoked_at = now()`;
    });
    await eventually(async () => (await ask()) === 401, 15_000, 'the key is refused');
    assert.equal(way.broken, 1);
    await node.close();
  }
});
