/** COPY ... FROM STDIN: the fast way to write many rows. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type postgres from 'postgres';

export type CopyValue = string | number | Date | null;

/** Lines are handed to the socket in pieces of about this size. */
const pieceLength = 64 * 1024;

/**
 * Writes rows into a table and resolves when PostgreSQL has taken them all.
 *
 * @param statement such as `copy users (id, email) from stdin`
 * @throws what PostgreSQL says; the transaction is over then
 */
export async function copyRows(
  tx: Pick<postgres.TransactionSql, 'unsafe'>,
  statement: string,
  rows: Iterable<readonly CopyValue[]>,
): Promise<void> {
  const query = tx.unsafe(statement);
  const failed = Promise.withResolvers<never>();
  // Nobody waits for it when the stream itself fails first.
  failed.promise.catch(() => undefined);
  // A row that is refused after the last one was sent (a foreign key is checked then) ends neither the stream nor the
  // query, which has been resolved with the stream: https://github.com/porsager/postgres/issues/1173
  Reflect.set(query, 'reject', failed.reject);
  const stream = await Promise.race([query.writable(), failed.promise]);
  await Promise.race([pipeline(Readable.from(encodeRows(rows)), stream), failed.promise]);
}

/** Rows in the text format of COPY, many to a piece. */
function* encodeRows(rows: Iterable<readonly CopyValue[]>): Generator<Buffer> {
  let piece = '';
  for (const row of rows) {
    piece += `${row.map(encodeValue).join('\t')}\n`;
    if (piece.length < pieceLength) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  if (piece !== '') yield Buffer.from(piece);
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function encodeValue(value: CopyValue): string {
  if (value === null) return '\\N';
  if (value instanceof Date) return value.toISOString();
  return String(value).replaceAll(/[\\\t\n\r]/g, (character) => escapes[character] ?? '');
}
