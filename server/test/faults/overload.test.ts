import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { assertProblem } from '../support/expectations.ts';
import { assertEventApiProblem, newOrganization } from '../support/organizations.ts';
import {
  type Answer,
  call,
  enter,
  enterAsSuperuser,
  member,
  startTestService,
  type TestService,
  textMember,
} from '../support/service.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: unknown = runInNewContext('gc');

function heapMb(): number {
  if (typeof collectGarbage === 'function') collectGarbage();
  return process.memoryUsage().heapUsed / 1024 ** 2;
}

async function readMetric(service: TestService, sample: string): Promise<number> {
  const text = String((await call(service, '/metrics')).body);
  const line = text.split('\n').find((each) => each.startsWith(`${sample} `));
  return line === undefined ? 0 : Number(line.slice(sample.length + 1));
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + 40_000;
  while (performance.now() < endsAt) {
    if (await holds()) return;
    await sleep(50);
  }
  assert.fail(`not within 40 s: ${what}`);
}

function assertRefused(answer: Answer, path = '/api/v1'): void {
  (path.startsWith('/api/v1') ? assertProblem : assertEventApiProblem)(answer, 503, 'overloaded');
  assert.match(answer.headers.get('retry-after') ?? '', /^[1-3]$/);
}

/** Asks for what is at hand, again and again, until told to stop. @returns how often it was answered */
function askCheap(service: TestService, bearer: string): () => Promise<number> {
  let isOver = false;
  let answered = 0;
  const asking = (async () => {
    while (!isOver) {
      assert.equal((await call(service, '/ping')).status, 200);
      assert.equal((await call(service, '/api/v1/access/me', { bearer })).status, 200);
      answered += 1;
      await sleep(10);
    }
  })();
  asking.catch(() => undefined);
  return async () => {
    isOver = true;
    await asking;
    return answered;
  };
}

test('while the database stands still 500 requests wait in bounded number and time, and what is at hand is answered', async () => {
  const service = await startTestService({
    environment: { DATABASE_QUEUE: '50', DATABASE_MAX_WAIT_MS: '1000' },
  });
  const { accessToken, id } = await enterAsSuperuser(service);
  const ask = () => call(service, `/api/v1/users/${id}`, { bearer: accessToken });
  assert.equal((await ask()).status, 200);

  /** One round: the tables are locked, 500 ask, and the lock goes. */
  async function standStill(): Promise<void> {
    const stopAsking = askCheap(service, accessToken);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: locked, resolve: noteLock } = Promise.withResolvers<void>();
    const holding = service.sql.begin(async (tx) => {
      await tx`lock table users in access exclusive mode`;
      noteLock();
      await released;
    });
    await locked;
    const asked = Array.from({ length: 500 }, ask);
    let refused = 0;
    for (const each of asked) void each.then(({ status }) => (refused += status === 503 ? 1 : 0));
    // On a busy machine the five that hold a connection may have had their five seconds too by then.
    await until('all but the five that hold a connection are refused', async () => refused >= 495);
    assert.ok((await readMetric(service, 'database_connections_waiting')) <= 50);
    assert.ok((await readMetric(service, 'database_connections_busy')) <= 5);
    // Held connections tell nothing of whether the database is there.
    assert.equal((await call(service, '/ready')).status, 200);
    assert.equal((await call(service, '/health/ready')).status, 200);
    release();
    await holding;
    const answers = await Promise.all(asked);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      // Who waited while nobody at all was answered is told that, not that there is too much to do.
      if (member(answer.body, 'code') !== 'overloaded') assertProblem(answer, 503, 'database-unavailable');
      assert.match(answer.headers.get('retry-after') ?? '', /^[1-3]$/);
    }
    assert.ok((await stopAsking()) > 0);
    await until('rows are read again', async () => (await ask()).status === 200);
    await until('all are let in', async () => (await readMetric(service, 'admission_level')) === 0);
  }

  await standStill();
  assert.ok((await readMetric(service, 'admission_refusals_total{reason="database-queue",cost="any"}')) > 0);
  const before = heapMb();
  for (let round = 0; round < 3; round += 1) await standStill();
  const grown = heapMb() - before;
  assert.ok(grown < 30, `the heap grew by ${grown} MB over 1,500 requests`);
});

test('while callers wait long for a connection, lists and passwords are refused before they are read', async () => {
  const service = await startTestService({
    environment: { DATABASE_POOL_SIZE: '1', DATABASE_QUEUE: '10', DATABASE_MAX_WAIT_MS: '20000' },
  });
  const { accessToken, id } = await enterAsSuperuser(service);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: locked, resolve: noteLock } = Promise.withResolvers<void>();
  const holding = service.sql.begin(async (tx) => {
    await tx`lock table users in access exclusive mode`;
    noteLock();
    await released;
  });
  await locked;
  // A connection takes four statements: six wait, more than half of the ten that may.
  const waiting = Array.from({ length: 10 }, () =>
    call(service, `/api/v1/users/${id}`, { bearer: accessToken }),
  );
  await until(
    'costly requests are refused',
    async () => (await readMetric(service, 'admission_level')) === 1,
  );
  const stopAsking = askCheap(service, accessToken);
  for (const path of ['/api/v1/users', '/api/v1/exercises', '/api/v1/audit', '/api/inbox']) {
    assertRefused(await call(service, path), path);
  }
  const broken = { 'content-type': 'application/json' };
  for (const path of ['/api/v1/access/signin', '/api/v1/auth/register', '/api/events/batch']) {
    const answer = await call(service, path, { headers: broken, raw: `{"broken ${'x'.repeat(300_000)}` });
    assertRefused(answer, path);
  }
  // Not costly: refused only for what is wrong with it.
  assert.equal((await call(service, '/api/v1/auth/refresh', { headers: broken, raw: '{' })).status, 422);
  assert.equal((await call(service, '/api/events', { headers: broken, raw: '{' })).status, 401);
  release();
  await holding;
  // The five seconds that a statement has may be over on a slow machine.
  for (const answer of await Promise.all(waiting)) assert.ok([200, 503].includes(answer.status));
  assert.ok((await stopAsking()) > 0);
  await until('lists are answered again', async () => {
    return (await call(service, '/api/v1/users', { bearer: accessToken })).status === 200;
  });
  assert.ok((await readMetric(service, 'admission_refusals_total{reason="database",cost="costly"}')) >= 5);
  assert.ok((await readMetric(service, 'admission_refusals_total{reason="database",cost="password"}')) >= 2);
});

test('lists that fill their line are refused, and refreshes and sign-ins go on beside them', async () => {
  const service = await startTestService({ environment: { DATABASE_QUEUE: '60' } });
  const person = await enterAsSuperuser(service);
  const { accessToken: bearer, email, password } = person;
  let { refreshToken } = person;
  let isOver = false;
  const lists: Answer[] = [];
  const lanes = Array.from({ length: 100 }, async (_, lane) => {
    for (let turn = 0; !isOver; turn += 1) {
      // Nothing that is at hand.
      const answer = await call(service, `/api/v1/audit?currentPage=${1 + lane + 100 * turn}`, { bearer });
      lists.push(answer);
      if (answer.status === 503) await sleep(100);
    }
  });
  await until('lists are refused', async () => lists.some(({ status }) => status === 503));
  for (let turn = 0; turn < 20; turn += 1) {
    const refreshed = await call(service, '/api/v1/auth/refresh', { json: { refresh_token: refreshToken } });
    assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
    refreshToken = textMember(refreshed.body, 'refresh_token');
    assert.equal((await call(service, '/api/v1/auth/login', { json: { email, password } })).status, 200);
  }
  isOver = true;
  await Promise.all(lanes);
  const refused = lists.filter(({ status }) => status !== 200);
  for (const answer of refused) assertRefused(answer);
  assert.ok(refused.length < lists.length, 'none was answered');
  assert.equal(await readMetric(service, 'admission_level'), 0);
});

test('a table that is locked for long does not take more and more connections', async () => {
  const service = await startTestService();
  const { accessToken, id } = await enterAsSuperuser(service);
  const ask = () => call(service, `/api/v1/users/${id}`, { bearer: accessToken });
  for (let asked = 0; asked < 10; asked += 1) {
    assert.equal((await ask()).status, 200);
    await sleep(50);
  }
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const holding = service.sql.begin(async (tx) => {
    await tx`lock table users in access exclusive mode`;
    await released;
  });
  const asked: Promise<Answer>[] = [];
  const beganAt = performance.now();
  await until('no more connections than two pools of five and the listening one', async () => {
    asked.push(ask());
    const [row] = await service.sql<{ count: number }[]>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and application_name = 'irontrack'`;
    // Twice five seconds and more: the pool was replaced, and replaced again.
    return performance.now() - beganAt > 16_000 && Number(row?.count) <= 11;
  });
  release();
  await holding;
  await Promise.all(asked);
  await until('rows are read again', async () => (await ask()).status === 200);
});

test('an event loop kept busy by large batches refuses them, goes on answering what is at hand, and recovers', async () => {
  const service = await startTestService({ environment: { MAX_EVENT_LOOP_DELAY_MS: '200' } });
  const { accessToken } = await enter(service);
  const { apiKey } = await newOrganization(service);
  const headers = { 'x-api-key': apiKey, 'content-type': 'application/json' };
  const payload = JSON.stringify({
    list: Array.from({ length: 8_000 }, (_, at) => ({ at, text: 'a text' })),
  });
  const raw = `{"events":[${Array.from({ length: 20 }, () => `{"type":"heavy","payload":${payload}}`).join()}]}`;
  const post = () => call(service, '/api/events/batch', { headers, raw });

  await until('a batch is taken', async () => (await post()).status === 200);
  // News of the sign-in make the service forget the caller once more.
  for (let asked = 0; asked < 10; asked += 1) {
    assert.equal((await call(service, '/api/v1/access/me', { bearer: accessToken })).status, 200);
    await sleep(100);
  }
  const stopAsking = askCheap(service, accessToken);
  let isOver = false;
  const answers: Answer[] = [];
  const lanes = Array.from({ length: 16 }, async () => {
    while (!isOver) answers.push(await post());
  });
  await until('batches are refused', async () => answers.some(({ status }) => status === 503));
  isOver = true;
  await Promise.all(lanes);
  assert.ok((await stopAsking()) > 0);
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    assertRefused(answer, '/api/events/batch');
  }
  assert.ok((await readMetric(service, 'admission_refusals_total{reason="event-loop",cost="costly"}')) > 0);
  await until('batches are taken again', async () => (await post()).status === 200);
});

test('one connection too many is closed as it is opened, and those there are go on', async () => {
  const service = await startTestService({ environment: { MAX_CONNECTIONS: '5' } });
  const { hostname, port } = new URL(service.url);
  const sockets: Socket[] = [];
  after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let opened = 0; opened < 5; opened += 1) {
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write('GET /ping HTTP/1.1\r\nhost: x\r\n\r\n');
    assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 200/);
  }
  const sixth = connect(Number(port), hostname);
  sixth.on('error', () => undefined);
  sockets.push(sixth);
  await once(sixth, 'close');
  const [first] = sockets;
  assert.ok(first);
  first.write(
    `GET /metrics HTTP/1.1\r\nhost: ${randomBytes(4).toString('hex')}\r\nconnection: close\r\n\r\n`,
  );
  let text = '';
  for await (const chunk of first) text += String(chunk);
  assert.match(text, /^http_connections_dropped_total 1$/m);
});
