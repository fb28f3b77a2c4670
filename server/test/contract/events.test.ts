import assert from 'node:assert/strict';
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { test } from 'node:test';
import { post, postRaw, readInbox, store, walkInbox } from '../support/events.ts';
import {
  assertEventApiInvalid,
  assertEventApiProblem,
  callWithKey,
  newOrganization,
  type TestOrganization,
} from '../support/organizations.ts';
import { call, member, startTestService, textMember } from '../support/service.ts';

const service = await startTestService();
const { sql } = service;

const countEvents = async (organizationId: string) => {
  const [row] =
    await sql`select count(*)::int as count from events where organization_id = ${organizationId}`;
  return Number(row?.count);
};

test('an event is answered after it is stored, with everything the contract lists', async () => {
  const organization = await newOrganization(service);
  const before = Date.now();
  const answer = await post(service, organization, { type: 'order.created', payload: { a: 1 } });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
  assert.match(answer.headers.get('x-response-time') ?? '', /^\d+\.\d\dms$/);
  assert.equal(answer.headers.get('x-ratelimit-limit'), '100');
  assert.equal(answer.headers.get('x-ratelimit-remaining'), '99');
  const reset = Number(answer.headers.get('x-ratelimit-reset')) * 1000;
  assert.ok(reset > before && reset <= Date.now() + 61_000);
  const [row] = await sql`select * from events where organization_id = ${organization.id}`;
  assert.ok(row !== undefined);
  assert.deepEqual(answer.body, {
    id: row.id,
    event_id: row.id,
    type: 'order.created',
    organization_id: organization.id,
    status: 'pending',
    created_at: row.created_at.toISOString(),
    message: 'The event is stored.',
  });
  assert.match(row.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.equal(row.payload, '{"a":1}');
  assert.equal(row.status, 'pending');
});

test('a payload is kept to the byte', async () => {
  const organization = await newOrganization(service);
  const payloads = [
    '{}',
    '{ "b" : 1.00e2,\t"a":[ 1,2 ,"\\u00e9\u00e9\u{1f600}" ]\r\n}',
    '{"a":"}{][\\"\\\\","\\"}":"\\\\"}',
    '{"type":"inner","payload":{"payload":{}},"n":123456789012345678901234567890.10}',
    '{"a":1,"a":2}',
  ];
  for (const payload of payloads) {
    const answer = await postRaw(service, organization, ` {"payload" :${payload} , "type":"\\u0061.b"}\n`);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    assert.equal(member(answer.body, 'type'), 'a.b');
  }
  const rows = await sql`select payload from events where organization_id = ${organization.id} order by id`;
  assert.deepEqual(
    rows.map((row) => row.payload),
    payloads,
  );
  // In the inbox too: the text is searched for, since parsing it would hide the difference.
  const page = await fetch(new URL('/api/inbox', service.url), {
    headers: { 'x-api-key': organization.apiKey },
  });
  const text = await page.text();
  for (const payload of payloads) assert.ok(text.includes(`"payload":${payload},`), payload);
});

test('data is another name for the payload', async () => {
  const organization = await newOrganization(service);
  assert.equal((await post(service, organization, { type: 'a', data: { b: 2 } })).status, 201);
  const { items } = await readInbox(service, organization);
  assert.deepEqual(items[0]?.payload, { b: 2 });
  const both = await post(service, organization, { type: 'a', data: {}, payload: {} });
  assertEventApiInvalid(both, 'payload json_invalid');
});

test('a dedup_id is taken once in 24 hours for each organization, and the 409 names the event', async () => {
  const [organization, other] = [await newOrganization(service), await newOrganization(service)];
  const event = { type: 'order.created', payload: { a: 1 }, dedup_id: 'order-1' };
  const id = await store(service, organization, event);
  const again = await post(service, organization, event);
  assert.equal(again.status, 409);
  assert.equal(member(again.body, 'event_id'), id);
  assert.equal(member(again.body, 'payload_mismatch'), false);
  assert.equal(member(again.body, 'code'), 'event-repeated');
  assert.equal(member(again.body, 'error'), member(again.body, 'detail'));
  const changed = await post(service, organization, { ...event, payload: { a: 2 } });
  assert.equal(changed.status, 409);
  assert.equal(member(changed.body, 'event_id'), id);
  assert.equal(member(changed.body, 'payload_mismatch'), true);
  await store(service, other, event);
  assert.equal(await countEvents(organization.id), 1);
});

test('the header Idempotency-Key does what a dedup_id does; a dedup_id in the body comes first', async () => {
  const organization = await newOrganization(service);
  const headers = { 'idempotency-key': 'key-1' };
  const first = await postRaw(service, organization, '{"type":"a","payload":{}}', headers);
  assert.equal(first.status, 201);
  const second = await postRaw(service, organization, '{"type":"a","payload":{}}', headers);
  assert.equal(second.status, 409);
  assert.equal(member(second.body, 'event_id'), member(first.body, 'id'));
  const third = await postRaw(service, organization, '{"type":"a","payload":{},"dedup_id":"x"}', headers);
  assert.equal(third.status, 201);
  assertEventApiInvalid(
    await postRaw(service, organization, '{"type":"a","payload":{}}', { 'idempotency-key': 'k'.repeat(256) }),
    'dedup_id string_too_long',
  );
});

/** Posts again what a busy machine refused for now, as a client does. */
async function insist(node: typeof service, organization: TestOrganization, json: unknown) {
  for (;;) {
    const answer = await post(node, organization, json);
    if (answer.status !== 503) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('500 parallel posts of one dedup_id store one event', async () => {
  const organization = await newOrganization(service, 'business');
  const second = await startTestService({ beside: service });
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, index) =>
      insist(index % 2 === 0 ? service : second, organization, {
        type: 'a',
        payload: {},
        dedup_id: 'the one',
      }),
    ),
  );
  const stored = answers.filter(({ status }) => status === 201);
  assert.equal(stored.length, 1);
  const id = member(stored[0]?.body, 'id');
  const refused = answers.filter(({ status }) => status === 409);
  assert.equal(refused.length, 499);
  for (const { body } of refused) assert.equal(member(body, 'event_id'), id);
  assert.deepEqual(await walkInbox(service, organization), [id]);
});

test('hundreds of connections that post at once get 201, or 503 with Retry-After and nothing stored', async () => {
  const organization = await newOrganization(service, 'enterprise');
  const target = new URL('/api/events', service.url);
  // Behind nginx it is TLS.
  const { Agent, request } = target.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 300 });
  const headers = { 'x-api-key': organization.apiKey, 'content-type': 'application/json' };
  const answers = await Promise.all(
    Array.from({ length: 1_500 }, async (_, n) => {
      const body = JSON.stringify({ type: 'a', payload: { n } });
      const sent = request(target, {
        method: 'POST',
        agent,
        headers: { ...headers, 'content-length': body.length },
      });
      sent.end(body);
      const [response]: IncomingMessage[] = await once(sent, 'response');
      assert.ok(response !== undefined);
      const text = Buffer.concat(await response.toArray()).toString();
      return { status: response.statusCode, retryAfter: response.headers['retry-after'], text };
    }),
  );
  agent.destroy();
  const stored = answers.filter(({ status }) => status === 201);
  const ids = new Set(stored.map(({ text }) => member(JSON.parse(text), 'id')));
  assert.equal(ids.size, stored.length);
  assert.equal(await countEvents(organization.id), stored.length);
  const others = answers.filter(({ status }) => status !== 201);
  assert.deepEqual(
    others.filter(({ status, retryAfter }) => status !== 503 || !(Number(retryAfter) > 0)),
    [],
  );
  assert.ok(stored.length > 0);
});

test('many dedup ids at once from two nodes: each is stored once, and nobody waits for ever', async () => {
  const organization = await newOrganization(service, 'business');
  const second = await startTestService({ beside: service });
  const answers = await Promise.all(
    Array.from({ length: 900 }, (_, index) =>
      insist(index % 2 === 0 ? service : second, organization, {
        type: 'a',
        payload: { index },
        dedup_id: `id ${(index * 7) % 300}`,
      }),
    ),
  );
  const statuses = answers.map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 201).length, 300);
  assert.equal(statuses.filter((status) => status === 409).length, 600);
  assert.equal(await countEvents(organization.id), 300);
});

test('an event that PostgreSQL refuses fails alone: everything else of its batch is stored', async () => {
  const organization = await newOrganization(service, 'business');
  await sql`alter table events add constraint no_poison check (type <> 'poison')`;
  try {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        post(service, organization, { type: index % 50 === 7 ? 'poison' : 'fine', payload: { index } }),
      ),
    );
    for (const [index, { status }] of answers.entries()) {
      assert.equal(status, index % 50 === 7 ? 500 : 201, String(index));
    }
    assert.equal(await countEvents(organization.id), 196);
  } finally {
    await sql`alter table events drop constraint no_poison`;
  }
});

test('the 101st event of a free organization in a minute is refused, and the next minute takes events again', async () => {
  const organization = await newOrganization(service);
  for (let count = 1; count <= 100; count += 1) await store(service, organization);
  const refused = await post(service, organization, { type: 'a', payload: {} });
  assertEventApiProblem(refused, 429, 'event-limit-reached');
  assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  assert.equal(refused.headers.get('x-ratelimit-remaining'), '0');
  assert.equal(await countEvents(organization.id), 100);
  // Reading is not counted.
  assert.equal((await readInbox(service, organization)).ids.length, 100);
  service.clock.advance(60_000);
  await store(service, organization);
});

test('a batch is answered event by event, in order; a bad one does not spoil the rest', async () => {
  const organization = await newOrganization(service);
  const first = await store(service, organization, { dedup_id: 'seen' });
  const answer = await callWithKey(service, organization, '/api/events/batch', {
    json: {
      events: [
        { type: 'a', payload: { n: 0 } },
        { type: '', payload: {} },
        { type: 'a', payload: [] },
        { type: 'a.test', payload: {}, dedup_id: 'seen' },
        { type: 'a', payload: {}, dedup_id: 'new' },
        { type: 'a', payload: {}, dedup_id: 'new' },
        'text',
        { type: 'a', payload: { big: 'x'.repeat(262_144) } },
        { type: 'a', payload: { n: 8 } },
      ],
    },
  });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const results = member(answer.body, 'results');
  assert.ok(Array.isArray(results));
  assert.deepEqual(
    results.map(({ status }) => status),
    [201, 422, 422, 409, 201, 409, 422, 413, 201],
  );
  assert.equal(results[3].id, first);
  assert.equal(results[5].id, results[4].id);
  assert.match(results[1].error, /type: Should have at least 1 character/);
  const rows =
    await sql`select id, payload from events where organization_id = ${organization.id} order by id`;
  assert.deepEqual(
    rows.map(({ id }) => id),
    [first, results[0].id, results[4].id, results[8].id],
  );
  assert.equal(rows[3]?.payload, '{"n":8}');
});

test('a batch counts event by event: what is over the limit is refused', async () => {
  const organization = await newOrganization(service);
  const events = Array.from({ length: 60 }, () => ({ type: 'a', payload: {} }));
  await callWithKey(service, organization, '/api/events/batch', { json: { events } });
  const answer = await callWithKey(service, organization, '/api/events/batch', { json: { events } });
  assert.equal(answer.headers.get('x-ratelimit-remaining'), '0');
  const results = member(answer.body, 'results');
  assert.ok(Array.isArray(results));
  assert.equal(results.filter(({ status }) => status === 201).length, 40);
  assert.equal(results.filter(({ status }) => status === 429).length, 20);
  assert.equal(await countEvents(organization.id), 100);
});

test('a batch that is none is refused as a whole', async () => {
  const organization = await newOrganization(service);
  const batch = (json: unknown) => callWithKey(service, organization, '/api/events/batch', { json });
  assertEventApiInvalid(await batch([]), 'body object_type');
  assertEventApiInvalid(await batch({}), 'events missing');
  assertEventApiInvalid(await batch({ events: {} }), 'events array_type');
  assertEventApiInvalid(await batch({ events: [] }), 'events too_short');
  assertEventApiInvalid(await batch({ events: [], more: 1 }), 'more extra_forbidden');
  assertEventApiInvalid(
    await batch({ events: Array.from({ length: 101 }, () => ({ type: 'a', payload: {} })) }),
    'events too_long',
  );
  assert.equal(await countEvents(organization.id), 0);
});

test('INGEST_STATUS=202 changes the status and nothing else', async () => {
  const lenient = await startTestService({ beside: service, environment: { INGEST_STATUS: '202' } });
  const organization = await newOrganization(service);
  const answer = await post(lenient, organization, { type: 'a', payload: {} });
  assert.equal(answer.status, 202);
  assert.equal(await countEvents(organization.id), 1);
  assert.equal(member(answer.body, 'status'), 'pending');
});

test('an event has a delivery when its organization has a webhook, and only then', async () => {
  const organization = await newOrganization(service);
  const without = await store(service, organization);
  const config = await callWithKey(service, organization, '/api/webhook/config', {
    json: { webhook_url: 'http://192.0.2.1/hook' },
  });
  assert.equal(config.status, 200);
  const withWebhook = await store(service, organization);
  const rows = await sql`
    select e.id, d.event_id is not null as queued
    from events e left join deliveries d on d.event_id = e.id
    where e.organization_id = ${organization.id} order by e.id`;
  assert.deepEqual(
    rows.map(({ id, queued }) => [id, queued]),
    [
      [without, false],
      [withWebhook, true],
    ],
  );
});

test('without a key nothing is read and nothing stored', async () => {
  const answer = await call(service, '/api/events', { json: { type: 'a', payload: {} } });
  assertEventApiProblem(answer, 401, 'api-key-missing');
  assert.equal(answer.headers.get('www-authenticate'), 'ApiKey');
});

test('the figures of ingest are counted', async () => {
  const organization = await newOrganization(service);
  await store(service, organization);
  const text = String((await call(service, '/metrics')).body);
  assert.match(text, /^events_ingested_total\{outcome="stored"\} [1-9]/m);
  assert.match(text, /^events_ingested_total\{outcome="duplicate"\} [1-9]/m);
  assert.match(text, /^event_batch_rows_count [1-9]/m);
  assert.match(text, /^event_flush_seconds_count [1-9]/m);
  assert.match(text, /^event_queue_depth 0$/m);
});

test('a queue that is full answers 503 with Retry-After, and nothing of that is stored', async () => {
  const small = await startTestService({ beside: service, environment: { INGEST_QUEUE: '20' } });
  const organization = await newOrganization(service, 'business');
  // The table is locked, so nothing leaves the queue until it is not.
  const reserved = await sql.reserve();
  await reserved`begin`;
  await reserved`lock table events in exclusive mode`;
  const pending = Array.from({ length: 50 }, () => post(small, organization, { type: 'a', payload: {} }));
  const waitFor = performance.now() + 5_000;
  let settled = 0;
  for (const each of pending) void each.then(() => (settled += 1));
  while (settled < 30 && performance.now() < waitFor) await new Promise((resolve) => setTimeout(resolve, 10));
  await reserved`rollback`;
  reserved.release();
  const answers = await Promise.all(pending);
  const refused = answers.filter(({ status }) => status === 503);
  assert.equal(refused.length, 30);
  for (const answer of refused) {
    assertEventApiProblem(answer, 503, 'ingest-queue-full');
    assert.equal(answer.headers.get('retry-after'), '1');
  }
  assert.equal(await countEvents(organization.id), 20);
  // What was refused for our own sake does not count.
  const next = await post(small, organization, { type: 'a', payload: {} });
  assert.equal(next.headers.get('x-ratelimit-remaining'), String(10_000 - 21));
  assert.equal(textMember(next.body, 'status'), 'pending');
});
