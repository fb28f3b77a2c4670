import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import {
  assertAccounts,
  openTestGenerator,
  runLoad,
  runPhase,
  startServer,
  writeScenario,
} from './testing/load-run.ts';

const ok = 'HTTP/1.1 200 OK\r\n';
const answer = `${ok}Content-Length: 2\r\n\r\nok`;

interface Row {
  name: string;
  answer: (socket: Socket, number: number) => void;
  /** Everything that is due ends as this; undefined is right. */
  kind?: string;
  /** What may come instead, when the network decides. */
  orKind?: string;
  deliveredShare?: number;
}

const table: readonly Row[] = [
  { name: 'right answers', answer: (socket) => socket.write(answer), deliveredShare: 1 },
  {
    name: 'answers of 500',
    answer: (socket) => socket.write('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n'),
    kind: 'status',
    deliveredShare: 1,
  },
  {
    name: 'chunked answers',
    answer: (socket) => {
      socket.write(`${ok}Transfer-Encoding: chunked\r\n\r\n2\r\no`);
      setImmediate(() => socket.write('k\r\n0\r\n\r\n'));
    },
    deliveredShare: 1,
  },
  {
    name: 'a reset before any answer',
    answer: (socket) => socket.resetAndDestroy(),
    kind: 'reset',
    deliveredShare: 0,
  },
  {
    name: 'a close before any answer',
    answer: (socket) => socket.end(),
    kind: 'reset',
    deliveredShare: 0,
  },
  {
    name: 'a reset inside the answer',
    answer: (socket) =>
      socket.write(`${ok}Content-Length: 9\r\n\r\nhalf`, () => setTimeout(() => socket.resetAndDestroy(), 2)),
    kind: 'truncated',
    orKind: 'reset',
  },
  {
    name: 'a close inside the answer',
    answer: (socket) => socket.end(`${ok}Content-Length: 9\r\n\r\nhalf`),
    kind: 'truncated',
  },
  { name: 'what is not HTTP', answer: (socket) => socket.write('+OK ready\r\n'), kind: 'protocol' },
  {
    name: 'more bytes than the answer has',
    answer: (socket) => socket.write(`${answer}${answer}`),
    kind: 'protocol',
  },
];

for (const row of table) {
  test(`counts ${row.name} as ${row.kind ?? 'ok'}`, async (t) => {
    const { url } = await startServer(t, row.answer);
    const run = await runLoad(t, { url });
    const failures = { ...run.failures };
    const expected = row.kind === undefined ? run.ok : (failures[row.kind] ?? 0);
    assert.equal(expected + (failures[row.orKind ?? ''] ?? 0), run.due, JSON.stringify(run.failures));
    assert.ok(expected > 0);
    if (row.deliveredShare !== undefined) assert.equal(run.deliveredShare, row.deliveredShare);
    assert.equal(run.response.count, run.ok);
    if (row.kind !== undefined) assert.match(run.notes?.join() ?? '', new RegExp(`${row.kind}: `));
  });
}

for (const [name, start] of [
  ['never answers', ''],
  ['stops in the middle of each answer', `${ok}Content-Length: 9\r\n\r\nhalf`],
] as const) {
  test(`a server that ${name} is timeouts, and what waited is in the response times with its age`, async (t) => {
    const { url } = await startServer(t, (socket) => start !== '' && socket.write(start));
    const run = await runLoad(t, { url, load: { connections: 2, ratePerS: 50 } });
    const { timeout = 0, unfinished = 0 } = run.failures;
    assert.equal(timeout + unfinished, run.due);
    assert.ok(timeout >= 2 && unfinished > 0, JSON.stringify(run.failures));
    assert.equal(run.deliveredShare, 0);
    assert.equal(run.response.count, run.due);
    assert.ok(run.response.maxUs >= 400_000);
    assert.equal(run.ratePerS, 0);
  });
}

test('a connection closed after each answer is opened anew, and every answer counts', async (t) => {
  const { url } = await startServer(t, (socket) =>
    socket.end(`${ok}Connection: close\r\nContent-Length: 2\r\n\r\nok`),
  );
  const run = await runLoad(t, { url });
  assert.equal(run.ok, run.due);
  assert.ok(run.connectionsOpened >= run.due, `${run.connectionsOpened} connections`);
});

test('a body that ends with its connection is a right answer', async (t) => {
  const { url } = await startServer(t, (socket) => socket.end(`${ok}\r\nhello`));
  const run = await runLoad(t, { url });
  assert.equal(run.ok, run.due);
});

test('a refused port is counted as connect, at no great cost', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  server.close();
  await once(server, 'close');
  const run = await runLoad(t, { url: `http://127.0.0.1:${address.port}/` });
  assert.deepEqual(run.failures, { connect: run.due });
  assert.match(run.notes?.join() ?? '', /connect: .*ECONNREFUSED/);
  assert.ok(run.generatorCpu < 0.9, `${run.generatorCpu} of a core`);
});

test('a closed loop against a refused port ends, and counts its attempts', async (t) => {
  const run = await runLoad(t, { url: 'http://127.0.0.1:1/', load: { loop: 'closed', ratePerS: null } });
  assert.ok(run.due > 0 && run.due < 1000, `${run.due} attempts`);
  assert.deepEqual(run.failures, { connect: run.due });
});

test('a server that dies half-way leaves right answers before and failures after', async (t) => {
  const { url, server, sockets } = await startServer(t, (socket) => socket.write(answer));
  const generator = await openTestGenerator(t, { url });
  const running = runPhase(generator, { durationS: 2, ratePerS: 200 });
  setTimeout(() => {
    server.close();
    for (const socket of sockets) socket.resetAndDestroy();
  }, 1000);
  const run = await running;
  assert.ok(run.ok > 50, `${run.ok} right answers`);
  assert.ok((run.failures.connect ?? 0) > 50, JSON.stringify(run.failures));
  assert.ok(run.deliveredShare < 0.95);
});

test('a server that comes back is found again in the same phase', async (t) => {
  const first = await startServer(t, (socket) => socket.write(answer));
  const generator = await openTestGenerator(t, { url: first.url });
  const running = runPhase(generator, { durationS: 3, ratePerS: 100 });
  setTimeout(() => {
    first.server.close();
    for (const socket of first.sockets) socket.resetAndDestroy();
  }, 700);
  setTimeout(() => first.server.listen(Number(new URL(first.url).port), '127.0.0.1'), 1400);
  const run = await running;
  assert.ok((run.failures.connect ?? 0) > 10, JSON.stringify(run.failures));
  assert.ok((run.series[2]?.ok ?? 0) > 50, JSON.stringify(run.series));
});

test('bodies of 100 MB are too large without being read, and within a higher limit are not kept', async (t) => {
  const size = 100_000_000;
  const piece = Buffer.alloc(1_000_000);
  const { url } = await startServer(t, (socket) => {
    socket.write(`${ok}Content-Length: ${size}\r\n\r\n`);
    let left = size / piece.length;
    const more = () => {
      while (left > 0 && !socket.destroyed) {
        left--;
        if (!socket.write(piece)) return;
      }
    };
    socket.on('drain', more);
    more();
  });
  const refused = await runLoad(t, { url, load: { ratePerS: 20 } });
  assert.deepEqual(refused.failures, { 'too-large': 20 });
  const generator = await openTestGenerator(t, {
    url,
    maxBodyBytes: 2 * size,
    load: { timeoutS: 5, connections: 2 },
  });
  const read = await runPhase(generator, { durationS: 1, ratePerS: 4 });
  assert.ok(read.ok >= 1, JSON.stringify(read.failures));
  assert.ok(read.bytesIn >= read.ok * size);
  const peakKib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${generator.pid}/status`, 'utf8'))?.[1];
  assert.ok(Number(peakKib) < 250_000, `the generator took ${peakKib} KiB`);
});

test('a body that the check refuses is counted as body, one that makes it throw as script', async (t) => {
  let served = 0;
  const { url } = await startServer(t, (socket) =>
    socket.write(served++ % 2 === 0 ? answer : `${ok}Content-Length: 2\r\n\r\n{}`),
  );
  const scenarioPath = writeScenario(
    t,
    `export const scenario = { name: 'wrong', steps: [{ name: 'a', request: { path: '/' }, check(answer) {
      if (answer.text() === 'ok') return 'it says ok';
      return answer.json().missing.deeper;
    } }] };`,
  );
  const run = await runLoad(t, { url, scenarioPath });
  assert.equal(run.failures.body, 100);
  assert.equal(run.failures.script, 100);
  assert.equal(run.ok, 0);
  assert.equal(run.deliveredShare, 1);
  assert.match(run.notes?.join('\n') ?? '', /body: a: it says ok\n?/);
});

test('a rate that the server cannot keep is not delivered, and what waits keeps its place and its age', async (t) => {
  const { url } = await startServer(t, (socket) => setTimeout(() => socket.write(answer), 20));
  const run = await runLoad(t, {
    url,
    load: { connections: 1, ratePerS: 100, durationS: 2, timeoutS: 3 },
  });
  // 1,000 ms / about 21 ms: half of what is due.
  assert.ok(run.deliveredShare < 0.65 && run.deliveredShare > 0.2, `${run.deliveredShare} delivered`);
  assert.ok(run.ratePerS < 65, `${run.ratePerS}/s`);
  assert.ok(run.service.meanUs < 100_000);
  assert.ok(run.response.maxUs > 500_000, `${run.response.maxUs} us`);
});

/** What a server may do with a request, right and wrong, by turns that no period of the load matches. */
const moods: readonly ((socket: Socket) => void)[] = [
  (socket) => socket.write(answer),
  (socket) => setTimeout(() => socket.write(answer), 30),
  (socket) => socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'),
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.end(answer),
  (socket) => socket.end(`${ok}Content-Length: 5\r\n\r\nok`),
  (socket) => socket.write('nonsense\r\n\r\n'),
  () => undefined,
  (socket) => socket.write(answer),
  (socket) => socket.write(`${answer}surplus`),
  (socket) => socket.write(`${ok}Content-Length: 99999999\r\n\r\n`),
];

for (const load of [
  { loop: 'open', ratePerS: 700, arrivals: 'poisson' },
  { loop: 'open', ratePerS: 700, arrivals: 'constant', spin: true },
  { loop: 'closed', ratePerS: null },
] as const) {
  const name = `${load.loop} loop${load.ratePerS === null ? '' : `, ${load.arrivals} arrivals`}`;
  test(`whatever a server does, each request comes to exactly one end (${name})`, async (t) => {
    let turn = 0;
    const { url } = await startServer(t, (socket) => {
      turn++;
      moods[(turn + Math.floor(turn / 7)) % moods.length]?.(socket);
    });
    const generator = await openTestGenerator(t, { url, load: { ...load, connections: 8, timeoutS: 0.1 } });
    const { ratePerS } = load;
    const run = await generator.run({ durationS: 2, ratePerS });
    assertAccounts(run);
    for (const kind of ['status', 'reset', 'truncated', 'protocol', 'timeout', 'too-large']) {
      assert.ok((run.failures[kind] ?? 0) > 0, `${kind} in ${JSON.stringify(run.failures)}`);
    }
    assert.ok(run.ok > 0);
    if (ratePerS !== null) assert.ok(Math.abs(run.due - 1400) < 150, `${run.due} due`);
  });
}
