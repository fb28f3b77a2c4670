/**
 * Where a page of an inbox ended: an event id, bound to the organization and the filter it was made for. It gives no
 * right to anything, since every page shows the caller's own events alone; so it is not signed, only checked.
 */
import { hash } from 'node:crypto';
import { ValidationProblem } from '../problem.ts';

const checksumLength = 12;

/** @param listKey organization and filter */
export function writeInboxCursor(eventId: string, listKey: string): string {
  const bytes = Buffer.from(eventId.replaceAll('-', ''), 'hex');
  return bytes.toString('base64url') + checksum(eventId, listKey);
}

/** @throws ValidationProblem for anything that `writeInboxCursor` did not make for this list */
export function readInboxCursor(cursor: string, listKey: string): string {
  const encoded = cursor.slice(0, -checksumLength);
  const hex = Buffer.from(encoded, 'base64url').toString('hex');
  const eventId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  if (eventId.length === 36 && writeInboxCursor(eventId, listKey) === cursor) return eventId;
  const message = 'Should be the next_cursor of a page of this very list';
  throw new ValidationProblem([{ type: 'value_error', field: 'cursor', message }]);
}

function checksum(eventId: string, listKey: string): string {
  return hash('sha256', `${listKey}\n${eventId}`, 'base64url').slice(0, checksumLength);
}
