import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestPlan } from '../scenarios/scenario.ts';
import { createRequestEncoder } from './request-encoder.ts';

const url = new URL('http://user:secret@example.test:8080/api/?x=1');
const encode = createRequestEncoder(url, 'http/1.1');

const table: readonly { name: string; plan: RequestPlan; wire: readonly string[] }[] = [
  {
    name: 'a GET under the path of the target',
    plan: { path: '/me' },
    wire: ['GET /api/me HTTP/1.1', 'host: example.test:8080', 'user-agent: irontrack-lab', '', ''],
  },
  {
    name: 'the target itself, with its query',
    plan: { path: '' },
    wire: ['GET /api/?x=1 HTTP/1.1', 'host: example.test:8080', 'user-agent: irontrack-lab', '', ''],
  },
  {
    name: 'an object as JSON',
    plan: { method: 'post', path: '/a', body: { a: '\u00e9' } },
    wire: [
      'POST /api/a HTTP/1.1',
      'host: example.test:8080',
      'user-agent: irontrack-lab',
      'content-type: application/json',
      'content-length: 10',
      '',
      '{"a":"\u00e9"}',
    ],
  },
  {
    name: 'the length of an empty POST',
    plan: { method: 'POST', path: '/a' },
    wire: [
      'POST /api/a HTTP/1.1',
      'host: example.test:8080',
      'user-agent: irontrack-lab',
      'content-length: 0',
      '',
      '',
    ],
  },
  {
    name: 'headers of the plan before our own, but for the length',
    plan: { path: '/a', headers: { Host: 'b', 'User-Agent': 'c', 'Content-Length': '7', Accept: 'd' } },
    wire: ['GET /api/a HTTP/1.1', 'host: b', 'user-agent: c', 'accept: d', '', ''],
  },
];

for (const { name, plan, wire } of table) {
  test(`writes ${name}`, () => {
    assert.equal(encode(plan).bytes.toString(), wire.join('\r\n'));
  });
}

for (const [name, plan] of [
  ['a line end in a path', { path: '/a\r\nb: c' }],
  ['a space in a path', { path: '/a b' }],
  ['a line end in a value', { path: '/', headers: { a: 'b\r\nc: d' } }],
  ['a line end in a name', { path: '/', headers: { 'a\r\nb': 'c' } }],
  ['a method that is none', { method: 'GET /', path: '/' }],
] as const) {
  test(`refuses ${name}, in both protocols`, () => {
    assert.throws(() => encode(plan), TypeError);
    assert.throws(() => createRequestEncoder(url, 'http/2')(plan), TypeError);
  });
}

test('HTTP/2 gets pseudo-header fields and none that speak of an HTTP/1.1 connection', () => {
  const { fields, bytes } = createRequestEncoder(
    url,
    'http/2',
  )({
    method: 'PUT',
    path: '/a',
    headers: { Host: 'b', Connection: 'close', Accept: 'd' },
    body: 'text',
  });
  assert.deepEqual(fields, {
    ':method': 'PUT',
    ':scheme': 'http',
    ':authority': 'b',
    ':path': '/api/a',
    accept: 'd',
    'user-agent': 'irontrack-lab',
    'content-length': '4',
  });
  assert.equal(bytes.toString(), 'text');
});
