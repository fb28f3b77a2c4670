import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { post, postRaw, store, walkInbox } from '../support/events.ts';
import {
  assertEventApiInvalid,
  assertEventApiProblem,
  callWithKey,
  newOrganization,
} from '../support/organizations.ts';
import { type Answer, member, startTestService } from '../support/service.ts';
import { compose, dial, parseAnswers, readToEnd } from './raw-client.ts';

const service = await startTestService();
const organization = await newOrganization(service, 'enterprise');
const witness = () => store(service, organization);

const countEvents = async () => {
  const [row] =
    await service.sql`select count(*)::int as count from events where organization_id = ${organization.id}`;
  return Number(row?.count);
};

/** Posts it beside good events, so that they share a batch with whatever of it gets that far. */
async function postAmongOthers(raw: string | Uint8Array): Promise<Answer> {
  const before = await countEvents();
  const [answer] = await Promise.all([
    postRaw(service, organization, raw),
    ...Array.from({ length: 5 }, () => witness()),
  ]);
  assert.equal(await countEvents(), before + 5 + (answer.status === 201 ? 1 : 0));
  return answer;
}

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const bad: Readonly<Record<string, readonly [body: string | Uint8Array, fault: string]>> = {
  'no body': ['', 'body json_invalid'],
  'no JSON': ['{"type":"a","payload":{', 'body json_invalid'],
  'a trailing comma': ['{"type":"a","payload":{},}', 'body json_invalid'],
  'text after the end': ['{"type":"a","payload":{}}{"type":"a","payload":{}}', 'body json_invalid'],
  'an array': ['[]', 'body object_type'],
  'a string': ['"text"', 'body object_type'],
  null: ['null', 'body object_type'],
  'bytes that are no UTF-8': [Buffer.from('{"type":"\xff","payload":{}}', 'latin1'), 'body json_invalid'],
  'a payload that is an array': ['{"type":"a","payload":[{}]}', 'payload object_type'],
  'a payload that is a string': ['{"type":"a","payload":"{}"}', 'payload object_type'],
  'a payload that is null': ['{"type":"a","payload":null}', 'payload object_type'],
  'data that is a number': ['{"type":"a","data":1}', 'data object_type'],
  'no payload': ['{"type":"a"}', 'payload missing'],
  'two payloads': ['{"type":"a","payload":{},"payload":{}}', 'payload json_invalid'],
  'two types, one escaped': ['{"type":"a","t\\u0079pe":"b","payload":{}}', 'type json_invalid'],
  'an unknown field': ['{"type":"a","payload":{},"organization_id":"x"}', 'organization_id extra_forbidden'],
  'a type that is a number': ['{"type":1,"payload":{}}', 'type string_type'],
  'an empty type': ['{"type":"","payload":{}}', 'type string_too_short'],
  'a type of 256 characters': [`{"type":"${'t'.repeat(256)}","payload":{}}`, 'type string_too_long'],
  'a NUL in the type': ['{"type":"a\\u0000","payload":{}}', 'type string_unicode'],
  'an empty dedup_id': ['{"type":"a","payload":{},"dedup_id":""}', 'dedup_id string_too_short'],
  'a dedup_id that is a number': ['{"type":"a","payload":{},"dedup_id":7}', 'dedup_id string_type'],
  'a dedup_id of 256 characters': [
    `{"type":"a","payload":{},"dedup_id":"${'\u{1f600}'.repeat(256)}"}`,
    'dedup_id string_too_long',
  ],
  'half a surrogate pair in the dedup_id': [
    '{"type":"a","payload":{},"dedup_id":"\\ud800"}',
    'dedup_id string_unicode',
  ],
  'a NUL in the payload': ['{"type":"a","payload":{"a":["\\u0000"]}}', 'payload string_unicode'],
  'a NUL in a key of the payload': ['{"type":"a","payload":{"\\u0000":1}}', 'payload string_unicode'],
  'half a surrogate pair in the payload': [
    '{"type":"a","payload":{"a":{"b":"\\udc00x"}}}',
    'payload string_unicode',
  ],
  'a payload 65 levels deep': [`{"type":"a","payload":${nested(65)}}`, 'payload json_invalid'],
  'a payload 10,000 levels deep': [`{"type":"a","payload":${nested(10_000)}}`, 'payload json_invalid'],
  '10,000 open arrays': [`{"type":"a","payload":${'['.repeat(10_000)}`, 'body json_invalid'],
  'a payload under __proto__': ['{"type":"a","__proto__":{"payload":{}}}', '__proto__ extra_forbidden'],
};

for (const [name, [body, fault]] of Object.entries(bad)) {
  test(`${name} is refused with 422, stores nothing and harms no other event`, async () => {
    const answer = await postAmongOthers(body);
    const more =
      /^(?:payload|data|body|type|dedup_id)/.test(fault) || name === 'an unknown field'
        ? []
        : ['payload missing'];
    assertEventApiInvalid(answer, fault, ...more);
  });
}

const fine: Readonly<Record<string, string>> = {
  'a dedup_id of 255 characters outside the BMP': `{"type":"a","payload":{},"dedup_id":"${'\u{1f600}'.repeat(255)}"}`,
  'a type of 255 characters': `{"type":"${'\u00e4'.repeat(255)}","payload":{}}`,
  'a dedup_id that is null': '{"type":"a","payload":{},"dedup_id":null}',
  'a dedup_id of quotes, backslashes and control characters':
    '{"type":"a\\"\\\\{},","payload":{},"dedup_id":"\\u001f\\"\\\\{},NULL\\n"}',
  'a payload 64 levels deep': `{"type":"a","payload":${nested(64)}}`,
  'a payload with an escaped surrogate pair': '{"type":"a","payload":{"a":"\\ud83d\\ude00 \\\\u0000"}}',
  'a payload with the separator escaped': '{"type":"a","payload":{"a":"\\u001f","b":"\\u001f"}}',
  'the word NULL': '{"type":"NULL","payload":{"a":null},"dedup_id":"NULL"}',
};

for (const [name, body] of Object.entries(fine)) {
  test(`${name} is taken, and kept`, async () => {
    const answer = await postAmongOthers(body);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    const id = String(member(answer.body, 'id'));
    const [row] = await service.sql`select type, payload, dedup_id from events where id = ${id}`;
    const sent = JSON.parse(body);
    assert.deepEqual([row?.type, row?.dedup_id], [sent.type, sent.dedup_id ?? null]);
    assert.ok(body.includes(`"payload":${row?.payload}`));
  });
}

test('a payload of 262,144 bytes is taken, and one more byte is 413', async () => {
  const payload = (bytes: number) => `{"a":"${'\u00e4'.repeat((bytes - 8) / 2)}"}`;
  assert.equal(Buffer.byteLength(payload(262_144)), 262_144);
  const taken = await postAmongOthers(`{"type":"a","payload":${payload(262_144)}}`);
  assert.equal(taken.status, 201, JSON.stringify(taken.body));
  const refused = await postAmongOthers(`{"type":"a","payload": ${payload(262_144).replace('"}', 'x"}')}}`);
  assertEventApiProblem(refused, 413, 'payload-too-large');
  const far = await postAmongOthers(`{"type":"a","payload":{"a":"${'x'.repeat(1_000_000)}"}}`);
  assertEventApiProblem(far, 413, 'body-too-large');
});

test('text of another type is 415', async () => {
  const answer = await postRaw(service, organization, '<a/>', { 'content-type': 'application/xml' });
  assertEventApiProblem(answer, 415, 'unsupported-media-type');
});

for (const [name, framing] of [
  ['with its length', (size: number): [string, string] => ['content-length', String(size)]],
  ['in chunks', (): [string, string] => ['transfer-encoding', 'chunked']],
] as const) {
  test(`a slow client that sends 300 KB ${name} reads its 413 and no reset`, async () => {
    const body = Buffer.from(`{"type":"a","payload":{"a":"${'x'.repeat(300_000)}"}}`);
    const before = await countEvents();
    const socket = await dial(service.url);
    let reset: unknown;
    socket.on('error', (error) => {
      reset = error;
    });
    const all = readToEnd(socket);
    const headers = [
      ['host', 'localhost'],
      ['content-type', 'application/json'],
      ['x-api-key', organization.apiKey],
      ['connection', 'close'],
      framing(body.length),
    ] as const;
    socket.write(compose('POST', '/api/events', headers));
    for (let at = 0; at < body.length; at += 30_000) {
      const piece = body.subarray(at, at + 30_000);
      if (name === 'in chunks') socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece);
      if (name === 'in chunks') socket.write('\r\n');
      await wait(20);
    }
    if (name === 'in chunks') socket.write('0\r\n\r\n');
    const [answer] = parseAnswers(await all);
    assert.equal(reset, undefined);
    assert.equal(answer?.status, 413);
    assert.equal(JSON.parse(answer?.body ?? '').status, 413);
    assert.equal(await countEvents(), before);
  });
}

test('a key that is replaced while a body is on its way stores nothing', async () => {
  const replaced = await newOrganization(service);
  const socket = await dial(service.url);
  const body = '{"type":"a","payload":{}}';
  const all = readToEnd(socket);
  const headers = [
    ['host', 'localhost'],
    ['content-type', 'application/json'],
    ['x-api-key', replaced.apiKey],
    ['connection', 'close'],
    ['content-length', String(body.length)],
  ] as const;
  socket.write(compose('POST', '/api/events', headers, Buffer.from(body.slice(0, 5))));
  await wait(100);
  assert.equal((await callWithKey(service, replaced, '/api/keys/rotate', { method: 'POST' })).status, 200);
  socket.write(body.slice(5));
  const [answer] = parseAnswers(await all);
  assert.equal(answer?.status, 401);
  const rows = await service.sql`select 1 from events where organization_id = ${replaced.id}`;
  assert.equal(rows.length, 0);
});

test('a client that leaves in the middle of its body stores nothing', async () => {
  const before = await countEvents();
  const socket = await dial(service.url);
  const headers = [
    ['host', 'localhost'],
    ['content-type', 'application/json'],
    ['x-api-key', organization.apiKey],
    ['content-length', '100'],
  ] as const;
  socket.write(compose('POST', '/api/events', headers, Buffer.from('{"type":"a","payload":{}}')));
  await wait(50);
  socket.destroy();
  await wait(50);
  await witness();
  assert.equal(await countEvents(), before + 1);
});

test('posts that are pipelined on one connection are answered in order', async () => {
  const socket = await dial(service.url);
  const all = readToEnd(socket);
  const request = (type: string, last: boolean) => {
    const body = Buffer.from(`{"type":"${type}","payload":{}}`);
    const headers = [
      ['host', 'localhost'],
      ['content-type', 'application/json'],
      ['x-api-key', organization.apiKey],
      ['connection', last ? 'close' : 'keep-alive'],
      ['content-length', String(body.length)],
    ] as const;
    return compose('POST', '/api/events', headers, body);
  };
  const types = ['one', '', 'three', 'four'];
  socket.write(Buffer.concat(types.map((type, index) => request(type, index === types.length - 1))));
  const answers = parseAnswers(await all);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 422, 201, 201],
  );
  assert.deepEqual(
    answers.map(({ body }) => JSON.parse(body).type).filter((type) => !String(type).startsWith('urn:')),
    ['one', 'three', 'four'],
  );
});

test('after all of it the inbox holds each event once', async () => {
  await post(service, organization, { type: 'last', payload: {} });
  const ids = await walkInbox(service, organization);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(ids.length, await countEvents());
});
