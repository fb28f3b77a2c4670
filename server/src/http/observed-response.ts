import {
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http';
import type { AccessLinePart, AccessLog } from '../telemetry/access-log.ts';
import type { RequestSeries } from '../telemetry/request-histogram.ts';
import { isEventApi } from './event-api.ts';
import { isRequestId } from './request-id.ts';
import type { ResponseHead, WriteHead } from './response-head.ts';

/** How the requests of one method and route are recorded: by status, looked up once each. */
export interface RouteRecord {
  readonly method: string;
  readonly route: string;
  byStatus: Map<number, StatusRecord>;
}

export interface StatusRecord {
  readonly line: AccessLinePart;
  readonly series: RequestSeries;
}

/** What every response of one server shares. */
export interface ResponseContext {
  /** Is its connection to be closed after it? */
  isLast: (response: ObservedResponse) => boolean;
  /** Undefined when the log level is above info. */
  accessLog: AccessLog | undefined;
  histogram: { series(method: string, route: string, status: number): RequestSeries };
  /** Headers that every response carries unless it sets its own, as name and value in turn, names in lower case. */
  constantHeaders: readonly string[];
  makeRequestId: () => string;
  /** A monotonic clock in milliseconds. */
  clock: () => number;
  writePreparedHead: WriteHead;
  /** The record of requests that match no route, or are refused before they are routed. */
  unrouted(method: string): RouteRecord;
}

/** The status of a request whose client left before the answer was complete; nginx's number for it. */
export const clientLeft = 499;

type HeadersArgument = OutgoingHttpHeaders | OutgoingHttpHeader[];

/**
 * A response that carries the request id and the constant headers, and leaves its line in the log and its duration
 * in the histogram when it ends, whoever wrote it: a route, Fastify's error page or node:http itself.
 *
 * Hooks could do the same (onRequest, onSend, onResponse), but bring /ping to 0.79 of a bare server; see
 * docs/decisions/0004-hot-path.md.
 */
export class ObservedResponse extends ServerResponse {
  readonly requestId: string;
  /** Who asked, for the log line; undefined until somebody finds out. */
  userId: string | undefined = undefined;
  record: RouteRecord | undefined = undefined;
  readonly context: ResponseContext;
  readonly startedAt: number;
  #recorded = false;

  constructor(context: ResponseContext, request: IncomingMessage) {
    super(request);
    this.context = context;
    this.startedAt = context.clock();
    const asked = request.headers['x-request-id'];
    this.requestId = typeof asked === 'string' && isRequestId(asked) ? asked : context.makeRequestId();
  }

  override writeHead(status: number, message?: string, headers?: HeadersArgument): this;
  override writeHead(status: number, headers?: HeadersArgument): this;
  override writeHead(status: number, second?: string | HeadersArgument, third?: HeadersArgument): this {
    const own = typeof second === 'string' ? third : second;
    const all = withConstantHeaders(this, own);
    // Then node:http says `Connection: close`.
    if (this.context.isLast(this)) this.shouldKeepAlive = false;
    return typeof second === 'string' ? super.writeHead(status, second, all) : super.writeHead(status, all);
  }

  override end(callback?: () => void): this;
  override end(chunk: unknown, callback?: () => void): this;
  override end(chunk: unknown, encoding: BufferEncoding, callback?: () => void): this;
  override end(...given: unknown[]): this {
    Reflect.apply(super.end, this, given);
    this.recordOnce(this.statusCode);
    return this;
  }

  /**
   * Answers in one go: what `writeHead` and `end` do, for a caller that keeps the head ready.
   *
   * @param bytes length of the body, a text in UTF-8
   * @param extra further headers, as names and values in turn
   */
  answer(
    head: ResponseHead,
    body: string | Buffer,
    bytes: number,
    record: StatusRecord,
    extra: readonly string[] = [],
  ): void {
    this.context.writePreparedHead(this, head, this.requestId, bytes, extra);
    // Told that it is latin1, node:http does not search head and body for wider characters: +4 % on /ping.
    if (typeof body === 'string') super.end(body, bytes === body.length ? 'latin1' : 'utf8');
    else super.end(body);
    // The client may have left while the answer was waited for, and is counted as gone then.
    if (!this.#recorded) this.#leave(record);
  }

  /** Logs and counts the request under a status, the first time it is called. */
  recordOnce(status: number): void {
    if (this.#recorded) return;
    const routed = this.record ?? this.context.unrouted(this.req.method ?? '-');
    this.#leave(statusRecord(this.context, routed, status));
  }

  #leave(record: StatusRecord): void {
    this.#recorded = true;
    const durationMs = this.context.clock() - this.startedAt;
    record.series.observe(durationMs);
    this.context.accessLog?.write(record.line, this.requestId, durationMs, this.userId);
  }
}

/** Finds, or makes on first use, what records one status of a route. */
export function statusRecord(context: ResponseContext, routed: RouteRecord, status: number): StatusRecord {
  let found = routed.byStatus.get(status);
  if (found === undefined) {
    const { method, route } = routed;
    found = {
      line: context.accessLog?.prepare(method, route, status) ?? '',
      series: context.histogram.series(method, route, status),
    };
    routed.byStatus.set(status, found);
  }
  return found;
}

/**
 * The headers of an answer as one list. A header the answer sets itself wins over the constant one, so that the
 * documentation page can have the content security policy it needs; the request id cannot be replaced.
 */
function withConstantHeaders(
  response: ObservedResponse,
  own: HeadersArgument | undefined,
): OutgoingHttpHeader[] {
  const all: OutgoingHttpHeader[] = ['x-request-id', response.requestId];
  const named = Array.isArray(own) ? fromPairs(own) : (own ?? {});
  for (const name in named) {
    const value = named[name];
    if (value !== undefined && name !== 'x-request-id') all.push(name, value);
  }
  if (isEventApi(response.record?.route ?? response.req.url)) {
    const elapsedMs = response.context.clock() - response.startedAt;
    all.push('x-response-time', `${elapsedMs.toFixed(2)}ms`);
  }
  const { constantHeaders } = response.context;
  for (let at = 0; at < constantHeaders.length; at += 2) {
    const name = constantHeaders[at] ?? '';
    if (named[name] === undefined && !response.hasHeader(name)) all.push(name, constantHeaders[at + 1] ?? '');
  }
  return all;
}

/** Names and values in turn, as an object with lower-case names; a repeated name keeps all its values. */
function fromPairs(pairs: OutgoingHttpHeader[]): OutgoingHttpHeaders {
  const named: OutgoingHttpHeaders = {};
  for (let at = 0; at < pairs.length; at += 2) {
    const name = String(pairs[at]).toLowerCase();
    const values = [named[name] ?? [], pairs[at + 1] ?? ''].flat().map(String);
    named[name] = values.length === 1 ? values[0] : values;
  }
  return named;
}
