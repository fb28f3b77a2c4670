import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { post, store, walkInbox } from '../support/events.ts';
import { callWithKey, newOrganization, type TestOrganization } from '../support/organizations.ts';
import { call, startTestService, textMember } from '../support/service.ts';
import { type Break, createDatabaseProxy } from './database-proxy.ts';
import { makeFolder, type RunningServer, startServer } from './process.ts';

const proxy = createDatabaseProxy();
const service = await startTestService({
  reachDatabase: proxy.reach,
  environment: { WEBHOOK_WORKER: 'off' },
});

const breaks: readonly Break[] = ['before it arrives', 'after it arrived'];
for (const when of breaks) {
  test(`events whose commit was not confirmed are stored once and then answered: connection lost ${when}`, async () => {
    const organization = await newOrganization(service, 'business');
    await callWithKey(service, organization, '/api/webhook/config', {
      json: { webhook_url: 'http://192.0.2.1/hook' },
    });
    await store(service, organization);
    const before = proxy.broken;
    proxy.breakAt('insert into event_dedup', when);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        post(service, organization, {
          type: 'a',
          payload: { index },
          ...(index % 2 === 0 ? { dedup_id: `id ${index}` } : {}),
        }),
      ),
    );
    assert.equal(proxy.broken, before + 1, 'the connection was broken');
    // One that came while the database was thought to be away may have been refused at once, and then is not stored.
    const stored = answers.filter(({ status }) => status === 201).map(({ body }) => textMember(body, 'id'));
    for (const { status } of answers) assert.ok(status === 201 || status === 503, String(status));
    assert.ok(stored.length > 0);
    const inbox = await walkInbox(service, organization);
    assert.deepEqual(inbox.slice(0, -1).toSorted(), stored.toSorted());
    const [row] = await service.sql`
      select count(*)::int as count from deliveries where organization_id = ${organization.id}`;
    assert.equal(row?.count, inbox.length);
  });
}

test('while the database is away events are refused at once or in time, and afterwards taken again', async () => {
  const organization = await newOrganization(service, 'business');
  await store(service, organization);
  proxy.refuse();
  const waiting = post(service, organization, { type: 'waiting', payload: {} });
  await wait(300);
  const startedAt = performance.now();
  const refused = await post(service, organization, { type: 'refused', payload: {} });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.ok(performance.now() - startedAt < 1_000);
  proxy.restore();
  // What was taken in before the outage was noticed is stored when it is over.
  assert.equal((await waiting).status, 201);
  const deadline = performance.now() + 5_000;
  while ((await post(service, organization, { type: 'later', payload: {} })).status !== 201) {
    assert.ok(performance.now() < deadline);
    await wait(50);
  }
  assert.equal((await walkInbox(service, organization)).length, 3);
});

/** Posts from many callers until told to stop; every answer of 201 is kept. */
function startLoad(reach: () => RunningServer, organizations: readonly TestOrganization[]) {
  const acknowledged = new Map<string, string[]>(organizations.map(({ id }) => [id, []]));
  const unexpected: unknown[] = [];
  const load = { isOn: true, refused: 0, lost: 0, unexpected, acknowledged };
  let serial = 0;
  const callers = Array.from({ length: 40 }, async (_, caller) => {
    const organization = organizations[caller % organizations.length];
    assert.ok(organization !== undefined);
    while (load.isOn) {
      serial += 1;
      const event = { type: 'load', payload: { serial }, dedup_id: `load ${serial}` };
      // A caller that hears nothing, or that it did not work, tries again under the same dedup_id.
      for (let attempt = 0; ; attempt += 1) {
        try {
          const answer = await post(reach(), organization, event);
          if (answer.status === 201) {
            acknowledged.get(organization.id)?.push(textMember(answer.body, 'id'));
            break;
          }
          if (answer.status === 409 && attempt > 0) {
            // Stored by an attempt whose answer was lost.
            acknowledged.get(organization.id)?.push(textMember(answer.body, 'event_id'));
            break;
          }
          if (answer.status === 503) load.refused += 1;
          else load.unexpected.push(answer);
        } catch {
          load.lost += 1;
        }
        if (!load.isOn) break;
        await wait(20);
      }
    }
  });
  return {
    load,
    async stop() {
      load.isOn = false;
      await Promise.all(callers);
    },
    count: () => [...acknowledged.values()].reduce((sum, ids) => sum + ids.length, 0),
  };
}

test('killing PostgreSQL and the server under load loses no acknowledged event and stores none twice', async (t) => {
  const dataDir = `${makeFolder()}/data`;
  const environment = { DATA_DIR: dataDir, LOG_LEVEL: 'warn', WEBHOOK_WORKER: 'off' };
  let server = await startServer(environment);
  const organizations = [await newOrganizationOf(server), await newOrganizationOf(server)];
  const { load, stop, count } = startLoad(() => server, organizations);
  const more = async (what: string) => {
    const target = count() + 400;
    const deadline = performance.now() + 60_000;
    while (count() < target) {
      assert.ok(performance.now() < deadline, `${what}: ${server.output()}`);
      await wait(20);
    }
  };
  await more('it stores events');
  for (let round = 0; round < 2; round += 1) {
    process.kill(postmasterOf(dataDir), 'SIGKILL');
    await more('it stores events after PostgreSQL was killed');
    server.signal('SIGKILL');
    await server.finished;
    server = await startServer(environment);
    await more('it stores events after the server was killed');
  }
  await stop();
  assert.deepEqual(
    load.unexpected,
    [],
    `${JSON.stringify(load.unexpected)}\n${server.output().slice(-20_000)}`,
  );
  for (const organization of organizations) {
    const inbox = await walkInbox(server, organization);
    assert.equal(new Set(inbox).size, inbox.length, 'nothing twice');
    const held = new Set(inbox);
    const acknowledged = load.acknowledged.get(organization.id) ?? [];
    for (const id of acknowledged) assert.ok(held.has(id), `acknowledged and lost: ${id}`);
    const serials = await readSerials(server, organization);
    assert.equal(new Set(serials).size, serials.length, 'no event under two ids');
  }
  t.diagnostic(`${count()} acknowledged, ${load.refused} refused with 503, ${load.lost} without an answer`);
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0);
});

async function newOrganizationOf(server: RunningServer): Promise<TestOrganization> {
  const json = { organization_name: 'Load', tier: 'enterprise' };
  const { body } = await call(server, '/api/keys/generate', { json });
  return { id: textMember(body, 'organization_id'), name: 'Load', apiKey: textMember(body, 'api_key') };
}

async function readSerials(server: RunningServer, organization: TestOrganization): Promise<number[]> {
  const serials: number[] = [];
  let query = '?limit=1000';
  for (;;) {
    const { body } = await callWithKey(server, organization, `/api/inbox${query}`);
    const page: { events: { payload: { serial: number } }[]; next_cursor: string | null } = JSON.parse(
      JSON.stringify(body),
    );
    serials.push(...page.events.map(({ payload }) => payload.serial));
    if (page.next_cursor === null) return serials;
    query = `?limit=1000&cursor=${page.next_cursor}`;
  }
}

/** The first line of PostgreSQL's lock file is the process to kill. */
function postmasterOf(dataDir: string): number {
  const [pid = ''] = readFileSync(join(dataDir, 'postgresql', 'postmaster.pid'), 'utf8').split('\n');
  return Number(pid);
}
