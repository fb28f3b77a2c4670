import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPage, type InboxItem, readInbox, store, walkInbox } from '../support/events.ts';
import {
  assertEventApiInvalid,
  assertEventApiProblem,
  callWithKey,
  newOrganization,
  type TestOrganization,
} from '../support/organizations.ts';
import { member, startTestService } from '../support/service.ts';

const service = await startTestService({ environment: { WEBHOOK_WORKER: 'off' } });
const { sql } = service;

async function storeMany(organization: TestOrganization, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1)
    ids.push(await store(service, organization, { payload: { made } }));
  return ids;
}

const get = (organization: TestOrganization, path: string) => callWithKey(service, organization, path);
const send = (organization: TestOrganization, path: string, json?: unknown) =>
  callWithKey(service, organization, path, json === undefined ? { method: 'POST' } : { json });

test('the inbox lists the events of the organization, newest first, with everything the contract lists', async () => {
  const [organization, other] = [await newOrganization(service), await newOrganization(service)];
  await store(service, other);
  const first = await store(service, organization, { type: 'a.b', payload: { x: [1] }, dedup_id: 'd' });
  const second = await store(service, organization);
  const { body, items } = await readInbox(service, organization);
  assert.deepEqual(
    items.map(({ id }) => id),
    [second, first],
  );
  const [row] = await sql`select created_at from events where id = ${first}`;
  const expected: InboxItem = {
    id: first,
    type: 'a.b',
    payload: { x: [1] },
    dedup_id: 'd',
    created_at: row?.created_at.toISOString(),
    status: 'pending',
    delivery_status: 'pending',
    attempts: 0,
    next_attempt_at: null,
    last_error: null,
  };
  assert.deepEqual(items[1], expected);
  assert.deepEqual(
    { ...Object(body), events: [] },
    { events: [], next_cursor: null, count: 2, limit: 100, offset: 0, total: null },
  );
});

test('paging by cursor neither skips nor repeats an event while others arrive', async () => {
  const organization = await newOrganization(service, 'business');
  const ids = await storeMany(organization, 25);
  const seen: string[] = [];
  let query = '?limit=4';
  for (;;) {
    const page = await readInbox(service, organization, query);
    seen.push(...page.ids);
    await storeMany(organization, 3);
    const next = member(page.body, 'next_cursor');
    if (next === null) break;
    query = `?limit=4&cursor=${next}`;
  }
  assert.deepEqual(seen, ids.toReversed());
});

test('a page that ends with the last event has no cursor', async () => {
  const organization = await newOrganization(service);
  await storeMany(organization, 4);
  assert.equal(member((await readInbox(service, organization, '?limit=4')).body, 'next_cursor'), null);
  assert.equal(
    typeof member((await readInbox(service, organization, '?limit=3')).body, 'next_cursor'),
    'string',
  );
});

test('paging by offset counts everything', async () => {
  const organization = await newOrganization(service);
  const ids = (await storeMany(organization, 5)).toReversed();
  const { body, ids: page } = await readInbox(service, organization, '?limit=2&offset=2');
  assert.deepEqual(page, ids.slice(2, 4));
  assert.equal(member(body, 'total'), 5);
  assert.equal(member(body, 'offset'), 2);
  assert.equal(member((await readInbox(service, organization, '?offset=0')).body, 'total'), 5);
  assert.deepEqual((await readInbox(service, organization, '?offset=9')).ids, []);
});

test('a cursor that is forged, of another organization or of another filter is refused', async () => {
  const [organization, other] = [await newOrganization(service), await newOrganization(service)];
  await storeMany(organization, 3);
  await storeMany(other, 3);
  const cursor = String(member((await readInbox(service, organization, '?limit=1')).body, 'next_cursor'));
  const foreign = String(member((await readInbox(service, other, '?limit=1')).body, 'next_cursor'));
  const changed = (cursor.startsWith('A') ? 'B' : 'A') + cursor.slice(1);
  for (const bad of [
    foreign,
    changed,
    cursor.slice(0, -1),
    `${cursor}A`,
    'x',
    '0',
    'a'.repeat(200),
    '%00',
    '../..',
  ]) {
    assertEventApiInvalid(
      await get(organization, `/api/inbox?cursor=${bad === '%00' ? bad : encodeURIComponent(bad)}`),
      bad === '%00' ? 'cursor string_unicode' : 'cursor value_error',
    );
  }
  assertEventApiInvalid(
    await get(organization, `/api/inbox?status=pending&cursor=${cursor}`),
    'cursor value_error',
  );
  assertEventApiInvalid(
    await get(organization, `/api/inbox?offset=1&cursor=${cursor}`),
    'offset value_error',
  );
  assert.equal((await get(organization, `/api/inbox?offset=0&cursor=${cursor}`)).status, 200);
});

test('limit, offset and status that are none are refused', async () => {
  const organization = await newOrganization(service);
  for (const [query, fault] of [
    ['limit=0', 'limit greater_than_equal'],
    ['limit=1001', 'limit less_than_equal'],
    ['limit=x', 'limit integer_type'],
    ['offset=-1', 'offset greater_than_equal'],
    ['status=lost', 'status literal_error'],
    ['page=1', 'page extra_forbidden'],
  ] as const) {
    assertEventApiInvalid(await get(organization, `/api/inbox?${query}`), fault);
  }
});

test('each status lists its events alone, page by page', async () => {
  const organization = await newOrganization(service);
  const ids = await storeMany(organization, 12);
  const of = (status: string) =>
    ids.filter((_, index) => index % 4 === ['p', 'd', 'r', 'f'].indexOf(status)).toReversed();
  await sql`update events set status = 'delivered' where id = any (${`{${of('d')}}`}::uuid[])`;
  await sql`update events set status = 'failed', attempts = 6, last_error = 'HTTP 500' where id = any (${`{${of('f')}}`}::uuid[])`;
  const dueAt = new Date(Date.now() + 60_000);
  for (const id of of('r')) {
    await sql`
      insert into deliveries (event_id, organization_id, due_at, attempts, last_error)
      values (${id}, ${organization.id}, ${dueAt}, 2, 'HTTP 503')`;
  }
  for (const [status, key] of [
    ['pending', 'p'],
    ['delivered', 'd'],
    ['retrying', 'r'],
    ['failed', 'f'],
  ] as const) {
    const page = await readInbox(service, organization, `?status=${status}&limit=2&offset=0`);
    assert.deepEqual(page.ids, of(key).slice(0, 2), status);
    assert.equal(member(page.body, 'total'), 3);
    for (const item of page.items) assert.deepEqual([item.status, item.delivery_status], [status, status]);
    const cursor = member(page.body, 'next_cursor');
    const rest = await readInbox(service, organization, `?status=${status}&limit=2&cursor=${cursor}`);
    assert.deepEqual(rest.ids, of(key).slice(2));
  }
  const { items } = await readInbox(service, organization, '?status=retrying');
  assert.deepEqual(
    [items[0]?.attempts, items[0]?.next_attempt_at, items[0]?.last_error],
    [2, dueAt.toISOString(), 'HTTP 503'],
  );
  assert.deepEqual((await readInbox(service, organization)).ids, ids.toReversed());
});

test('an acknowledged event is delivered; a second time says the same', async () => {
  const organization = await newOrganization(service);
  const [id = '', second = ''] = await storeMany(organization, 2);
  const answer = await send(organization, `/api/ack/${id}`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const at = String(member(answer.body, 'acknowledged_at'));
  assert.deepEqual(answer.body, {
    id,
    status: 'delivered',
    acknowledged_at: at,
    message: 'The event is acknowledged.',
  });
  service.clock.advance(1_000);
  for (const path of [`/api/ack/${id}`, `/api/inbox/ack/${id}`, `/api/ack/${id.toUpperCase()}`]) {
    const again = await send(organization, path);
    assert.deepEqual([again.status, again.body], [200, answer.body]);
  }
  assert.equal((await send(organization, `/api/inbox/ack/${second}`)).status, 200);
  assert.deepEqual((await readInbox(service, organization, '?status=pending')).ids, []);
  assert.deepEqual((await readInbox(service, organization, '?status=delivered')).ids, [second, id]);
});

test('an acknowledged event is not delivered any more', async () => {
  const organization = await newOrganization(service);
  await send(organization, '/api/webhook/config', { webhook_url: 'http://192.0.2.1/hook' });
  const id = await store(service, organization);
  assert.equal((await sql`select 1 from deliveries where event_id = ${id}`).length, 1);
  assert.equal((await send(organization, `/api/ack/${id}`)).status, 200);
  assert.equal((await sql`select 1 from deliveries where event_id = ${id}`).length, 0);
});

test('events of others and events that are none cannot be told apart', async () => {
  const [organization, other] = [await newOrganization(service), await newOrganization(service)];
  const foreign = await store(service, other);
  for (const id of [foreign, '019a0000-0000-7000-8000-000000000000', 'nothing', '1', "'"]) {
    const part = encodeURIComponent(id);
    for (const path of [`/api/ack/${part}`, `/api/inbox/ack/${part}`, `/api/events/${part}/replay`]) {
      assertEventApiProblem(await send(organization, path), 404, 'event-not-found');
    }
    assertEventApiProblem(await get(organization, `/api/events/${part}`), 404, 'event-not-found');
  }
  const [row] = await sql`select status from events where id = ${foreign}`;
  assert.equal(row?.status, 'pending');
});

test('many events are acknowledged at once, and each that is none is named', async () => {
  const [organization, other] = [await newOrganization(service), await newOrganization(service)];
  const [first = '', second = ''] = await storeMany(organization, 2);
  const foreign = await store(service, other);
  await send(organization, `/api/ack/${first}`);
  const answer = await send(organization, '/api/inbox/ack', {
    event_ids: [second, foreign, first, 'none', second],
  });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const results = member(answer.body, 'results');
  assert.ok(Array.isArray(results));
  assert.deepEqual(
    results.map(({ id, status }) => [id, status]),
    [
      [second, 'delivered'],
      [foreign, 'not_found'],
      [first, 'delivered'],
      ['none', 'not_found'],
      [second, 'delivered'],
    ],
  );
  assert.deepEqual([member(answer.body, 'acknowledged'), member(answer.body, 'failed')], [3, 2]);
  assert.deepEqual((await readInbox(service, other, '?status=pending')).ids, [foreign]);
  assertEventApiInvalid(await send(organization, '/api/inbox/ack', { event_ids: [] }), 'event_ids too_short');
  assertEventApiInvalid(
    await send(organization, '/api/inbox/ack', { event_ids: Array.from({ length: 101 }, () => first) }),
    'event_ids too_long',
  );
});

test('leased events are hidden from other leases until the lease ends or they are acknowledged', async () => {
  const organization = await newOrganization(service);
  const ids = await storeMany(organization, 6);
  const lease = async (limit: number, seconds = 60) => {
    const answer = await send(organization, '/api/inbox/lease', { limit, lease_seconds: seconds });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return asPage(answer.body).ids;
  };
  assert.deepEqual(await lease(2), ids.slice(0, 2));
  assert.deepEqual(await lease(2, 600), ids.slice(2, 4));
  await send(organization, `/api/ack/${ids[0]}`);
  assert.deepEqual(await lease(10), ids.slice(4));
  assert.deepEqual(await lease(10), []);
  // Leases change nothing about what the inbox lists.
  assert.equal((await readInbox(service, organization, '?status=pending')).ids.length, 5);
  service.clock.advance(61_000);
  assert.deepEqual(await lease(10), [ids[1], ...ids.slice(4)]);
  await send(organization, '/api/inbox/ack', { event_ids: ids });
  service.clock.advance(3_600_000);
  assert.deepEqual(await lease(10), []);
  for (const [json, fault] of [
    [{ limit: 0, lease_seconds: 1 }, 'limit greater_than_equal'],
    [{ limit: 1, lease_seconds: 0 }, 'lease_seconds greater_than_equal'],
    [{ limit: 1, lease_seconds: 3601 }, 'lease_seconds less_than_equal'],
  ] as const) {
    assertEventApiInvalid(await send(organization, '/api/inbox/lease', json), fault);
  }
});

test('leases taken at the same time never share an event', async () => {
  const organization = await newOrganization(service);
  const other = await newOrganization(service);
  const ids = await storeMany(organization, 60);
  await store(service, other);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => send(organization, '/api/inbox/lease', { limit: 10, lease_seconds: 60 })),
  );
  const leased = answers.flatMap(({ body }) => asPage(body).ids);
  assert.deepEqual(leased.toSorted(), ids.toSorted());
});

test('an event is read with every attempt to deliver it', async () => {
  const organization = await newOrganization(service);
  const id = await store(service, organization, { payload: { a: 1 } });
  const at = service.clock.now();
  await sql`
    insert into delivery_attempts (event_id, organization_id, number, at, status_code, duration_ms, error)
    values (${id}, ${organization.id}, 1, ${at}, 503, 12, 'HTTP 503'),
      (${id}, ${organization.id}, 2, ${new Date(at.getTime() + 30_000)}, null, 15000, 'Timeout')`;
  const answer = await get(organization, `/api/events/${id}`);
  assert.equal(answer.status, 200);
  assert.deepEqual(member(answer.body, 'delivery_attempts'), [
    { at: at.toISOString(), status_code: 503, duration_ms: 12, error: 'HTTP 503' },
    {
      at: new Date(at.getTime() + 30_000).toISOString(),
      status_code: null,
      duration_ms: 15_000,
      error: 'Timeout',
    },
  ]);
  assert.deepEqual(member(answer.body, 'payload'), { a: 1 });
  assert.equal(member(answer.body, 'acknowledged_at'), null);
});

test('a replayed event is pending again, and due at once where there is a webhook', async () => {
  const organization = await newOrganization(service);
  const [id = ''] = await storeMany(organization, 1);
  await send(organization, `/api/ack/${id}`);
  const replay = await send(organization, `/api/events/${id}/replay`);
  assert.deepEqual([replay.status, replay.body], [202, { replayed: 1 }]);
  assert.deepEqual((await readInbox(service, organization, '?status=pending')).ids, [id]);
  assert.equal((await sql`select 1 from deliveries where event_id = ${id}`).length, 0);
  await send(organization, '/api/webhook/config', { webhook_url: 'http://192.0.2.1/hook' });
  await sql`
    insert into deliveries (event_id, organization_id, due_at, attempts, fence, leased_until)
    values (${id}, ${organization.id}, now() + interval '1 hour', 4, 7, now())`;
  await send(organization, `/api/events/${id}/replay`);
  const [row] = await sql`select attempts, fence, leased_until, due_at <= now() + interval '1 minute' as due
    from deliveries where event_id = ${id}`;
  assert.equal(row?.attempts, 0);
  assert.ok(row.fence > 7, 'a result that is still on its way does not count');
  assert.equal(row.leased_until, null);
});

test('a replay by filter takes what the filter names and no other organization', async () => {
  const [organization, other] = [await newOrganization(service), await newOrganization(service)];
  const ids = await storeMany(organization, 4);
  const odd = await store(service, organization, { type: 'odd' });
  const foreign = await store(service, other);
  for (const each of [...ids, odd]) await send(organization, `/api/ack/${each}`);
  await send(other, `/api/ack/${foreign}`);
  const replay = async (filter: object) => {
    const answer = await send(organization, '/api/events/replay', filter);
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    return member(answer.body, 'replayed');
  };
  assert.equal(await replay({ type: 'odd', status: 'delivered' }), 1);
  assert.equal(await replay({ type: 'odd', status: 'delivered' }), 0);
  const now = service.clock.now();
  assert.equal(await replay({ until: new Date(now.getTime() - 3_600_000).toISOString() }), 0);
  assert.equal(await replay({ since: new Date(now.getTime() + 3_600_000).toISOString() }), 0);
  assert.equal(
    await replay({ since: new Date(now.getTime() - 3_600_000).toISOString(), status: 'delivered' }),
    4,
  );
  assert.equal(await replay({}), 5);
  assert.deepEqual((await readInbox(service, other, '?status=delivered')).ids, [foreign]);
  assertEventApiInvalid(
    await send(organization, '/api/events/replay', { since: 'today' }),
    'since timezone_aware',
  );
  assert.equal((await walkInbox(service, organization, 2)).length, 5);
});
