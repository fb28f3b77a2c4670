import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import postgres from 'postgres';
import { openDatabase } from '../../src/database/database.ts';
import { createListShare } from '../../src/database/list-share.ts';
import { migrate } from '../../src/database/migrations.ts';
import { createReplica } from '../../src/database/replica.ts';
import { makeFolder, startServer, toUrl } from '../faults/process.ts';
import { addItem, createExercise, ownExercise } from '../support/catalog.ts';
import { createTestDatabase } from '../support/database.ts';
import { until } from '../support/deliveries.ts';
import { readInbox, store } from '../support/events.ts';
import { newOrganization } from '../support/organizations.ts';
import { withoutPostgres15 as skip, startPostgres15 } from '../support/postgres15.ts';
import {
  call,
  enterAsSuperuser,
  member,
  type SignedIn,
  signUp,
  startTestService,
  type TestService,
  textMember,
} from '../support/service.ts';

async function open() {
  const primary = await startPostgres15();
  await migrate(primary.address);
  const replica = await primary.startReplica();
  const options = { database: primary.address, replica: replica.address };
  const one = await startTestService(options);
  const other = await startTestService(options);
  const there = postgres({ ...replica.address, max: 1, onnotice: () => undefined });
  after(async () => {
    // The service ends what it has open before its databases go.
    await one.close();
    await other.close();
    await there.end({ timeout: 1 });
    await replica.close();
    await primary.close();
  });
  const pauseReplay = async () => {
    await there`select pg_wal_replay_pause()`;
    await until('replay pauses', async () => {
      const [row] = await there`select pg_get_wal_replay_pause_state() as state`;
      return row?.state === 'paused';
    });
  };
  const resumeReplay = async () => {
    await there`select pg_wal_replay_resume()`;
  };
  return { primary, replica, there, one, other, pauseReplay, resumeReplay };
}

const fixture = skip === false ? await open() : undefined;
function parts() {
  assert.ok(fixture !== undefined);
  return fixture;
}

async function readMetric(service: TestService, line: string): Promise<number> {
  const { body } = await call(service, '/metrics');
  const found = String(body)
    .split('\n')
    .find((each) => each.startsWith(`${line} `));
  return Number(found?.split(' ').at(-1) ?? 0);
}
const readsFrom = (service: TestService, place: 'replica' | 'primary') =>
  readMetric(service, `list_reads_total{from="${place}"}`);
const isUsed = async (service: TestService) => (await readMetric(service, 'replica_used')) === 1;

const searchPath = '/api/v1/exercises?scope=user&page_size=100';

async function listExercises(service: TestService, { accessToken }: SignedIn): Promise<string[]> {
  const { status, body } = await call(service, searchPath, { bearer: accessToken });
  assert.equal(status, 200, JSON.stringify(body));
  const items = member(body, 'items');
  assert.ok(Array.isArray(items));
  return items.map((item) => textMember(item, 'id'));
}

test('lists and inbox pages are read from the replica', { skip }, async () => {
  const { one } = parts();
  await until('the replica is used', () => isUsed(one), 30_000);
  const superuser = await enterAsSuperuser(one);
  const organization = await newOrganization(one);
  const event = await store(one, organization);
  const before = await readsFrom(one, 'replica');
  for (const path of ['/api/v1/exercises?searchString=none', '/api/v1/users', '/api/v1/audit']) {
    assert.equal((await call(one, path, { bearer: superuser.accessToken })).status, 200, path);
  }
  assert.deepEqual((await readInbox(one, organization)).ids, [event]);
  await until('they were read there', async () => (await readsFrom(one, 'replica')) >= before + 6);
});

test('a replica that is some milliseconds behind is waited for, and shows every write through every node', {
  skip,
}, async () => {
  const { one, other, there } = parts();
  await there.unsafe(`alter system set recovery_min_apply_delay = '10ms'`);
  await there`select pg_reload_conf()`;
  await until('the replica is used', async () => (await isUsed(one)) && (await isUsed(other)), 30_000);
  const organization = await newOrganization(one);
  const before = await readsFrom(other, 'replica');
  const events: string[] = [];
  for (let round = 0; round < 30; round += 1) {
    events.unshift(await store(one, organization));
    assert.deepEqual((await readInbox(other, organization, '?limit=100')).ids, events);
  }
  assert.ok((await readsFrom(other, 'replica')) > before, 'some of that was read from the replica');
  await there.unsafe('alter system reset recovery_min_apply_delay');
  await there`select pg_reload_conf()`;
});

test('whoever wrote sees it at once while the replica stands still, and so does everybody else', {
  skip,
}, async (t) => {
  const { one, other, pauseReplay, resumeReplay } = parts();
  const superuser = await enterAsSuperuser(one);
  const muscle = await addItem(one, superuser, 'muscle-groups', 'Still');
  const organization = await newOrganization(one);
  await until('the replica is used', async () => (await isUsed(one)) && (await isUsed(other)), 30_000);
  await pauseReplay();
  t.after(resumeReplay);
  const own = await createExercise(one, superuser, 'user', ownExercise(muscle));
  assert.deepEqual(await listExercises(one, superuser), [own]);
  const event = await store(one, organization);
  for (const service of [one, other]) {
    assert.deepEqual((await readInbox(service, organization)).ids, [event]);
    const person = await signUp(one);
    const { body } = await call(service, `/api/v1/users?searchString=${person.email}`, {
      bearer: superuser.accessToken,
    });
    assert.match(JSON.stringify(body), new RegExp(person.id));
  }
  assert.equal(await isUsed(one), false);

  // A page that was made while the replica stood still is kept; what it shows must not go back behind it.
  const second = await createExercise(other, superuser, 'user', ownExercise(muscle));
  const both = [own, second].toSorted();
  await until(
    'the news reaches the first node',
    async () => (await listExercises(one, superuser)).length === 2,
    5_000,
  );
  assert.deepEqual((await listExercises(one, superuser)).toSorted(), both);
  await resumeReplay();
  await until('the replica is used again', () => isUsed(one), 10_000);
  for (const service of [one, other])
    assert.deepEqual((await listExercises(service, superuser)).toSorted(), both);
});

test('pages kept while rows change and the replica lags now and then are never older than what was announced', {
  skip,
}, async () => {
  const { one, pauseReplay, resumeReplay } = parts();
  const superuser = await enterAsSuperuser(one);
  const muscle = await addItem(one, superuser, 'muscle-groups', 'Changing');
  await until('the replica is used', () => isUsed(one), 30_000);
  let isOn = true;
  // Pages of the same key are made all the time, some of them just while a row is written.
  const reading = Array.from({ length: 3 }, async () => {
    while (isOn) await listExercises(one, superuser);
  });
  const made: string[] = [];
  for (let round = 0; round < 24; round += 1) {
    if (round % 8 === 4) await pauseReplay();
    made.push(await createExercise(one, superuser, 'user', ownExercise(muscle)));
    assert.deepEqual((await listExercises(one, superuser)).toSorted(), made.toSorted(), `round ${round}`);
    if (round % 8 === 6) await resumeReplay();
  }
  isOn = false;
  await Promise.all(reading);
});

test('a replica that is stopped holds nobody up for long', { skip }, async (t) => {
  const { one, replica } = parts();
  const organization = await newOrganization(one);
  await until('the replica is used', () => isUsed(one), 30_000);
  replica.pause();
  t.after(() => replica.resume());
  const startedAt = performance.now();
  const events = [await store(one, organization)];
  for (let round = 0; round < 10; round += 1) {
    assert.deepEqual((await readInbox(one, organization)).ids, events);
  }
  const tookMs = performance.now() - startedAt;
  t.diagnostic(`${tookMs.toFixed()} ms for one write and ten reads`);
  assert.ok(tookMs < 4_900, `${tookMs} ms`);
  replica.resume();
  await until('the replica is used again', () => isUsed(one), 30_000);
});

test('killing the replica under load fails no list, is said once, and it is used again when it is back', {
  skip,
}, async (t) => {
  const { primary, replica } = parts();
  const server = await startServer({
    DATABASE_URL: toUrl(primary.address),
    DATABASE_REPLICA_URL: toUrl(replica.address),
    DATA_DIR: makeFolder(),
    KEY_SIGNUP: 'open',
  });
  const organization = await newOrganization(server, 'enterprise');
  const isUsedThere = async () => /^replica_used 1$/m.test(String((await call(server, '/metrics')).body));
  await until('the replica is used', isUsedThere, 30_000);
  let isOn = true;
  let reads = 0;
  const events: string[] = [];
  const load = Array.from({ length: 4 }, async () => {
    while (isOn) {
      await readInbox(server, organization);
      reads += 1;
    }
  });
  const writer = (async () => {
    while (isOn) {
      events.unshift(await store(server, organization));
      assert.deepEqual((await readInbox(server, organization, '?limit=20')).ids, events.slice(0, 20));
    }
  })();
  await replica.kill();
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  await replica.start();
  const backAt = performance.now();
  await until('the replica is used again', isUsedThere, 30_000);
  t.diagnostic(`used ${(performance.now() - backAt).toFixed()} ms after its start; ${reads} reads meanwhile`);
  isOn = false;
  await Promise.all([...load, writer]);
  server.signal('SIGTERM');
  const { status, stdout } = await server.finished;
  assert.equal(status, 0);
  assert.equal(stdout.match(/The replica is not used/g)?.length, 1, stdout.slice(-2_000));
  assert.equal(stdout.match(/are read from the replica/g)?.length, 2);
});

test('the replica comes into use while the line for lists on the primary is full', { skip }, async () => {
  const { primary, replica: theReplica } = parts();
  const queue = { mostWaiting: 4, maxWaitMs: 30_000 };
  // Three of four connections for lists, and two lists may wait.
  const here = openDatabase({ address: primary.address, poolSize: 4, timeoutMs: 30_000, queue });
  const lists = createListShare({
    database: here,
    queue,
    now: () => performance.now(),
    onWait: () => undefined,
    onRefused: () => undefined,
  });
  const reads: string[] = [];
  const replica = createReplica({
    primary: lists,
    position: here.sql,
    replica: openDatabase({ address: theReplica.address, poolSize: 1, timeoutMs: 5_000 }),
    now: () => performance.now(),
    onRead: (from) => reads.push(from),
    onChange: () => undefined,
  });
  let isOver = false;
  const lanes = Array.from({ length: 5 }, async () => {
    while (!isOver) await lists.sql`select pg_sleep(0.2)`;
  });
  const isFull = () => assert.rejects(lists.sql`select 1 as one`, { code: 'overloaded' });
  try {
    await isFull();
    replica.open();
    await until('the replica is used', () => replica.isUsed, 30_000);
    await isFull();
    await until('a list is read there', async () => {
      await replica.sql`select 1 as one`.catch(() => undefined);
      return reads.includes('replica');
    });
    await isFull();
  } finally {
    isOver = true;
    await Promise.all(lanes);
    await replica.close();
    await here.close();
  }
});

test('a primary or the replica of another database is never read as the replica, and is named', {
  skip,
}, async () => {
  const { primary, replica: theReplica } = parts();
  const stranger = await createTestDatabase();
  for (const [ours, theirs, sentence] of [
    [primary.address, primary.address, /leads to a primary/],
    [stranger, theReplica.address, /replica of another database/],
  ] as const) {
    const here = openDatabase({ address: ours, poolSize: 1, timeoutMs: 5_000 });
    const told: unknown[] = [];
    const reads: string[] = [];
    const replica = createReplica({
      primary: here,
      position: here.sql,
      replica: openDatabase({ address: theirs, poolSize: 1, timeoutMs: 2_000 }),
      now: () => performance.now(),
      onRead: (from) => reads.push(from),
      onChange: (reason) => told.push(reason),
    });
    replica.open();
    await until('it is told', () => told.length > 0, 30_000);
    assert.match(String(told[0]), sentence);
    await replica.sql`select 1 as one`;
    assert.deepEqual(reads, ['primary']);
    await replica.close();
    await here.close();
  }
});
