/** HTTP/2 by node:http2: one session for each connection of the load, one stream outstanding in each, as h2load -m 1. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectSession } from 'node:http2';
import { connect as connectPlain } from 'node:net';
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
import { KeptBody } from './kept-body.ts';
import { isDomainName } from './request-encoder.ts';

export class Http2Connection implements Connection {
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
  #session: ClientHttp2Session | undefined = undefined;
  #stream: ClientHttp2Stream | undefined = undefined;
  #isClosed = false;
  #isGoingAway = false;
  #failuresInARow = 0;
  #timer: NodeJS.Timeout | undefined = undefined;
  #status = 0;
  #fields: Record<string, string> = {};
  readonly #body = new KeptBody();

  constructor(index: number, owner: ConnectionOwner, target: ConnectionTarget) {
    this.index = index;
    this.#owner = owner;
    this.#target = target;
  }

  open(): void {
    if (this.#isClosed) return;
    const { connectTimeoutMs, url } = this.#target;
    let reason = '';
    const session = connectSession(url.origin, { createConnection: () => this.#connect() });
    this.#session = session;
    this.isOpen = false;
    this.#isGoingAway = false;
    this.#timer = setTimeout(() => {
      reason = `no connection within ${connectTimeoutMs} ms`;
      session.destroy();
    }, connectTimeoutMs);
    // Not 'connect': a server that speaks HTTP/1.1 accepts too, but never sends its settings.
    session.on('remoteSettings', () => {
      if (this.#session !== session || this.isOpen) return;
      clearTimeout(this.#timer);
      this.isOpen = true;
      this.#owner.onOpened(this);
      this.#owner.onFree(this);
    });
    session.on('error', (error: Error) => {
      reason = reason === '' ? describeConnectionError(error) : reason;
    });
    session.on('goaway', () => {
      this.#isGoingAway = true;
    });
    session.on('close', () => {
      if (this.#session === session) this.#onClose(reason === '' ? 'the connection closed' : reason);
    });
  }

  send(request: EncodedRequest, keepsAnswer: boolean): void {
    const session = this.#session;
    this.isBusy = true;
    this.#status = 0;
    if (session === undefined || session.destroyed || session.closed) {
      this.#fail('reset', 'the session is closed');
      return;
    }
    const hasBody = request.bytes.length > 0;
    let stream: ClientHttp2Stream;
    try {
      stream = session.request({ ...request.fields }, { endStream: !hasBody });
    } catch (error) {
      // Node refuses some fields, and any request on a session that is about to go.
      this.#fail('protocol', error instanceof Error ? error.message : String(error));
      return;
    }
    this.#stream = stream;
    this.#body.clear();
    let bodyBytes = 0;
    let reason = '';
    stream.on('response', (fields) => {
      this.#status = Number(fields[':status']);
      if (keepsAnswer) this.#fields = flattenFields(fields);
    });
    stream.on('data', (chunk: Buffer) => {
      if (this.#stream !== stream) return;
      bodyBytes += chunk.length;
      this.#owner.onBytes(chunk.length);
      if (bodyBytes > this.#target.maxBodyBytes) this.#fail('too-large', 'the body is too large');
      else if (keepsAnswer) this.#body.add(chunk);
    });
    stream.on('end', () => {
      if (this.#stream === stream && !stream.aborted && stream.rstCode === 0 && this.#status !== 0) {
        this.#complete();
      }
    });
    stream.on('error', (error) => {
      reason = error.message;
    });
    stream.on('close', () => {
      if (this.#stream === stream) this.#fail(this.#status === 0 ? 'reset' : 'truncated', reason);
    });
    if (hasBody) stream.end(request.bytes);
  }

  readAnswer(): Answer {
    const body = this.#body.read();
    return {
      status: this.#status,
      headers: this.#fields,
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

  #connect() {
    const { address, isSocket, insecure, url } = this.#target;
    const isSecure = url.protocol === 'https:';
    const port = Number(url.port === '' ? (isSecure ? 443 : 80) : url.port);
    const where = isSocket ? { path: address } : { host: address, port };
    if (!isSecure) return connectPlain({ ...where, noDelay: true });
    const name = url.hostname;
    const socket = connectTls({
      ...where,
      ...(isDomainName(name) ? { servername: name } : {}),
      ALPNProtocols: ['h2'],
      rejectUnauthorized: !insecure,
    });
    socket.setNoDelay(true);
    return socket;
  }

  #complete(): void {
    this.isBusy = false;
    this.#stream = undefined;
    this.#failuresInARow = 0;
    this.#owner.onAnswer(this, this.#status);
    if (this.#isClosed) return;
    if (this.#isGoingAway) this.#lose();
    else this.#owner.onFree(this);
  }

  #fail(kind: FailureKind, reason: string): void {
    this.isBusy = false;
    this.#failuresInARow = 0;
    this.#owner.onFailure(this, kind, reason);
    if (!this.#isClosed) this.#lose();
  }

  #onClose(reason: string): void {
    if (!this.isOpen) {
      this.#drop();
      this.#failuresInARow++;
      this.#owner.onConnectFailure(this, reason);
      this.#openLater();
    } else if (this.isBusy) this.#fail(this.#status === 0 ? 'reset' : 'truncated', reason);
    else {
      this.#failuresInARow++;
      this.#lose();
    }
  }

  #lose(): void {
    this.#drop();
    this.#owner.onLost(this);
    this.#openLater();
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const session = this.#session;
    this.#session = undefined;
    this.#stream = undefined;
    this.isOpen = false;
    session?.destroy();
  }

  #openLater(): void {
    if (this.#isClosed) return;
    const delayMs = backOffMs(this.#failuresInARow);
    if (delayMs === 0) this.open();
    else this.#timer = setTimeout(() => this.open(), delayMs);
  }
}

function flattenFields(fields: Readonly<Record<string, unknown>>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith(':')) continue;
    flat[name] = Array.isArray(value) ? value.join('\n') : String(value);
  }
  return flat;
}
