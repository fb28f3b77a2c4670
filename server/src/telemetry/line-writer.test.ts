import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LineWriter, type WriteChunk } from './line-writer.ts';

interface Asked {
  text: string;
  done: Parameters<WriteChunk>[4];
}

/** A descriptor whose writes end when the test says so. */
function createSlowReader() {
  const asked: Asked[] = [];
  let written = '';
  const write: WriteChunk = (_fd, chunk, offset, length, done) => {
    asked.push({ text: chunk.toString('utf8', offset, offset + length), done });
  };
  return {
    write,
    asked,
    get written() {
      return written;
    },
    take(bytes = Number.POSITIVE_INFINITY) {
      const next = asked.shift();
      assert.ok(next);
      const part = Buffer.from(next.text).subarray(0, bytes);
      written += part.toString();
      next.done(null, part.length);
    },
    refuse(code: string) {
      const next = asked.shift();
      assert.ok(next);
      next.done(Object.assign(new Error(code), { code }), 0);
    },
  };
}

test('lines arrive whole, in order and in large chunks', async () => {
  const path = join(fs.mkdtempSync(join(tmpdir(), 'lines-')), 'log');
  const fd = fs.openSync(path, 'w');
  const writer = new LineWriter({ fd });
  const lines = Array.from(
    { length: 50_000 },
    (_, at) => `line ${at} with an umlaut \u00e4 and a \u{1f600}\n`,
  );
  for (const line of lines) writer.write(line);
  await writer.drain();
  assert.equal(fs.readFileSync(path, 'utf8'), lines.join(''));
  assert.equal(writer.dropped, 0);
  fs.closeSync(fd);
});

test('one write is in flight at a time, and a short write is continued where it stopped', async () => {
  const reader = createSlowReader();
  const writer = new LineWriter({ fd: 1, write: reader.write });
  writer.write('first\n');
  const drained = writer.drain();
  writer.write('second\n');
  void writer.drain();
  assert.equal(reader.asked.length, 1);
  reader.take(3);
  assert.equal(reader.asked.length, 1);
  reader.take();
  reader.take();
  await drained;
  assert.equal(reader.written, 'first\nsecond\n');
});

test('a line waits no longer than the delay', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const reader = createSlowReader();
  const writer = new LineWriter({ fd: 1, write: reader.write, maxDelayMs: 100 });
  writer.write('alone\n');
  t.mock.timers.tick(99);
  assert.equal(reader.asked.length, 0);
  t.mock.timers.tick(1);
  assert.equal(reader.asked[0]?.text, 'alone\n');
});

test('when the reader is too slow lines are dropped, counted and reported once it reads again', async () => {
  const reader = createSlowReader();
  const describeDropped = (count: number) => `dropped ${count}\n`;
  const writer = new LineWriter({ fd: 1, write: reader.write, maxWaitingBytes: 200_000, describeDropped });
  const line = `${'x'.repeat(999)}\n`;
  for (let at = 0; at < 1000; at++) writer.write(line);
  assert.ok(writer.dropped > 500, `${writer.dropped} dropped`);
  assert.ok(writer.waitingBytes < 300_000, `${writer.waitingBytes} waiting`);
  const droppedLines = writer.dropped;
  const drained = writer.drain();
  while (reader.asked.length > 0) {
    reader.take();
    void writer.drain();
  }
  await drained;
  const kept = reader.written.split('\n').filter((text) => text.startsWith('x'));
  assert.equal(kept.length + droppedLines, 1000);
  assert.ok(kept.every((text) => text.length === 999));
  assert.equal(reader.written.match(/^dropped \d+$/gm)?.join(), `dropped ${droppedLines}`);
});

test('a full pipe is tried again and loses nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const reader = createSlowReader();
  const writer = new LineWriter({ fd: 1, write: reader.write });
  writer.write('kept\n');
  const drained = writer.drain();
  reader.refuse('EAGAIN');
  assert.equal(reader.asked.length, 0);
  t.mock.timers.tick(10);
  reader.take();
  await drained;
  assert.equal(reader.written, 'kept\n');
  assert.equal(writer.dropped, 0);
});

test('a reader that is gone costs the lines, never the process', async () => {
  const reader = createSlowReader();
  const writer = new LineWriter({ fd: 1, write: reader.write });
  writer.write('one\n');
  const drained = writer.drain();
  reader.refuse('EPIPE');
  await drained;
  for (let at = 0; at < 10; at++) writer.write('more\n');
  await writer.drain();
  assert.equal(reader.asked.length, 0);
  assert.equal(writer.dropped, 11);
});

test('a full disk costs only the chunk it refused', async () => {
  const reader = createSlowReader();
  const writer = new LineWriter({
    fd: 1,
    write: reader.write,
    describeDropped: (count) => `dropped ${count}\n`,
  });
  writer.write('lost\n');
  const drained = writer.drain();
  reader.refuse('ENOSPC');
  await drained;
  writer.write('kept\n');
  const again = writer.drain();
  while (reader.asked.length > 0) reader.take();
  await again;
  assert.equal(reader.written, 'dropped 1\nkept\n');
});

test('what waits is written when the process exits at once', async () => {
  const script = `
    const { LineWriter } = await import(process.argv[1]);
    const writer = new LineWriter({ fd: 1 });
    process.on('exit', () => writer.flushSync());
    for (let at = 0; at < 20000; at++) writer.write('line ' + at + '\\n');
    process.exit(0);`;
  const module = fileURLToPath(new URL('line-writer.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', script, '--', module],
    { maxBuffer: 1e8 },
  );
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.length, 20_000);
  assert.equal(new Set(lines).size, 20_000);
});
