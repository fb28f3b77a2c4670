/**
 * HTTP/1.1 on a raw TCP, TLS or Unix socket, one request outstanding. On one core this is 135k requests a second where
 * undici's `dispatch` makes 85-91k: no stream, no buffer and no object for an answer.
 */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { FailureKind } from '../result/result.ts';
import type { Answer } from '../scenarios/scenario.ts';
import {
  backOffMs,
  type Connection,
  type ConnectionOwner,
  type ConnectionTarget,
  type EncodedRequest,
} from './connection.ts';
import { describeConnectionError } from './connection-error.ts';
import { isDomainName } from './request-encoder.ts';
import { readFields } from './response-head.ts';
import { type HeadCache, ResponseParser } from './response-parser.ts';

/**
 * Read into by all sockets in turn: libuv asks for the buffer, reads and calls back in one go, and the parser copies
 * what it keeps. Windows reads ahead into the buffer, so there each connection needs its own.
 */
const sharedReadBuffer = Buffer.allocUnsafeSlow(65_536);

export class Http1Connection implements Connection {
  readonly index: number;
  dueUs = 0;
  sentUs = 0;
  number = 0;
  step = 0;
  isOpen = false;
  isBusy = false;
  isFree = false;
  isQueuedFree = false;
  needsRenewal = false;

  readonly #owner: ConnectionOwner;
  readonly #target: ConnectionTarget;
  readonly #parser: ResponseParser;
  readonly #readBuffer: Buffer;
  #socket: Socket | undefined = undefined;
  #isClosed = false;
  /** Opened in vain, or closed by the server before any request. */
  #failuresInARow = 0;
  #timer: NodeJS.Timeout | undefined = undefined;

  constructor(index: number, owner: ConnectionOwner, target: ConnectionTarget, heads: HeadCache) {
    this.index = index;
    this.#owner = owner;
    this.#target = target;
    this.#parser = new ResponseParser(heads, target.maxBodyBytes);
    this.#readBuffer = process.platform === 'win32' ? Buffer.allocUnsafeSlow(16_384) : sharedReadBuffer;
  }

  open(): void {
    if (this.#isClosed) return;
    const { connectTimeoutMs } = this.#target;
    let reason = '';
    const socket = this.#connect();
    this.#socket = socket;
    this.isOpen = false;
    this.#timer = setTimeout(() => {
      reason = `no connection within ${connectTimeoutMs} ms`;
      socket.destroy();
    }, connectTimeoutMs);
    socket.on(this.#isSecure ? 'secureConnect' : 'connect', () => {
      if (this.#socket === socket) this.#onOpen();
    });
    socket.on('error', (error) => {
      reason = reason === '' ? describeConnectionError(error) : reason;
    });
    socket.on('end', () => {
      if (this.#socket === socket) this.#onEnd(true, 'the connection ended');
    });
    socket.on('close', () => {
      if (this.#socket === socket) this.#onEnd(false, reason === '' ? 'the connection closed' : reason);
    });
  }

  send(request: EncodedRequest, keepsAnswer: boolean): void {
    this.#parser.begin(request.isHead, keepsAnswer);
    this.isBusy = true;
    this.#socket?.write(request.bytes);
  }

  readAnswer(): Answer {
    const { head } = this.#parser;
    const body = this.#parser.takeBody();
    let fields: Record<string, string> | undefined;
    return {
      status: head?.status ?? 0,
      get headers() {
        fields ??= head === undefined ? {} : readFields(head);
        return fields;
      },
      text: () => body.toString(),
      json: () => JSON.parse(body.toString()),
    };
  }

  abandon(): void {
    this.isBusy = false;
    this.#drop();
    this.open();
  }

  close(): void {
    this.#isClosed = true;
    this.isBusy = false;
    this.#drop();
  }

  get #isSecure(): boolean {
    return this.#target.url.protocol === 'https:';
  }

  #connect(): Socket {
    const { address, isSocket, insecure, url } = this.#target;
    const port = Number(url.port === '' ? (this.#isSecure ? 443 : 80) : url.port);
    const where = isSocket ? { path: address } : { host: address, port };
    if (this.#isSecure) {
      const name = url.hostname;
      const socket = connectTls({
        ...where,
        ...(isDomainName(name) ? { servername: name } : {}),
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: !insecure,
      });
      socket.setNoDelay(true);
      socket.on('data', (chunk: Buffer) => {
        if (this.#socket === socket) this.#onData(chunk, chunk.length);
      });
      return socket;
    }
    const buffer = this.#readBuffer;
    const socket: Socket = connectPlain({
      ...where,
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          if (this.#socket === socket) this.#onData(buffer, length);
          return true;
        },
      },
    });
    return socket;
  }

  #onOpen(): void {
    clearTimeout(this.#timer);
    this.isOpen = true;
    this.#owner.onOpened(this);
    this.#owner.onFree(this);
  }

  #onData(buffer: Buffer, length: number): void {
    this.#owner.onBytes(length);
    if (!this.isBusy) {
      this.#owner.onNote('The server sent bytes that answer nothing; their connection was closed.');
      this.#lose();
      return;
    }
    const parsed = this.#parser.feed(buffer, length);
    if (parsed === 'more') return;
    if (parsed === 'complete') this.#complete(this.#parser.keepsAlive);
    else this.#fail(parsed, parsed === 'protocol' ? 'what came is not HTTP/1.1' : 'the body is too large');
  }

  #complete(keepsAlive: boolean): void {
    this.isBusy = false;
    this.#failuresInARow = 0;
    this.#owner.onAnswer(this, this.#parser.head?.status ?? 0);
    if (this.#isClosed) return;
    if (keepsAlive) this.#owner.onFree(this);
    else this.#lose();
  }

  #fail(kind: FailureKind, reason: string): void {
    this.isBusy = false;
    this.#failuresInARow = 0;
    this.#owner.onFailure(this, kind, reason);
    if (!this.#isClosed) this.#lose();
  }

  /** @param isOrderly the server said that it will send no more, rather than the connection breaking */
  #onEnd(isOrderly: boolean, reason: string): void {
    if (!this.isOpen) {
      this.#drop();
      this.#failuresInARow++;
      this.#owner.onConnectFailure(this, reason);
      this.#openLater();
    } else if (!this.isBusy) {
      // Servers close idle connections; one that closes before any request is not worth hurrying back to.
      this.#failuresInARow++;
      this.#lose();
    } else if (isOrderly && this.#parser.finish()) this.#complete(false);
    else this.#fail(this.#parser.bytes === 0 ? 'reset' : 'truncated', reason);
  }

  #lose(): void {
    this.#drop();
    this.#owner.onLost(this);
    this.#openLater();
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    this.isOpen = false;
    socket?.destroy();
  }

  #openLater(): void {
    if (this.#isClosed) return;
    const delayMs = backOffMs(this.#failuresInARow);
    if (delayMs === 0) this.open();
    else this.#timer = setTimeout(() => this.open(), delayMs);
  }
}
