import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** What node:http calls a request it could not read, and what we answer; anything else is a 400. */
const refusals = new Map([
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    { status: 408, detail: 'The request was not complete in time. Send it again.' },
  ],
  [
    'HPE_HEADER_OVERFLOW',
    { status: 431, detail: 'The request headers are too large. Send fewer or shorter ones.' },
  ],
  [
    'HPE_CHUNK_EXTENSIONS_OVERFLOW',
    { status: 413, detail: 'The chunk extensions are too large. Send none.' },
  ],
]);
const malformed = {
  status: 400,
  detail: 'This is not a well-formed HTTP/1.1 request. Check what the client sends.',
};

/** The status for a request that node:http gave up on, by the code of its error. */
export function statusOfClientError(code: string | undefined): number {
  return (refusals.get(code ?? '') ?? malformed).status;
}

/**
 * Answers a request that could not be read, on the bare socket, and closes it.
 *
 * @param headers names and values in turn, request id and constant headers
 */
export function refuseOnSocket(socket: Duplex, code: string | undefined, headers: readonly string[]): void {
  const { status, detail } = refusals.get(code ?? '') ?? malformed;
  const title = STATUS_CODES[status];
  const body = JSON.stringify({ detail, type: 'about:blank', title, status });
  const lines = [`HTTP/1.1 ${status} ${title}`, `date: ${new Date().toUTCString()}`, 'connection: close'];
  lines.push('content-type: application/problem+json', `content-length: ${Buffer.byteLength(body)}`);
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
