/** What was acknowledged, and who was signed out, when serving processes are killed one after the other under load. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import postgres from 'postgres';
import { createTestDatabase } from '../support/database.ts';
import { newOrganization } from '../support/organizations.ts';
import { createDatabaseProxy } from './database-proxy.ts';
import { startFaultLoad } from './fault-load.ts';
import { makeFolder, toUrl } from './process.ts';
import { workersOf } from './worker-connections.ts';
import { startNode } from './worker-node.ts';

const kills = 3;
const database = await createTestDatabase();

test('kill -9 of workers under load loses nothing acknowledged and brings nobody back who was signed out', async (t) => {
  const { server, pid, bothServe, end } = await startNode({
    DATABASE_URL: toUrl(await createDatabaseProxy().reach(database)),
    DATABASE_POOL_SIZE: '4',
    DATA_DIR: makeFolder(),
    RATE_LIMIT: 'off',
  });
  const organization = await newOrganization(server, 'enterprise');
  const load = startFaultLoad(server, organization, { mayBreak: true });
  for (let round = 0; round < kills; round += 1) {
    await load.more(60);
    process.kill(workersOf(pid)[round % 2] ?? 0, 'SIGKILL');
    const killedAt = performance.now();
    // The other goes on meanwhile.
    await load.more(10);
    const wentOnMs = performance.now() - killedAt;
    await bothServe();
    t.diagnostic(
      `ten writes ${wentOnMs.toFixed()} ms, both workers ${(performance.now() - killedAt).toFixed()} ms after the kill`,
    );
  }
  await load.more(60);
  await load.stop();
  await load.checkExpected();
  const { accounts, ended, events, broken, refused } = load.book;
  t.diagnostic(
    `${accounts.length} accounts, ${ended.length} ended sessions, ${events.length} events acknowledged; ` +
      `${broken} connections broke, ${refused} answers of 503`,
  );
  assert.ok(broken > 0, 'it was felt');
  // What was under way on the connections of those that were killed: the load has ten at once.
  assert.ok(broken <= kills * 12, `${broken} connections broke`);

  const sql = postgres({ ...database, max: 1, fetch_types: false });
  t.after(() => sql.end({ timeout: 1 }));
  await load.checkKept(sql);
  await end();
});
