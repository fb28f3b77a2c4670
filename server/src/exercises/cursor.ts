/**
 * Where a page ended: the value the list is ordered by and the id, which together no two rows share. Opaque to clients,
 * and bound to the filter and the order it was made for. It gives no right to anything: what a page shows is decided
 * by who asks for it, so it is not signed, only checked.
 */
import { createHash } from 'node:crypto';
import { formats } from '../http/formats.ts';
import { ValidationProblem } from '../problem.ts';

export interface CursorPosition {
  /** A name key, or a time in UTC with microseconds. */
  value: string;
  id: string;
}

const longestName = 400;
const checksumLength = 12;

export function writeCursor({ value, id }: CursorPosition, listKey: string): string {
  const text = `${id}${value}`;
  return Buffer.from(`${checksum(text, listKey)}${text}`).toString('base64url');
}

/** @throws ValidationProblem for anything that `writeCursor` did not make for this list */
export function readCursor(cursor: string, orderBy: 'name' | 'createdAt', listKey: string): CursorPosition {
  const bytes = Buffer.from(cursor, 'base64url');
  const whole = bytes.toString('utf8');
  const text = whole.slice(checksumLength);
  const position = { id: text.slice(0, 36), value: text.slice(36) };
  const isOurs =
    bytes.toString('base64url') === cursor &&
    whole.slice(0, checksumLength) === checksum(text, listKey) &&
    formats.uuid(position.id) &&
    position.id === position.id.toLowerCase() &&
    (orderBy === 'name' ? isNameKey(position.value) : isWrittenTime(position.value));
  if (isOurs) return position;
  const message = 'Should be the next_cursor of a page of this very list';
  throw new ValidationProblem([{ type: 'value_error', field: 'cursor', message }]);
}

function isNameKey(value: string): boolean {
  return value.length <= longestName && !value.includes('\0') && value.isWellFormed();
}

/** In the one spelling that is written: in memory times are compared as texts. */
function isWrittenTime(value: string): boolean {
  return /\.\d{6}Z$/.test(value) && value[10] === 'T' && formats['date-time-with-zone'](value);
}

function checksum(text: string, listKey: string): string {
  return createHash('sha256').update(`${listKey}\n${text}`).digest('base64url').slice(0, checksumLength);
}
