import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertInvalid, assertProblem, fieldsOf } from '../support/expectations.ts';
import { call, enter, member, startTestService } from '../support/service.ts';

const service = await startTestService();

test('ping answers the text OK', async () => {
  for (const path of ['/ping', '/ping/']) {
    const answer = await call(service, path);
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'OK');
    assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8');
  }
  const head = await call(service, '/ping', { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.body, '');
});

test('the root says what answers and where to go on, to programs', async () => {
  for (const path of ['/', '/?']) {
    for (const accept of ['*/*', 'application/json', 'image/*']) {
      const answer = await call(service, path, { headers: { accept } });
      assert.equal(answer.status, 200, path);
      const { name, version, ...links } = Object(answer.body);
      assert.equal(name, 'IronTrack');
      assert.match(String(version), /^\d+\.\d+\.\d+(-[\w.]+)?$/);
      assert.deepEqual(Object.keys(links), ['docs', 'openapi', 'ping']);
      for (const link of Object.values<string>(links)) {
        assert.equal((await call(service, link)).status, 200, link);
      }
    }
  }
  assertInvalid(await call(service, '/?x=1'), 'x extra_forbidden');
  for (const method of ['POST', 'DELETE']) {
    const refused = await call(service, '/', { method });
    assertProblem(refused, 405, 'method-not-allowed');
    assert.equal(refused.headers.get('allow'), 'GET, HEAD');
  }
});

test('the root sends a browser to the documentation page', async () => {
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
  for (const method of ['GET', 'HEAD']) {
    const answer = await call(service, '/', { method, headers: { accept } });
    assert.equal(answer.status, 302);
    assert.equal(answer.headers.get('location'), '/docs');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.body, '');
  }
});

test('health says that the database and the cache are online, the name and the version', async () => {
  const answer = await call(service, '/health');
  assert.equal(answer.status, 200);
  assert.deepEqual(fieldsOf(answer.body), ['app', 'cache_status', 'database_status', 'version']);
  assert.equal(member(answer.body, 'database_status'), 'online');
  assert.equal(member(answer.body, 'cache_status'), 'online');
  assert.equal(member(answer.body, 'app'), 'IronTrack');
  assert.match(String(member(answer.body, 'version')), /^\d+\.\d+\.\d+(-[\w.]+)?$/);
});

test('health says that the database is offline when it takes no connections, while ping goes on', async () => {
  const alone = await startTestService({
    reachDatabase: async (address) => {
      assert.ok(typeof address !== 'string');
      return { ...address, database: `${address.database}_that_does_not_exist` };
    },
  }).catch((error: unknown) => error);
  // Without its database a node does not start, so it is taken away from one that runs.
  assert.ok(alone instanceof Error);
  const node = await startTestService();
  const [row] = await node.sql`select current_database() as name`;
  const { sql } = service;
  await sql`alter database ${sql(String(row?.name))} with allow_connections false`;
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity where datname = ${String(row?.name)}`;
  const answer = await call(node, '/health');
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '1');
  assert.deepEqual(fieldsOf(answer.body), ['app', 'cache_status', 'database_status', 'version']);
  assert.equal(member(answer.body, 'database_status'), 'offline');
  assert.equal(member(answer.body, 'cache_status'), 'online');
  const refused = await call(node, '/health/ready');
  assertProblem(refused, 503, 'not-ready');
  assert.equal(refused.headers.get('retry-after'), '1');
  for (const path of ['/ping', '/ready', '/health/live', '/api/health']) {
    assert.equal((await call(node, path)).status, 200, path);
  }
  await sql`alter database ${sql(String(row?.name))} with allow_connections true`;
  let status = 0;
  for (let attempt = 0; attempt < 50 && status !== 200; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    status = (await call(node, '/health')).status;
  }
  assert.equal(status, 200, 'it does not come back by itself');
});

test('a node is ready while it serves, and neither while it starts nor while it drains', async () => {
  const ready = await call(service, '/ready');
  assert.equal(ready.status, 200);
  assert.deepEqual(ready.body, { status: 'ready', cache: 'process' });
  try {
    for (const state of ['starting', 'draining'] as const) {
      service.lifecycle.state = state;
      const answer = await call(service, '/ready');
      assertProblem(answer, 503, 'not-ready');
      assert.equal(answer.headers.get('retry-after'), '1');
      assertProblem(await call(service, '/health/ready'), 503, 'not-ready');
      for (const path of ['/ping', '/health/live', '/api/health']) {
        assert.equal((await call(service, path)).status, 200, path);
      }
    }
  } finally {
    service.lifecycle.state = 'serving';
  }
  assert.equal((await call(service, '/ready')).status, 200);
});

test('what an orchestrator asks is answered with ok', async () => {
  for (const path of ['/health/live', '/health/ready', '/api/health']) {
    const answer = await call(service, path);
    assert.equal(answer.status, 200, path);
    assert.deepEqual(answer.body, { status: 'ok' }, path);
  }
});

test('metrics are Prometheus text with the requests by route and status, and no path that a client made up', async () => {
  const person = await enter(service);
  await call(service, '/api/v1/access/me', { cookies: person.cookies });
  await call(service, '/secret-path-of-a-client');
  const answer = await call(service, '/metrics');
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const text = String(answer.body);
  assert.match(text, /^# TYPE \w+ histogram$/m);
  assert.match(
    text,
    /route="\/api\/v1\/access\/me"[^\n]*status="200"|status="200"[^\n]*route="\/api\/v1\/access\/me"/,
  );
  assert.match(text, /status="404"/);
  assert.ok(!text.includes('secret-path-of-a-client'));
  assert.ok(!text.includes(person.email));
  for (const line of text.split('\n')) {
    assert.match(line, /^($|# (HELP|TYPE) \w+ |\w+(\{[^\n]*\})? \S+$)/);
  }
});

test('the system routes need no account', async () => {
  for (const path of [
    '/',
    '/ping',
    '/health',
    '/health/live',
    '/health/ready',
    '/api/health',
    '/ready',
    '/metrics',
    '/docs',
    '/.well-known/jwks.json',
  ]) {
    assert.equal((await call(service, path)).status, 200, path);
    const cookies = { access_token: 'rubbish' };
    assert.equal((await call(service, path, { cookies })).status, 200, path);
  }
});
