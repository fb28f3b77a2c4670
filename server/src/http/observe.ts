/**
 * Everything that happens around a request, whoever answers it: its id, the headers every answer carries, its line
 * in the log, its place in the histogram; and the shortcut by which the hottest routes are answered before Fastify.
 */
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { Problem } from '../problem.ts';
import type { AccessLog } from '../telemetry/access-log.ts';
import type { RequestSeries } from '../telemetry/request-histogram.ts';
import type { Cost } from './admission.ts';
import { refuseOnSocket, statusOfClientError } from './client-error.ts';
import { DirectRequest } from './direct-request.ts';
import { answerProblem } from './errors.ts';
import {
  ObservedResponse,
  type ResponseContext,
  type RouteRecord,
  type StatusRecord,
  statusRecord,
} from './observed-response.ts';
import { createOpenAnswers } from './open-answers.ts';
import { createPostShortcuts } from './post-shortcut.ts';
import { chooseWriteHead, prepareHead, type ResponseHead, type WriteHead } from './response-head.ts';

/** A 200 that a shortcut found without waiting for anything. */
export interface ShortAnswer {
  /** With its charset. */
  readonly contentType: string;
  readonly body: string | Buffer;
  /**
   * Names in lower case and values in turn, trusted, in place of the constant ones of the same name. The same array
   * for the same answer: the head is prepared once for each.
   */
  readonly headers?: readonly string[];
  /** Who asked, for the log line. */
  readonly userId?: string | undefined;
}

/**
 * Answers a GET at once, or declines with undefined, whereupon the request goes its normal way: through Fastify,
 * its hooks and the route's own handler. So it must check everything the route checks, and may only ever decline
 * what it is not sure of; what it answers must be what the route would have answered. It must not throw.
 */
export type Shortcut = (request: IncomingMessage) => ShortAnswer | undefined;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers this GET route from the very start of a request when it can; see http/observe.ts. */
    shortcut?: Shortcut;
    /** Ask the shortcut also when there is a query; otherwise it sees the bare path only. */
    shortcutTakesQuery?: boolean;
  }
}

interface ObserverOptions {
  /** Undefined when the log level is above info. */
  accessLog: AccessLog | undefined;
  histogram: { series(method: string, route: string, status: number): RequestSeries };
  makeRequestId: () => string;
  /** A monotonic clock in milliseconds. */
  clock: () => number;
  /** Whether the service is reached over TLS only: then browsers are told to keep it so for two years. */
  isSecure: boolean;
  /** Whether answers differ by the origin that asks (CORS): then every one says so, for caches on the way. */
  variesByOrigin?: boolean;
  /** How long an answer may take to be read, milliseconds; then its connection is cut off. */
  longestReadMs?: number;
  /** Whether routes of that cost are let in now; else they go the way through Fastify, which refuses them. */
  admits?: (cost: Cost) => boolean;
  /** For tests; otherwise the fastest that works here. */
  writePreparedHead?: WriteHead;
}

export interface Observer {
  /** What Fastify's `serverFactory` has to return. */
  createServer(handler: RequestListener, options: http.ServerOptions): http.Server;
  /** Fastify's `genReqId`: the id the response already has. */
  genReqId(request: unknown): string;
  /** Fastify's `clientErrorHandler`: answers what could not be parsed, where an answer cannot corrupt another. */
  clientErrorHandler(error: Error, socket: Duplex): void;
  /** Adds the hooks; before any route is declared. */
  mount(app: FastifyInstance): void;
  /** From now on each connection is closed with its next answer, and nobody takes a shortcut. */
  retire(): void;
  /** Requests being answered now; those a shortcut answers are never seen here. */
  readonly openRequests: number;
}

interface MountedShortcut {
  find: Shortcut;
  record: StatusRecord;
}

/** No timer of node:http minds who asks and does not read, and the answer is held meanwhile. A megabyte at 10 KB/s takes 100 s. */
const defaultLongestReadMs = 120_000;

/** The route of requests that match none, in the log and in the histogram. */
const unmatchedRoute = 'unmatched';

const securityHeaders = [
  ['x-content-type-options', 'nosniff'],
  ['cache-control', 'no-store'],
  ['referrer-policy', 'no-referrer'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
] as const;

/** Makes the observer of one server. */
export function createObserver(options: ObserverOptions): Observer {
  const { clock, makeRequestId } = options;
  const records = new Map<string, Map<string, RouteRecord>>();
  const shortcuts = new Map<string, MountedShortcut>();
  const queryShortcuts = new Map<string, MountedShortcut>();
  const open = createOpenAnswers(clock);
  const constantHeaders: string[] = securityHeaders.flat();
  if (options.isSecure)
    constantHeaders.push('strict-transport-security', 'max-age=63072000; includeSubDomains');
  if (options.variesByOrigin === true) constantHeaders.push('vary', 'origin');
  const posts = createPostShortcuts(constantHeaders, options.admits ?? (() => true));
  let isDraining = false;
  let entering: ObservedResponse | undefined;

  const findRecord = (method: string, route: string): RouteRecord => {
    const routes = records.get(method) ?? new Map<string, RouteRecord>();
    if (routes.size === 0) records.set(method, routes);
    const record = routes.get(route) ?? { method, route, byStatus: new Map() };
    if (record.byStatus.size === 0) routes.set(route, record);
    return record;
  };

  const context: ResponseContext = {
    accessLog: options.accessLog,
    histogram: options.histogram,
    constantHeaders,
    makeRequestId,
    clock,
    writePreparedHead: options.writePreparedHead ?? chooseWriteHead(),
    isLast: open.isLast,
    unrouted: (method) => findRecord(method, unmatchedRoute),
  };

  class Response extends ObservedResponse {
    constructor(request: IncomingMessage) {
      super(context, request);
    }
  }

  const refuseSecondHost = (response: ObservedResponse): void => {
    response.setHeader('connection', 'close');
    const { req, requestId } = response;
    answerProblem(response, requestId, new Problem('malformed-request'), req.url ?? '');
  };

  const heads = new Map<string, ResponseHead>();
  // Content types are the routes' own constants; the bound is there for the day somebody computes one.
  const findHead = (contentType: string): ResponseHead => {
    const head = heads.get(contentType) ?? prepareHead(['content-type', contentType, ...constantHeaders]);
    if (heads.size < 16) heads.set(contentType, head);
    return head;
  };

  const ownHeads = new WeakMap<readonly string[], ResponseHead>();
  const findOwnHead = (contentType: string, headers: readonly string[]): ResponseHead => {
    let head = ownHeads.get(headers);
    if (head === undefined) {
      const all = ['content-type', contentType, ...headers];
      for (let at = 0; at < constantHeaders.length; at += 2) {
        const name = constantHeaders[at] ?? '';
        if (!headers.includes(name)) all.push(name, constantHeaders[at + 1] ?? '');
      }
      head = prepareHead(all);
      ownHeads.set(headers, head);
    }
    return head;
  };

  const answerShort = (response: ObservedResponse, mounted: MountedShortcut): boolean => {
    const found = mounted.find(response.req);
    if (found === undefined) return false;
    const { contentType, body, headers } = found;
    response.userId = found.userId;
    const head = headers === undefined ? findHead(contentType) : findOwnHead(contentType, headers);
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    response.answer(head, body, bytes, mounted.record);
    // Usually the system has taken it by now; else somebody is slow to read.
    const { socket } = response;
    if (socket !== null && socket.writableLength > 0 && !open.has(response)) open.add(response);
    return true;
  };

  const findShortcut = (url: string): MountedShortcut | undefined => {
    const exact = shortcuts.get(url);
    if (exact !== undefined || queryShortcuts.size === 0) return exact;
    const query = url.indexOf('?');
    return query === -1 ? undefined : queryShortcuts.get(url.slice(0, query));
  };

  return {
    createServer(handler, serverOptions) {
      const server = http.createServer<typeof IncomingMessage, typeof Response>({
        ...serverOptions,
        IncomingMessage: DirectRequest,
        ServerResponse: Response,
      });
      const { longestReadMs = defaultLongestReadMs } = options;
      const looking = setInterval(() => open.cutOffUnread(longestReadMs), longestReadMs / 8).unref();
      server.on('close', () => clearInterval(looking));
      server.on('request', (request: IncomingMessage, response: ObservedResponse) => {
        // Pipelined: an earlier answer of this connection has not been taken yet.
        const isBehind = response.socket === null;
        if (isBehind && !open.add(response)) return;
        if (hasSecondHost(request)) {
          if (isBehind || open.add(response)) refuseSecondHost(response);
          return;
        }
        const mounted = findShortcut(request.url ?? '');
        // A cross-origin request needs headers that only the CORS plugin knows; a draining server says so itself.
        if (
          mounted !== undefined &&
          request.method === 'GET' &&
          request.headers.origin === undefined &&
          !isDraining &&
          answerShort(response, mounted)
        ) {
          return;
        }
        if (!isBehind && !open.add(response)) return;
        if (
          request.method === 'POST' &&
          !isDraining &&
          request instanceof DirectRequest &&
          posts.take(request, response)
        ) {
          return;
        }
        if (isDraining) response.setHeader('connection', 'close');
        entering = response;
        handler(request, response);
        entering = undefined;
      });
      return server;
    },

    genReqId(request) {
      // Fastify asks while the handler above runs; only its inject(), which has no connection, comes another way.
      return entering !== undefined && entering.req === request ? entering.requestId : makeRequestId();
    },

    clientErrorHandler(error, socket) {
      const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
      if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy(error);
      // Its body turned out to be malformed, or too slow.
      const unread = open.findUnread(socket);
      if (unread !== undefined) {
        unread.recordOnce(statusOfClientError(code));
        refuseOnSocket(socket, code, unread.requestId, constantHeaders);
        return;
      }
      // An earlier request of this connection is still being answered: our words would be taken for its answer.
      if (open.isBusy(socket)) return void socket.destroy(error);
      const requestId = makeRequestId();
      const record = statusRecord(context, findRecord('-', unmatchedRoute), statusOfClientError(code));
      refuseOnSocket(socket, code, requestId, constantHeaders);
      record.series.observe(0);
      options.accessLog?.write(record.line, requestId, 0, undefined);
    },

    mount(app) {
      app.addHook('onRoute', ({ method, url, config }) => {
        if (method === 'POST' && config?.postShortcut !== undefined) {
          const cost = config.cost ?? 'normal';
          posts.add(url, { ...config.postShortcut, cost, record: findRecord('POST', url) });
        }
        if (method !== 'GET' || config?.shortcut === undefined) return;
        const mounted = {
          find: config.shortcut,
          record: statusRecord(context, findRecord('GET', url), 200),
        };
        shortcuts.set(url, mounted);
        if (config.shortcutTakesQuery === true) queryShortcuts.set(url, mounted);
      });
      app.addHook('onRequest', (request, reply, done) => {
        const { url } = request.routeOptions;
        const { raw } = reply;
        if (url !== undefined && raw instanceof ObservedResponse)
          raw.record = findRecord(request.method, url);
        done();
      });
      app.addHook('preClose', (done) => {
        isDraining = true;
        // Of what was asked before nobody has been told that its connection ends: each would be kept for 72 s.
        open.closeWhenDone();
        done();
      });
    },

    retire() {
      isDraining = true;
    },

    get openRequests() {
      return open.size;
    },
  };
}

/** RFC 9112 section 3.2: who reads the first and who reads the second would see two different sites. */
function hasSecondHost({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts > 1;
}

/** Notes who asked, for the log line of the request. */
export function noteUser(response: http.ServerResponse, userId: string): void {
  if (response instanceof ObservedResponse) response.userId = userId;
}
