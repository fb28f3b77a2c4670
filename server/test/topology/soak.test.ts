import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { makeFolder } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';
import { valkeyIsMissing } from '../support/valkey.ts';
import { administratorPassword, startDeployment, startSurroundings } from './deployment.ts';
import { makeCertificate } from './nginx.ts';
import { missingPrograms } from './programs.ts';
import { openSoakLoad } from './soak/load.ts';
import { type Reading, readDeployment } from './soak/readings.ts';

const skip =
  process.platform === 'linux'
    ? missingPrograms({ nginx: 'nginx-light', openssl: 'openssl', pgbouncer: 'pgbouncer' }) || valkeyIsMissing
    : 'reads /proc: Linux alone';

const warmUpMs = 4_000;
const loadMs = 8_000;
/** Of each kind in all: more than may be left over below, so that one thing kept for each request shows. */
const leastAsked = 15;
/** Pools that had not opened all of their connections after the warm-up: three in each of four workers. */
const moreDescriptors = 12;
const moreConnections = 4;
/** tools/bench/soak.ts looks closer, for an hour; in seconds this is what a young heap differs by at random. */
const moreMb = { workers: 150, supervisors: 60, nginx: 30, pgbouncer: 30, valkey: 30 };
const settledWithinMs = 20_000;

test('a deployment under a mixed load answers all of it, keeps what it acknowledged and nothing else', {
  skip,
}, async () => {
  const folder = makeFolder();
  const database = await createTestDatabase();
  const closers: (() => Promise<void> | void)[] = [];
  after(async () => {
    for (const close of closers.toReversed()) await close();
  });
  // What is idle is closed after a second rather than after minutes, so that what is left over shows.
  const surroundings = await startSurroundings(database, { server_idle_timeout: '1' });
  closers.push(() => surroundings.close());
  const certificate = makeCertificate(folder);
  const deployment = await startDeployment({
    folder,
    database,
    surroundings,
    certificate,
    environment: {
      ARGON2_MEMORY_KIB: '64',
      ARGON2_PASSES: '1',
      DATABASE_POOL_SIZE: '3',
      WEBHOOK_ALLOW_PRIVATE: 'on',
    },
    replace: { 'keepalive_timeout 60s;': 'keepalive_timeout 1s;' },
    keepsLogs: true,
  });
  closers.push(() => deployment.stop());
  const sql = postgres({ ...database, max: 1, fetch_types: false });
  closers.push(() => sql.end({ timeout: 1 }));
  const load = await openSoakLoad({
    url: deployment.url,
    ca: readFileSync(certificate.chain),
    administrator: { email: 'admin@irontrack.local', password: administratorPassword },
    rate: 40,
    leastPerSecond: 2.5,
    people: 24,
    clients: 6,
  });
  closers.push(async () => {
    await load.pause();
    load.close();
  });
  const look = () => readDeployment({ deployment, surroundings, sql });

  load.run();
  await wait(warmUpMs);
  await load.pause();
  load.disconnect();
  load.take();
  const before = await settle(look);
  load.run();
  await wait(loadMs);
  await load.pause();
  const { kinds } = load.take();
  assert.deepEqual(load.faults, []);
  assert.ok(kinds.size >= 20, `${kinds.size} kinds`);
  for (const [name, { asked, passed }] of kinds) {
    assert.ok(asked >= leastAsked, `${name}: ${asked} asked, ${passed} turns without anybody`);
  }

  const { acknowledged, lost, undelivered } = await load.checkEvents();
  assert.ok(acknowledged > 100, `${acknowledged} events`);
  assert.deepEqual(lost, [], 'acknowledged and not in the inbox');
  assert.deepEqual(undelivered, [], 'acknowledged and not delivered');
  const people = await sql<{ email: string }[]>`select email from users`;
  const known = new Set(people.map(({ email }) => email));
  assert.deepEqual(
    load.signedUp.filter((email) => !known.has(email)),
    [],
    'signed up and not there',
  );

  load.disconnect();
  let later = await look();
  const deadline = performance.now() + settledWithinMs;
  while (findLeftOver(before, later).length > 0 && performance.now() < deadline) {
    await wait(500);
    later = await look();
  }
  assert.deepEqual(findLeftOver(before, later), []);
  assert.equal(later.metrics.workerRestarts, 0);
  assert.equal(later.metrics.refusals, 0);
  for (const name of ['1', '2']) {
    const errors = readFileSync(join(folder, name, 'node.log'), 'utf8')
      .split('\n')
      .filter((line) => /"level":[56]0\b/.test(line));
    assert.deepEqual(errors, [], `the log of node ${name}`);
  }
});

/** Waits until what is idle is closed: two readings a second apart say the same. */
async function settle(look: () => Promise<Reading>): Promise<Reading> {
  const deadline = performance.now() + settledWithinMs;
  let reading = await look();
  for (;;) {
    await wait(1_000);
    const next = await look();
    const isSettled = countAll(next) === countAll(reading);
    reading = next;
    if (isSettled || performance.now() > deadline) return reading;
  }
}

function countAll({ groups, databaseConnections }: Reading): number {
  return (
    groups.workers.descriptors + groups.nginx.descriptors + groups.pgbouncer.descriptors + databaseConnections
  );
}

/** What a deployment holds more than before, in words. */
function findLeftOver(before: Reading, later: Reading): string[] {
  const found: string[] = [];
  const compare = (what: string, was: number, is: number, margin: number) => {
    if (is > was + margin) found.push(`${what}: ${was.toFixed()} became ${is.toFixed()}`);
  };
  for (const name of ['workers', 'supervisors', 'nginx', 'pgbouncer', 'valkey'] as const) {
    const [was, is] = [before.groups[name], later.groups[name]];
    compare(`processes of ${name}`, was.processes, is.processes, 0);
    compare(`descriptors of ${name}`, was.descriptors, is.descriptors, moreDescriptors);
    compare(`MB of ${name}`, was.residentMb, is.residentMb, moreMb[name]);
  }
  compare(
    'connections to PostgreSQL',
    before.databaseConnections,
    later.databaseConnections,
    moreConnections,
  );
  compare('connections to Valkey', before.valkeyConnections, later.valkeyConnections, moreConnections);
  return found;
}
