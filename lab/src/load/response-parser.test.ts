import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFields } from './response-head.ts';
import { type Parsed, ResponseParser } from './response-parser.ts';

interface Row {
  name: string;
  answer: string;
  isHead?: boolean;
  maxBodyBytes?: number;
  expected: Parsed;
  status?: number;
  body?: string;
  keepsAlive?: boolean;
  /** What the end of the connection makes of it when it is not complete by itself. */
  completesAtEnd?: boolean;
}

const ok = 'HTTP/1.1 200 OK\r\n';

const table: readonly Row[] = [
  {
    name: 'a body of a given length',
    answer: `${ok}Content-Length: 5\r\n\r\nhello`,
    expected: 'complete',
    status: 200,
    body: 'hello',
    keepsAlive: true,
  },
  { name: 'an empty body', answer: `${ok}content-length: 0\r\n\r\n`, expected: 'complete', body: '' },
  {
    name: 'a status line without a reason',
    answer: 'HTTP/1.1 503\r\nContent-Length:2\r\n\r\nno',
    expected: 'complete',
    status: 503,
    body: 'no',
  },
  {
    name: 'chunks with extensions and trailers',
    answer: `${ok}Transfer-Encoding: gzip, Chunked\r\n\r\n5;a=b\r\nhello\r\n00001 \r\n!\r\n0\r\nX-A: b\r\nY: c\r\n\r\n`,
    expected: 'complete',
    body: 'hello!',
  },
  {
    name: 'chunks without trailers',
    answer: `${ok}Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n`,
    expected: 'complete',
    body: '0123456789',
  },
  {
    name: 'interim answers before the real one',
    answer: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}Content-Length: 1\r\n\r\na`,
    expected: 'complete',
    status: 200,
    body: 'a',
  },
  {
    name: '204 without a body',
    answer: 'HTTP/1.1 204 No Content\r\n\r\n',
    expected: 'complete',
    status: 204,
  },
  {
    name: '304, whose length is of another answer',
    answer: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n',
    expected: 'complete',
    status: 304,
  },
  {
    name: 'the answer to HEAD',
    answer: `${ok}Content-Length: 99\r\n\r\n`,
    isHead: true,
    expected: 'complete',
  },
  {
    name: 'Connection: close',
    answer: `${ok}Connection: x, Close\r\nContent-Length: 1\r\n\r\na`,
    expected: 'complete',
    body: 'a',
    keepsAlive: false,
  },
  {
    name: 'HTTP/1.0, which closes',
    answer: 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na',
    expected: 'complete',
    keepsAlive: false,
  },
  {
    name: 'HTTP/1.0 that keeps the connection',
    answer: 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na',
    expected: 'complete',
    keepsAlive: true,
  },
  {
    name: 'a body that ends with the connection',
    answer: `${ok}\r\nhello`,
    expected: 'more',
    body: 'hello',
    keepsAlive: false,
    completesAtEnd: true,
  },
  {
    name: 'half a body',
    answer: `${ok}Content-Length: 9\r\n\r\nhello`,
    expected: 'more',
    completesAtEnd: false,
  },
  {
    name: 'half a chunk',
    answer: `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhe`,
    expected: 'more',
    completesAtEnd: false,
  },
  { name: 'half a head', answer: `${ok}Content-Le`, expected: 'more', completesAtEnd: false },
  {
    name: 'one length said twice',
    answer: `${ok}Content-Length: 1\r\nContent-Length: 1, 1\r\n\r\na`,
    expected: 'complete',
    body: 'a',
  },
  {
    name: 'two lengths',
    answer: `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    expected: 'protocol',
  },
  { name: 'a negative length', answer: `${ok}Content-Length: -1\r\n\r\n`, expected: 'protocol' },
  { name: 'a length in hexadecimal', answer: `${ok}Content-Length: 0x1\r\n\r\na`, expected: 'protocol' },
  {
    name: 'a length and chunks at once',
    answer: `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    expected: 'protocol',
  },
  {
    name: 'a chunk whose size is no number',
    answer: `${ok}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    expected: 'protocol',
  },
  {
    name: 'a chunk longer than it said',
    answer: `${ok}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`,
    expected: 'protocol',
  },
  { name: 'bytes after the answer', answer: `${ok}Content-Length: 1\r\n\r\nab`, expected: 'protocol' },
  {
    name: 'a second answer nobody asked for',
    answer: `${ok}Content-Length: 0\r\n\r\n${ok}Content-Length: 0\r\n\r\n`,
    expected: 'protocol',
  },
  { name: 'another protocol', answer: '220 mail.example ESMTP\r\n', expected: 'protocol' },
  { name: 'lines that end in a bare line feed', answer: 'HTTP/1.1 200 OK\nX: y\n\n', expected: 'protocol' },
  { name: 'a head line without a colon', answer: `${ok}nonsense\r\n\r\n`, expected: 'protocol' },
  { name: 'a space before the colon', answer: `${ok}Content-Length : 1\r\n\r\na`, expected: 'protocol' },
  { name: 'a switch to another protocol', answer: 'HTTP/1.1 101 Switching\r\n\r\n', expected: 'protocol' },
  {
    name: 'a head without end',
    answer: `${ok}X: ${'y'.repeat(70_000)}`,
    expected: 'protocol',
  },
  {
    name: 'a length over the limit',
    answer: `${ok}Content-Length: 11\r\n\r\n01234567890`,
    maxBodyBytes: 10,
    expected: 'too-large',
  },
  {
    name: 'chunks over the limit',
    answer: `${ok}Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n`,
    maxBodyBytes: 10,
    expected: 'too-large',
  },
  {
    name: 'a body without end over the limit',
    answer: `${ok}\r\n01234567890`,
    maxBodyBytes: 10,
    expected: 'too-large',
  },
];

function createParser(row: Row): ResponseParser {
  const parser = new ResponseParser({ last: undefined }, row.maxBodyBytes ?? 1000);
  parser.begin(row.isHead ?? false, true);
  return parser;
}

/** Feeds pieces through one buffer that is overwritten, as the socket's is, until something but more is said. */
function feedPieces(parser: ResponseParser, pieces: readonly Buffer[]): Parsed {
  const shared = Buffer.alloc(80_000);
  let said: Parsed = 'more';
  for (const piece of pieces) {
    if (piece.length === 0) continue;
    shared.fill(0x58);
    piece.copy(shared);
    const now = parser.feed(shared, piece.length);
    if (now === 'protocol' || now === 'too-large') return now;
    said = now;
  }
  return said;
}

function assertOutcome(row: Row, parser: ResponseParser, said: Parsed, how: string): void {
  assert.equal(said, row.expected, how);
  if (row.status !== undefined) assert.equal(parser.head?.status, row.status, how);
  if (row.body !== undefined) assert.equal(parser.takeBody().toString(), row.body, how);
  if (row.keepsAlive !== undefined) assert.equal(parser.keepsAlive, row.keepsAlive, how);
  if (row.completesAtEnd !== undefined) assert.equal(parser.finish(), row.completesAtEnd, how);
}

for (const row of table) {
  test(`reads ${row.name} (${row.expected}), wherever it is cut`, () => {
    const bytes = Buffer.from(row.answer, 'latin1');
    const whole = createParser(row);
    assertOutcome(row, whole, feedPieces(whole, [bytes]), 'in one piece');
    const step = Math.max(1, Math.floor(bytes.length / 500));
    for (let cut = 0; cut <= bytes.length; cut += step) {
      const parser = createParser(row);
      const said = feedPieces(parser, [bytes.subarray(0, cut), bytes.subarray(cut)]);
      assertOutcome(row, parser, said, `cut at ${cut}`);
    }
    if (bytes.length < 1000) {
      const parser = createParser(row);
      const pieces = Array.from(bytes, (byte) => Buffer.from([byte]));
      assertOutcome(row, parser, feedPieces(parser, pieces), 'byte by byte');
    }
  });
}

test('the same head again and a changed one are both read right', () => {
  const parser = new ResponseParser({ last: undefined }, 1000);
  const answers = [
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\naa',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nbb',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nc',
    'HTTP/1.1 500 OK\r\nContent-Length: 1\r\n\r\nd',
    'HTTP/1.1 204 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nee',
  ];
  const seen: string[] = [];
  for (const answer of answers) {
    parser.begin(false, true);
    assert.equal(feedPieces(parser, [Buffer.from(answer)]), 'complete');
    seen.push(`${parser.head?.status} ${parser.takeBody()}`);
  }
  assert.deepEqual(seen, ['200 aa', '200 bb', '200 c', '500 d', '204 ', '200 ee']);
});

test('fields of one name are joined, cookies by newline, and no name reaches the prototype', () => {
  const parser = new ResponseParser({ last: undefined }, 1000);
  parser.begin(true, true);
  const head = `${ok}A: 1\r\na:  2 \r\nSet-Cookie: x=1\r\nset-cookie: y=2\r\n__proto__: z\r\n\r\n`;
  assert.equal(feedPieces(parser, [Buffer.from(head)]), 'complete');
  const fields = parser.head === undefined ? {} : readFields(parser.head);
  assert.equal(fields.a, '1, 2');
  assert.equal(fields['set-cookie'], 'x=1\ny=2');
  assert.equal(Object.getPrototypeOf(fields), Object.prototype);
  assert.deepEqual(Object.keys(fields).sort(), ['__proto__', 'a', 'set-cookie']);
});
