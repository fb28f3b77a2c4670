/** PostgreSQL killed while webhooks are on their way; database-faults.test.ts does it behind a PgBouncer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import postgres from 'postgres';
import { startReceiver } from '../support/deliveries.ts';
import { walkInbox } from '../support/events.ts';
import { callWithKey, newOrganization } from '../support/organizations.ts';
import { startPostgres15, withoutPostgres15 } from '../support/postgres15.ts';
import { checkDelivered } from './delivered.ts';
import { startFaultLoad } from './fault-load.ts';
import { makeFolder, startServer, toUrl } from './process.ts';

test('PostgreSQL killed twice under delivery: acknowledged within stored within delivered', {
  skip: withoutPostgres15,
}, async (t) => {
  const database = await startPostgres15();
  t.after(database.close);
  // Slow enough that some are always under way.
  const receiver = await startReceiver((response) => setTimeout(() => response.end(), 30));
  const server = await startServer({
    DATABASE_URL: toUrl(database.address),
    DATA_DIR: makeFolder(),
    RATE_LIMIT: 'off',
    WEBHOOK_ALLOW_PRIVATE: 'on',
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'json',
  });
  const organization = await newOrganization(server, 'enterprise');
  const webhook = { json: { webhook_url: receiver.url } };
  assert.equal((await callWithKey(server, organization, '/api/webhook/config', webhook)).status, 200);
  const load = startFaultLoad(server, organization);
  for (let kill = 1; kill <= 2; kill += 1) {
    await load.more(150);
    assert.ok(receiver.received.length > 0, server.output());
    await database.kill();
    await database.start();
  }
  await load.more(100);
  await load.stop();
  await load.checkExpected();
  const sql = postgres({ ...database.address, max: 1, fetch_types: false });
  t.after(() => sql.end({ timeout: 1 }));
  t.diagnostic(await checkDelivered(sql, receiver, load.book.events));
  const inbox = await walkInbox(server, organization);
  assert.equal(new Set(inbox).size, inbox.length, 'nothing twice in the inbox');
  const said = server.output().match(/Webhooks cannot be delivered/g) ?? [];
  assert.ok(said.length <= 6, server.output());
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0, server.output());
});
