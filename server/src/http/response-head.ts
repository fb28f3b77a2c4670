import { IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';

/** A head that is ready but for its request id, its length and what differs from answer to answer. */
export interface ResponseHead {
  readonly status: number;
  /** Status line and header lines, each with its line end. */
  readonly text: string;
  /** The same headers as names and values in turn. */
  readonly list: readonly string[];
}

/**
 * Puts a prepared head on a response that has no header yet; the caller ends it with a body of that many bytes. The
 * `extra` headers are names and values in turn, trusted like those of the head.
 */
export type WriteHead = (
  response: ServerResponse,
  head: ResponseHead,
  requestId: string,
  bytes: number,
  extra: readonly string[],
) => void;

/**
 * Prepares a head.
 *
 * @param headers names and values in turn, trusted: they are not checked for line ends again
 */
export function prepareHead(headers: readonly string[], status = 200): ResponseHead {
  const text = appendLines(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`, headers);
  return { status, text, list: headers };
}

function appendLines(text: string, headers: readonly string[]): string {
  let lines = text;
  for (let at = 0; at < headers.length; at += 2) lines += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return lines;
}

/** Writes a prepared head through node's public interface, past the override that would add the constants again. */
export const writePublicHead: WriteHead = (response, head, requestId, bytes, extra) => {
  const all = [...head.list, ...extra, 'x-request-id', requestId, 'content-length', String(bytes)];
  ServerResponse.prototype.writeHead.call(response, head.status, all);
};

/**
 * Chooses how prepared heads are written. `writeHead` checks the spelling of every name and value again for every
 * answer; `_storeHeader`, which it calls in the end and which adds Date, Connection and Keep-Alive, takes the lines
 * as they are: /ping at 0.99 of a bare server instead of 0.91. It is not public, so it is tried out first, and
 * what does not behave as expected is not used.
 */
export function chooseWriteHead(): WriteHead {
  const store = findStoreHeader();
  if (store === undefined) return writePublicHead;
  return (response, head, requestId, bytes, extra) => {
    response.statusCode = head.status;
    Reflect.apply(store, response, [
      `${appendLines(head.text, extra)}x-request-id: ${requestId}\r\n`,
      ['content-length', String(bytes)],
    ]);
  };
}

const expected =
  /^HTTP\/1\.1 200 OK\r\na: b\r\ncontent-length: 2\r\nDate: [^\r]+ GMT\r\nConnection: (keep-alive|close)\r\n(Keep-Alive: [^\r]+\r\n)?\r\n$/;

function findStoreHeader(): ((...given: never[]) => unknown) | undefined {
  const request = new IncomingMessage(new Socket());
  request.method = 'GET';
  const probe = new ServerResponse(request);
  if (!('_storeHeader' in probe) || typeof probe._storeHeader !== 'function') return undefined;
  const store: unknown = probe._storeHeader;
  try {
    Reflect.apply(probe._storeHeader, probe, ['HTTP/1.1 200 OK\r\na: b\r\n', ['content-length', '2']]);
  } catch {
    return undefined;
  }
  const works =
    probe.headersSent &&
    '_header' in probe &&
    typeof probe._header === 'string' &&
    expected.test(probe._header);
  return works && isFunction(store) ? store : undefined;
}

function isFunction(value: unknown): value is (...given: never[]) => unknown {
  return typeof value === 'function';
}
