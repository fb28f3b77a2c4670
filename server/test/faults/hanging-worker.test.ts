/** A worker that says nothing: one that hangs is replaced, one that is only slow is not. They wait at the same time. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import postgres from 'postgres';
import { createTestDatabase } from '../support/database.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { makeFolder, toUrl } from './process.ts';
import { type Connection, connectToEach, metricOf, until, workersOf } from './worker-connections.ts';
import { enter, startNode } from './worker-node.ts';

async function makeEnvironment() {
  return {
    DATABASE_URL: toUrl(await createDatabaseProxy().reach(await createTestDatabase())),
    DATABASE_POOL_SIZE: '3',
    DATA_DIR: makeFolder(),
  };
}

const ofHanging = await makeEnvironment();
const ofPausing = await makeEnvironment();
const ofStarting = await makeEnvironment();

/** That of the worker that is not stopped. The other's answer comes when it goes on, or never. */
async function findAnswering(each: readonly Connection[]): Promise<Connection> {
  return await Promise.any(
    each.map(async (connection) => {
      await connection.ask('/ping');
      return connection;
    }),
  );
}

/** @returns milliseconds that so many changes took together */
async function changeName(connection: Connection, bearer: string, times: number): Promise<number> {
  const beganAt = performance.now();
  for (let count = 0; count < times; count += 1) {
    const json = { name: `Name ${count}` };
    const changed = await connection.ask('/api/v1/users/me', { method: 'PATCH', json, bearer });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
  }
  return performance.now() - beganAt;
}

describe('a worker that says nothing', { concurrency: true }, () => {
  test('holds up the others once, and is replaced when it hangs', async () => {
    const { server, url, pid, bothServe, end } = await startNode(ofHanging);
    const each = await connectToEach(url, 2);
    const restarts = await metricOf(url, 'worker_restarts_total');
    const [hanging = 0] = workersOf(pid);
    process.kill(hanging, 'SIGSTOP');
    const alive = await findAnswering(each);
    const { bearer } = await enter(alive);
    const tookMs = await changeName(alive, bearer, 20);
    assert.ok(tookMs < 15_000, `20 changes took ${Math.round(tookMs)} ms: each waits for the one that hangs`);
    await until('it is killed', () => server.output().includes('it hangs, and is killed'));
    await until('it is gone', () => !existsSync(`/proc/${hanging}`));
    await bothServe();
    const said = server
      .output()
      .split('\n')
      .filter((line) => line.includes(`"pid":${hanging},`));
    assert.equal(said.length, 2, said.join('\n'));
    assert.match(said[0] ?? '', /"silentMs":20000.*Worker \d has not answered for 20 s/);
    assert.match(said[1] ?? '', /was killed by SIGKILL\. It is started again\./);
    assert.equal(await metricOf(url, 'worker_restarts_total'), restarts + 1);
    for (const connection of each) connection.close();
    await end();
  });

  test('is waited for again once it has answered, be it that nothing was changed since', async () => {
    const { url, pid, end } = await startNode(ofPausing);
    const each = await connectToEach(url, 2);
    const [pausing = 0] = workersOf(pid);
    process.kill(pausing, 'SIGSTOP');
    const alive = await findAnswering(each);
    const { bearer } = await enter(alive);
    await changeName(alive, bearer, 2);
    // By then no change is left that it could still confirm in time.
    await pause(2_000);
    process.kill(pausing, 'SIGCONT');
    // It is asked every 5 s. Pings, so that the connection is kept.
    for (let second = 0; second < 12; second += 1) {
      await pause(1_000);
      await alive.ask('/ping');
    }
    process.kill(pausing, 'SIGSTOP');
    const tookMs = await changeName(alive, bearer, 1);
    process.kill(pausing, 'SIGCONT');
    assert.ok(tookMs > 900, `The change took ${Math.round(tookMs)} ms: nobody waited for the other worker.`);
    for (const connection of each) connection.close();
    await end();
  });

  test('is not taken for one that hangs as long as it starts', async () => {
    const { server, pid, bothServe, end } = await startNode(ofStarting);
    const sql = postgres(ofStarting.DATABASE_URL, { max: 2, fetch_types: false });
    const held = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const holding = sql.begin(async (tx) => {
      await tx`lock table schema_migrations in access exclusive mode`;
      held.resolve();
      await released.promise;
    });
    await held.promise;
    const [first = 0, second = 0] = workersOf(pid);
    process.kill(first, 'SIGKILL');
    await until('its successor looks for the migrations', async () => {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int as count from pg_locks
        where not granted and relation = 'schema_migrations'::regclass`;
      return row?.count === 1;
    });
    const starting = workersOf(pid).find((each) => each !== first && each !== second) ?? 0;
    process.kill(starting, 'SIGSTOP');
    // One that serves would be killed after 25 s at the latest.
    await pause(27_000);
    process.kill(starting, 'SIGCONT');
    released.resolve();
    await holding;
    await sql.end();
    await bothServe();
    assert.ok(workersOf(pid).includes(starting), server.output().slice(-2_000));
    assert.ok(!server.output().includes('it hangs'), server.output().slice(-2_000));
    await end();
  });
});
