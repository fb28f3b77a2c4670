/** Requests to the events API that are spelled or framed as no usual client would. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newOrganization } from '../support/organizations.ts';
import { startTestService } from '../support/service.ts';
import { ask, compose, exchange, parseAnswers, type RawAnswer } from './raw-client.ts';

const service = await startTestService();
const { apiKey } = await newOrganization(service, 'enterprise');
const event = '{"type":"a","payload":{}}';

type Header = readonly [string, string];

function composePost(path: string, body: string, ...more: Header[]): Buffer {
  const headers: Header[] = [
    ['host', 'localhost'],
    ['content-type', 'application/json'],
    ['x-api-key', apiKey],
    ['content-length', String(body.length)],
    ...more,
  ];
  return compose('POST', path, headers, Buffer.from(body));
}

async function post(path: string, body: string): Promise<RawAnswer> {
  return await ask(service.url, composePost(path, body, ['connection', 'close']));
}

for (const path of ['/api/events', '/api/events/', 'http://localhost/api/events', '/%61pi/events']) {
  test(`an event posted to ${path} is answered as the events API answers`, async () => {
    const stored = await post(path, event);
    assert.equal(stored.status, 201, stored.body);
    assert.match(stored.headers.get('x-response-time') ?? '', /^\d+\.\d\dms$/);
    const refused = await post(path, '{}');
    assert.equal(refused.status, 422);
    assert.match(refused.headers.get('x-response-time') ?? '', /^\d+\.\d\dms$/);
    const { error, detail } = JSON.parse(refused.body);
    assert.equal(error, detail);
  });
}

test('a method that a path does not have is 405 also where the request names its host', async () => {
  for (const path of ['/api/events', 'http://localhost/api/events']) {
    const headers = [
      ['host', 'localhost'],
      ['connection', 'close'],
    ] as const;
    const { status, headers: sent, body } = await ask(service.url, compose('GET', path, headers));
    assert.deepEqual([status, sent.get('allow'), JSON.parse(body).code], [405, 'POST', 'method-not-allowed']);
    assert.equal(JSON.parse(body).error, JSON.parse(body).detail);
  }
});

test('a refusal says that the connection closes when the client asked for it, whichever way it went', async () => {
  const refusals: readonly (readonly [string, Buffer])[] = [
    ['of the short way', composePost('/api/events', '{}', ['connection', 'close'])],
    ['of the long way', composePost('/api/events/', '{}', ['connection', 'close'])],
    ['of the route', composePost('/api/events/none/replay', '{}', ['connection', 'close'])],
  ];
  for (const [name, bytes] of refusals) {
    const { status, headers } = await ask(service.url, bytes);
    assert.ok(status >= 400, name);
    assert.equal(headers.get('connection'), 'close', name);
  }
});

test('a path that cannot be decoded is refused like any other request', async () => {
  const { status, body } = await post('/api/%zz', event);
  assert.deepEqual([status, JSON.parse(body).code], [400, 'malformed-request']);
});

test('the limit of a minute is exact over pipelined posts, both ways, batches and refusals in between', async () => {
  const free = await newOrganization(service);
  const own: Header = ['x-api-key', free.apiKey];
  const composeFree = (path: string, body: string, last = false) =>
    compose(
      'POST',
      path,
      [
        ['host', 'localhost'],
        ['content-type', 'application/json'],
        ['content-length', String(body.length)],
        own,
        ...(last ? [['connection', 'close'] as const] : []),
      ],
      Buffer.from(body),
    );
  const round = [
    composeFree('/api/events', event),
    composeFree('/api/events/', event),
    composeFree('/api/events', '{}'),
    composeFree('/api/events/batch', `{"events":[${event},{},${event}]}`),
  ];
  const connections = Array.from({ length: 5 }, () =>
    exchange(
      service.url,
      Buffer.concat([...Array(8).fill(round).flat(), composeFree('/api/events', event, true)]),
    ),
  );
  const answers = (await Promise.all(connections)).flatMap(parseAnswers);
  assert.equal(answers.length, 5 * 33);
  const statuses = answers.flatMap(({ status, body }) =>
    status === 200 ? JSON.parse(body).results.map((result: { status: number }) => result.status) : [status],
  );
  const countOf = (status: number) => statuses.filter((each) => each === status).length;
  // Of 165 good events, alone and in batches, 100 are taken; the 80 bad ones count for nothing.
  assert.deepEqual([countOf(201), countOf(429), countOf(422)], [100, 65, 80]);
  const [row] =
    await service.sql`select count(*)::int as count from events where organization_id = ${free.id}`;
  assert.equal(row?.count, 100);
});
