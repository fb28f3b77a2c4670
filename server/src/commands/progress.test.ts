import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProgress, formatCount } from './progress.ts';

function collect(isTTY: boolean) {
  const written: string[] = [];
  let time = 0;
  const stream = { isTTY, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  return { written, stream, now: () => time, advance: (milliseconds: number) => (time += milliseconds) };
}

test('a terminal sees one line that is drawn anew, ten times a second at most', () => {
  const { written, stream, now, advance } = collect(true);
  const progress = createProgress(stream, 'rows', 3_000, now);
  progress.show(0);
  advance(50);
  progress.show(500);
  advance(950);
  progress.show(1_500);
  progress.clear();
  assert.equal(written.length, 3);
  assert.equal(
    written[1],
    `\r[${'#'.repeat(15)}${'.'.repeat(15)}]  50 %  1,500 of 3,000 rows, 1,500 a second\x1b[K`,
  );
  assert.doesNotMatch(written.join(''), /\n/);
});

test('a log sees plain lines, and none of a short run', () => {
  const { written, stream, now, advance } = collect(false);
  const progress = createProgress(stream, 'rows', 20_000, now);
  for (let done = 0; done <= 20_000; done += 1_000) {
    progress.show(done);
    advance(500);
  }
  progress.clear();
  assert.deepEqual(written, [
    '50 %  10,000 of 20,000 rows, 2,000 a second\n',
    '100 %  20,000 of 20,000 rows, 2,000 a second\n',
  ]);
});

test('counts have commas', () => {
  assert.deepEqual([0, 999, 1_000, 1_234_567].map(formatCount), ['0', '999', '1,000', '1,234,567']);
});
