import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { type Received, startReceiver, until } from '../support/deliveries.ts';
import { assertProblem, fieldsOf, itemsOf } from '../support/expectations.ts';
import { callWithKey, newOrganization, type TestOrganization } from '../support/organizations.ts';
import { call, enter, enterAsSuperuser, member, startTestService, textMember } from '../support/service.ts';

const service = await startTestService({ environment: { WEBHOOK_ALLOW_PRIVATE: 'on' } });
const { accessToken: bearer } = await enterAsSuperuser(service);

async function configure(organization: TestOrganization, url: string): Promise<string> {
  const json = { webhook_url: url };
  const { status, body } = await callWithKey(service, organization, '/api/webhook/config', {
    method: 'POST',
    json,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return textMember(body, 'secret');
}

async function post(
  organization: TestOrganization,
  type: string,
  payload: object,
  at = service,
): Promise<string> {
  const json = { type, payload };
  const { status, body } = await callWithKey(at, organization, '/api/events', { method: 'POST', json });
  assert.equal(status, 201, JSON.stringify(body));
  return textMember(body, 'id');
}

function verify(secret: string, { headers, body }: Received): unknown {
  return new Webhook(secret).verify(body, {
    'webhook-id': String(headers['webhook-id']),
    'webhook-timestamp': String(headers['webhook-timestamp']),
    'webhook-signature': String(headers['webhook-signature']),
  });
}

test('a posted event arrives signed with the secret that was shown, and the inbox says so', async () => {
  const receiver = await startReceiver();
  const organization = await newOrganization(service);
  const secret = await configure(organization, receiver.url);
  const id = await post(organization, 'order.created', { order: 7 });
  await until('it arrives', () => receiver.received.length === 1);
  const [one = assert.fail()] = receiver.received;
  const message = verify(secret, one);
  assert.equal(member(message, 'event_id'), id);
  assert.equal(member(message, 'event_type'), 'order.created');
  assert.deepEqual(member(message, 'payload'), { order: 7 });
  await until('it counts as delivered', async () => {
    const { body } = await callWithKey(service, organization, `/api/events/${id}`);
    return member(body, 'status') === 'delivered';
  });
});

test('after a rotation both secrets verify a delivery', async () => {
  const receiver = await startReceiver();
  const organization = await newOrganization(service);
  const old = await configure(organization, receiver.url);
  const { body } = await callWithKey(service, organization, '/api/webhook/secret/rotate', { method: 'POST' });
  await post(organization, 'order.created', {});
  await until('it arrives', () => receiver.received.length === 1);
  const [one = assert.fail()] = receiver.received;
  for (const secret of [old, textMember(body, 'secret')]) verify(secret, one);
});

test('a replayed event arrives once more under the same webhook-id', async () => {
  const receiver = await startReceiver();
  const organization = await newOrganization(service);
  await configure(organization, receiver.url);
  const id = await post(organization, 'order.created', {});
  await until('it arrives', () => receiver.received.length === 1);
  await until('it is written down', async () => {
    const { body } = await callWithKey(service, organization, `/api/events/${id}`);
    return member(body, 'status') === 'delivered';
  });
  const { status } = await callWithKey(service, organization, `/api/events/${id}/replay`, { method: 'POST' });
  assert.equal(status, 202);
  await until('it arrives again', () => receiver.received.length === 2);
  assert.deepEqual(
    receiver.received.map(({ headers }) => headers['webhook-id']),
    [id, id],
  );
});

test('a node without a worker wakes the worker of another at once', async (t) => {
  const node = await startTestService({ beside: service, environment: { WEBHOOK_WORKER: 'off' } });
  const receiver = await startReceiver();
  const organization = await newOrganization(service);
  await configure(organization, receiver.url);
  const times: number[] = [];
  for (let round = 1; round <= 10; round += 1) {
    await post(organization, 'order.created', {}, node);
    const answeredAt = performance.now();
    await until('it arrives', () => receiver.received.length === round);
    times.push((receiver.received.at(-1)?.atMs ?? 0) - answeredAt);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  times.sort((a, b) => a - b);
  t.diagnostic(`from the answer to the arrival: median ${times[5]?.toFixed(1)} ms`);
  assert.ok((times[5] ?? 0) < 250, 'sooner than the next look by itself would be');
});

test('superusers see attempts and what waits, by organization', async () => {
  const receiver = await startReceiver((response) => response.writeHead(500).end());
  const organization = await newOrganization(service);
  await configure(organization, receiver.url);
  const id = await post(organization, 'order.created', {});
  const path = `/api/v1/organizations/${organization.id}`;
  const read = async (rest: string) => (await call(service, `${path}${rest}`, { bearer })).body;
  await until('the attempt is on record', async () => itemsOf(await read('/attempts')).length === 1);
  const attempts = await read('/attempts?isFailure=true');
  const [attempt] = itemsOf(attempts);
  assert.deepEqual(fieldsOf(attempt), ['at', 'durationMs', 'error', 'eventId', 'number', 'statusCode']);
  assert.deepEqual(
    [member(attempt, 'eventId'), member(attempt, 'number'), member(attempt, 'statusCode')],
    [id, 1, 500],
  );
  assert.equal(member(attempts, 'total'), 1);
  assert.deepEqual(itemsOf(await read('/attempts?isFailure=false')), []);
  assert.deepEqual(itemsOf(await read(`/attempts?eventId=${organization.id}`)), []);
  const waiting = await read('/deliveries');
  assert.equal(member(waiting, 'total'), 1);
  assert.equal(member(waiting, 'failuresInARow'), 1);
  assert.equal(member(waiting, 'pausedUntil'), null);
  const [delivery] = itemsOf(waiting);
  assert.deepEqual(fieldsOf(delivery), ['attempts', 'eventId', 'isUnderWay', 'lastError', 'nextAttemptAt']);
  assert.deepEqual([member(delivery, 'attempts'), member(delivery, 'isUnderWay')], [1, false]);
});

test('superusers see events without payloads page by page, and replay them', async () => {
  const receiver = await startReceiver();
  const organization = await newOrganization(service);
  await configure(organization, receiver.url);
  const ids: string[] = [];
  for (const type of ['a', 'b', 'a']) ids.push(await post(organization, type, { secret: 1 }));
  await until('all arrive', () => receiver.received.length === 3);
  const path = `/api/v1/organizations/${organization.id}`;
  const read = async (rest: string) => (await call(service, `${path}/events${rest}`, { bearer })).body;
  const idsOf = (page: unknown) => itemsOf(page).map((item) => member(item, 'id'));
  await until('all are delivered', async () => itemsOf(await read('?status=delivered')).length === 3);
  const first = await read('?pageSize=2');
  const second = await read(`?pageSize=2&before=${member(first, 'nextBefore')}`);
  assert.deepEqual([...idsOf(first), ...idsOf(second)], ids.toReversed());
  assert.equal(member(second, 'nextBefore'), null);
  assert.deepEqual(idsOf(await read('?type=b')), [ids[1]]);
  assert.doesNotMatch(JSON.stringify(first), /secret/);
  const replay = (json: object) => call(service, `${path}/replay`, { method: 'POST', bearer, json });
  const one = await replay({ eventId: ids[0] });
  assert.deepEqual([one.status, one.body], [202, { replayed: 1 }]);
  await until('it arrives again', () => receiver.received.length === 4);
  assert.equal(receiver.received.at(-1)?.headers['webhook-id'], ids[0]);
  assert.deepEqual((await replay({ type: 'a' })).body, { replayed: 2 });
  await until('they arrive again', () => receiver.received.length === 6);
  const others = await newOrganization(service);
  await configure(others, receiver.url);
  const foreign = await post(others, 'a', {});
  await until('it arrives', () => receiver.received.length === 7);
  assertProblem(await replay({ eventId: foreign }), 404, 'event-not-found');
  const trail = await call(service, '/api/v1/audit?action=events.replayed', { bearer });
  const [entry] = itemsOf(trail.body);
  assert.deepEqual(member(entry, 'details'), { organizationId: organization.id, replayed: 2, type: 'a' });
  assert.equal(itemsOf(trail.body).length, 2);
});

test('nobody but superusers sees deliveries, and an unknown organization is not found', async () => {
  const { accessToken } = await enter(service);
  const organization = await newOrganization(service);
  for (const view of ['attempts', 'deliveries', 'events']) {
    const path = `/api/v1/organizations/${organization.id}/${view}`;
    assertProblem(await call(service, path), 401, 'not-authenticated');
    assertProblem(await call(service, path, { bearer: accessToken }), 403, 'not-permitted');
    const unknown = path.replace(organization.id, '0198f000-0000-7000-8000-00000000ffff');
    assertProblem(await call(service, unknown, { bearer }), 404, 'organization-not-found');
  }
});

test('what webhooks do is counted', async () => {
  const read = async () => String((await call(service, '/metrics')).body);
  await until('only the failed one waits', async () => /^webhook_deliveries_waiting 1$/m.test(await read()));
  const text = await read();
  assert.match(text, /^webhook_attempts_total\{outcome="delivered"\} [1-9]/m);
  const [row] = await service.sql`
    select count(*)::int as count, string_agg(distinct error, ' ') as errors from delivery_attempts
    where error is not null`;
  assert.deepEqual({ ...row }, { count: 1, errors: 'The receiver answered 500.' });
  assert.match(text, /^webhook_attempts_total\{outcome="retry"\} 1$/m);
  assert.match(text, /^webhook_oldest_undelivered_seconds 0?\.?\d/m);
});
