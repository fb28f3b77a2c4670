/** Cursors whose checksum is right, which anybody can make: only what a page could have said is taken. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ValidationProblem } from '../problem.ts';
import { readCursor, writeCursor } from './cursor.ts';

const id = '01999999-abcd-7000-8000-000000000001';
const time = '2026-01-01T00:00:00.123456Z';

test('a cursor says again what was written', () => {
  for (const [orderBy, value] of [
    ['name', 'row \u{1f4aa}'],
    ['createdAt', time],
  ] as const) {
    assert.deepEqual(readCursor(writeCursor({ value, id }, 'list'), orderBy, 'list'), { value, id });
  }
});

for (const [what, position] of [
  ['a time of another zone', { value: '2026-01-01T02:00:00.123456+02:00', id }],
  ['a time without microseconds', { value: '2026-01-01T00:00:00Z', id }],
  ['a time of nine digits', { value: '2026-01-01T00:00:00.123456789Z', id }],
  ['a time with a space', { value: '2026-01-01 00:00:00.123456Z', id }],
  ['a time in small letters', { value: '2026-01-01t00:00:00.123456z', id }],
  ['a day that is none', { value: '2026-02-30T00:00:00.123456Z', id }],
  ['an id in capitals', { value: time, id: id.toUpperCase() }],
] as const) {
  test(`${what} is no cursor: PostgreSQL would place it otherwise than a list in memory, or refuse it`, () => {
    assert.throws(() => readCursor(writeCursor(position, 'list'), 'createdAt', 'list'), ValidationProblem);
  });
}
