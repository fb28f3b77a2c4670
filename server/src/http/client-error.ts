/** Requests that node:http could not read: there is no route and no reply, only a socket. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ProblemCode, problems } from '@irontrack/contract/problems.ts';
import { Problem } from '../problem.ts';
import { problemBody, problemMediaType } from './errors.ts';

/** What node:http calls them, and the problem they are; anything else is a malformed request. */
const refusals: Readonly<Record<string, ProblemCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body-too-large',
};

function problemOf(errorCode: string | undefined): ProblemCode {
  return refusals[errorCode ?? ''] ?? 'malformed-request';
}

/** The status for a request that node:http gave up on, by the code of its error. */
export function statusOfClientError(errorCode: string | undefined): number {
  return problems[problemOf(errorCode)].status;
}

/** Long enough for an answer to be read on a bad line. */
const lingerMs = 2_000;

/**
 * Answers a request that could not be read, on the bare socket, and closes it.
 *
 * @param headers names and values in turn: the constant headers
 */
export function refuseOnSocket(
  socket: Duplex,
  errorCode: string | undefined,
  requestId: string,
  headers: readonly string[],
): void {
  const problem = new Problem(problemOf(errorCode));
  const body = JSON.stringify(problemBody(problem, requestId));
  const lines = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `date: ${new Date().toUTCString()}`,
    'connection: close',
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
  ];
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  // Not at once: what the client is still sending would have its system throw our answer away. But a client that does not
  // close its own side would hold the connection for ever, since no timer of node:http looks at it any more.
  const late = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once('close', () => clearTimeout(late));
}
