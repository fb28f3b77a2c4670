/**
 * Reads one HTTP/1.1 answer after the other from raw bytes (RFC 9112), in whatever pieces they come, keeping none of
 * the body unless somebody will look at it.
 *
 * Most answers of a load have the same head as the one before, but for a date that changes once a second. A head that
 * is byte for byte the last one is not read again: that comparison takes about 60 ns, reading the head 600.
 */
import { KeptBody } from './kept-body.ts';
import { parseHead, type ResponseHead } from './response-head.ts';

export type Parsed = 'more' | 'complete' | 'protocol' | 'too-large';

const maxHeadBytes = 65_536;
const headEnd = Buffer.from('\r\n\r\n');
const lineFeed = 10;

const inHead = 0;
const inLength = 1;
const inChunkSize = 2;
const inChunk = 3;
const inChunkEnd = 4;
const inTrailers = 5;
const untilClose = 6;
const done = 7;

/** Heads seen last, shared by the connections of a load: a new date is read once a second, not once a connection. */
export interface HeadCache {
  last: ResponseHead | undefined;
}

export class ResponseParser {
  /** Of the answer just completed or being read; undefined before its head is. */
  head: ResponseHead | undefined = undefined;
  /** False when the connection cannot be used again after this answer. */
  keepsAlive = true;
  /** Bytes of this answer seen so far; 0 says that nothing came. */
  bytes = 0;

  readonly #heads: HeadCache;
  readonly #maxBodyBytes: number;
  #state: number = inHead;
  #isHead = false;
  #keepsBody = false;
  #partialHead: Buffer | undefined = undefined;
  #bodyBytes = 0;
  /** Of the body or the chunk. */
  #remaining = 0;
  /** Of the line of a chunk's size or of trailers, as far as it came. */
  #line = '';
  #trailerBytes = 0;
  readonly #body = new KeptBody();

  constructor(heads: HeadCache, maxBodyBytes: number) {
    this.#heads = heads;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /**
   * Expects an answer.
   *
   * @param isHead the request was HEAD, so no body follows whatever the head says
   * @param keepsBody somebody will ask for `takeBody`
   */
  begin(isHead: boolean, keepsBody: boolean): void {
    this.head = undefined;
    this.keepsAlive = true;
    this.bytes = 0;
    this.#state = inHead;
    this.#isHead = isHead;
    this.#keepsBody = keepsBody;
    this.#partialHead = undefined;
    this.#bodyBytes = 0;
    this.#body.clear();
  }

  /** The body of a completed answer for which it was kept. */
  takeBody(): Buffer {
    return this.#body.read();
  }

  /**
   * Reads the first `length` bytes of `buffer`, which may be overwritten afterwards. Bytes after the end of the answer
   * are 'protocol': nothing was asked that they could answer.
   */
  feed(buffer: Buffer, length: number): Parsed {
    this.bytes += length;
    let at = 0;
    while (at < length) {
      switch (this.#state) {
        case inHead: {
          const next = this.#readHead(buffer, at, length);
          if (next < 0) return 'protocol';
          if (next === 0) return 'more';
          at = next;
          if (this.#remaining > this.#maxBodyBytes) return 'too-large';
          break;
        }
        case inLength: {
          const take = Math.min(this.#remaining, length - at);
          if (this.#keepsBody) this.#body.add(buffer, at, at + take);
          this.#remaining -= take;
          at += take;
          if (this.#remaining === 0) this.#state = done;
          break;
        }
        case inChunk: {
          const take = Math.min(this.#remaining, length - at);
          if (this.#keepsBody) this.#body.add(buffer, at, at + take);
          this.#remaining -= take;
          at += take;
          if (this.#remaining === 0) this.#state = inChunkEnd;
          break;
        }
        case untilClose: {
          this.#bodyBytes += length - at;
          if (this.#bodyBytes > this.#maxBodyBytes) return 'too-large';
          if (this.#keepsBody) this.#body.add(buffer, at, length);
          return 'more';
        }
        case done:
          return 'protocol';
        default: {
          const next = this.#readLine(buffer, at, length);
          if (next < 0) return 'protocol';
          at = next;
          if (this.#bodyBytes > this.#maxBodyBytes) return 'too-large';
        }
      }
    }
    return this.#state === done ? 'complete' : 'more';
  }

  /** The connection ended: whether that completes the answer. */
  finish(): boolean {
    return this.#state === untilClose;
  }

  /** Returns where the body begins, 0 when the head is not complete, or -1 for what is no head. */
  #readHead(buffer: Buffer, at: number, length: number): number {
    const last = this.#heads.last;
    if (last !== undefined && this.#partialHead === undefined) {
      const end = at + last.bytes.length;
      if (end <= length && buffer.compare(last.bytes, 0, last.bytes.length, at, end) === 0) {
        this.#begin(last);
        return end;
      }
    }
    return this.#readNewHead(buffer.subarray(at, length), at);
  }

  #readNewHead(fresh: Buffer, at: number): number {
    const before = this.#partialHead;
    const bytes = before === undefined ? fresh : Buffer.concat([before, fresh]);
    // The end may lie across two pieces: look again at the last three bytes of what came before.
    const end = bytes.indexOf(headEnd, Math.max(0, (before?.length ?? 0) - 3));
    if (end < 0 || end > maxHeadBytes) {
      if (bytes.length > maxHeadBytes || !couldBeHttp(bytes)) return -1;
      this.#partialHead = Buffer.from(bytes);
      return 0;
    }
    const head = parseHead(Buffer.from(bytes.subarray(0, end + headEnd.length)));
    this.#partialHead = undefined;
    if (head === undefined) return -1;
    const next = at + head.bytes.length - (before?.length ?? 0);
    if (head.status >= 100 && head.status < 200) {
      // An interim answer: the real one follows. Nobody asked for another protocol.
      return head.status === 101 ? -1 : next;
    }
    this.#heads.last = head;
    this.#begin(head);
    return next;
  }

  #begin(head: ResponseHead): void {
    this.head = head;
    this.keepsAlive = head.keepsAlive;
    this.#remaining = 0;
    if (this.#isHead || head.status === 204 || head.status === 304) {
      this.#state = done;
    } else if (head.isChunked) {
      this.#line = '';
      this.#state = inChunkSize;
    } else if (head.contentLength >= 0) {
      this.#remaining = head.contentLength;
      this.#state = head.contentLength === 0 ? done : inLength;
    } else {
      this.keepsAlive = false;
      this.#state = untilClose;
    }
  }

  /** Reads the size of a chunk, the line end after one or a trailer; returns where it ends, or -1 for garbage. */
  #readLine(buffer: Buffer, at: number, length: number): number {
    const found = buffer.indexOf(lineFeed, at);
    const end = found < 0 || found >= length ? length : found + 1;
    this.#line += buffer.toString('latin1', at, end);
    if (this.#line.length > maxHeadBytes) return -1;
    if (!this.#line.endsWith('\n')) return end;
    const line = this.#line;
    this.#line = '';
    if (!line.endsWith('\r\n')) return -1;
    if (this.#state === inChunkEnd) {
      this.#state = inChunkSize;
      return line === '\r\n' ? end : -1;
    }
    if (this.#state === inTrailers) {
      this.#trailerBytes += line.length;
      if (line === '\r\n') this.#state = done;
      return this.#trailerBytes > maxHeadBytes ? -1 : end;
    }
    // At most 2^48: what is larger would not be exact, and is too large for any limit.
    const size = /^([0-9a-f]{1,12})[ \t]*(?:;[^\r]*)?\r\n$/i.exec(line)?.[1];
    if (size === undefined) return -1;
    this.#remaining = Number.parseInt(size, 16);
    this.#bodyBytes += this.#remaining;
    this.#trailerBytes = 0;
    this.#state = this.#remaining === 0 ? inTrailers : inChunk;
    return end;
  }
}

/** So that a server which speaks something else is found out at its first bytes, not at the time limit. */
function couldBeHttp(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 7);
  if (!'HTTP/1.'.startsWith(start)) return false;
  const end = bytes.indexOf(lineFeed);
  return end < 0 || bytes[end - 1] === 13;
}
