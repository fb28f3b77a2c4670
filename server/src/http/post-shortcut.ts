/**
 * POSTs that are answered past Fastify, for the one route that takes tens of thousands a second: the head is looked at,
 * the body is read, and what the route's owner answers is written with a prepared head. See docs/decisions/0011.
 */
import type { IncomingMessage } from 'node:http';
import type { Cost } from './admission.ts';
import type { DirectRequest } from './direct-request.ts';
import { isEventApi } from './event-api.ts';
import { type ObservedResponse, type RouteRecord, statusRecord } from './observed-response.ts';
import { prepareHead, type ResponseHead } from './response-head.ts';

/**
 * Looks at the head of a POST and declines with undefined, whereupon the request goes its normal way, or takes it. So it
 * must check everything that the route checks before it has a body.
 */
export type PostShortcut = (request: IncomingMessage) => TakeBody | undefined;

/** Gets the whole body, and has to answer it: there is no way back. It must not throw. */
export type TakeBody = (body: Buffer, reply: PostReply) => void;

export interface PostReply {
  /** For everything that is not the usual answer: written as any other response. */
  readonly raw: ObservedResponse;
  /** Milliseconds since the head was there. */
  readonly elapsedMs: number;
  /**
   * Answers with JSON, once.
   *
   * @param headers names and values in turn
   * @param bytes length of the body in UTF-8; to count them here would put the text together once more
   */
  send(status: number, headers: readonly string[], body: string, bytes: number): void;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers this POST route past Fastify when it can. */
    postShortcut?: { take: PostShortcut; bodyLimit: number };
  }
}

interface Mounted {
  take: PostShortcut;
  bodyLimit: number;
  cost: Cost;
  record: RouteRecord;
}

export interface PostShortcuts {
  add(url: string, shortcut: Mounted): void;
  /** @returns whether the request is taken */
  take(request: DirectRequest, response: ObservedResponse): boolean;
}

const json = 'application/json; charset=utf-8';

/** @param admits whether routes of that cost are let in now; those that are not go the normal way */
export function createPostShortcuts(
  constantHeaders: readonly string[],
  admits: (cost: Cost) => boolean,
): PostShortcuts {
  const shortcuts = new Map<string, Mounted>();
  const heads = new Map<number, ResponseHead>();

  const findHead = (status: number): ResponseHead => {
    const head = heads.get(status) ?? prepareHead(['content-type', json, ...constantHeaders], status);
    heads.set(status, head);
    return head;
  };

  class Reply implements PostReply {
    readonly raw: ObservedResponse;
    readonly #record: RouteRecord;

    constructor(raw: ObservedResponse, record: RouteRecord) {
      this.raw = raw;
      this.#record = record;
    }

    get elapsedMs(): number {
      return this.raw.context.clock() - this.raw.startedAt;
    }

    send(status: number, headers: readonly string[], body: string, bytes: number): void {
      const { raw } = this;
      const timed = isEventApi(raw.req.url)
        ? ['x-response-time', `${this.elapsedMs.toFixed(2)}ms`, ...headers]
        : headers;
      const record = statusRecord(raw.context, this.#record, status);
      raw.answer(findHead(status), body, bytes, record, timed);
    }
  }

  return {
    add: (url, shortcut) => void shortcuts.set(url, shortcut),
    take(request, response) {
      const mounted = shortcuts.get(request.url ?? '');
      if (mounted === undefined || !admits(mounted.cost)) return false;
      if (!hasPlainBody(request, mounted.bodyLimit)) return false;
      const takeBody = mounted.take(request);
      if (takeBody === undefined) return false;
      response.record = mounted.record;
      request.whenComplete((body) => takeBody(body, new Reply(response, mounted.record)));
      return true;
    },
  };
}

/** JSON of a length that is known and allowed; anything else is for Fastify to judge. */
function hasPlainBody({ headers }: IncomingMessage, limit: number): boolean {
  const length = headers['content-length'];
  if (length === undefined || !(Number(length) <= limit)) return false;
  return headers['content-type'] === 'application/json' && headers.origin === undefined;
}
