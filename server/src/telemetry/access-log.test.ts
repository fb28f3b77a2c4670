import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAccessLog } from './access-log.ts';

function collect(format: 'json' | 'pretty' = 'json') {
  const lines: string[] = [];
  const log = createAccessLog({
    writer: { write: (line) => void lines.push(line) },
    format,
    now: () => 1_700_000_000_123,
  });
  return { log, lines };
}

test('a request leaves one line with its id, method, route, status, duration and user', () => {
  const { log, lines } = collect();
  const userId = '019c3de9-e136-7062-ae8e-8412ac7c19fa';
  log.write(log.prepare('GET', '/api/v1/users/:id', 200), 'abc-1', 12.3456, userId);
  assert.equal(lines.length, 1);
  assert.deepEqual(JSON.parse(lines[0] ?? ''), {
    level: 30,
    time: 1_700_000_000_123,
    requestId: 'abc-1',
    method: 'GET',
    route: '/api/v1/users/:id',
    status: 200,
    durationMs: 12.345,
    userId,
  });
});

test('without a user the line has no userId', () => {
  const { log, lines } = collect();
  log.write(log.prepare('GET', '/ping', 200), 'abc-1', 0, undefined);
  assert.ok(!('userId' in JSON.parse(lines[0] ?? '')));
});

test('whatever method, route, user and duration hold, a line is one line of JSON that says the same', () => {
  const { log, lines } = collect();
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, min: -1, max: 1e12 }),
      (method, route, userId, durationMs) => {
        log.write(log.prepare(method, route, 200), 'id-1', durationMs, userId);
        const line = lines.pop() ?? '';
        assert.equal(line.indexOf('\n'), line.length - 1);
        const parsed = JSON.parse(line);
        assert.equal(parsed.method, method);
        assert.equal(parsed.route, route);
        assert.equal(parsed.userId, userId);
        assert.ok(Math.abs(parsed.durationMs - Math.max(0, durationMs)) <= 0.001001 + durationMs * 1e-9);
      },
    ),
  );
});

test('on a terminal a line break or an escape sequence in a route stays visible text', () => {
  const { log, lines } = collect('pretty');
  log.write(log.prepare('GET', '/a\n\x1b[2Jb', 404), 'abc-1', 1.5, undefined);
  const line = lines[0] ?? '';
  assert.equal(line.indexOf('\n'), line.length - 1);
  assert.ok(!line.includes('\x1b[2J'));
  assert.match(line, /GET \/a\\n\\u001b\[2Jb .*404.* 1\.500 ms/);
});
