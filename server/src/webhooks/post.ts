/**
 * One POST to an address that a stranger chose: no redirects, a bounded time and answer, and no connection to a private
 * address, whatever the name led to when it was looked up before.
 */
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from '../clock.ts';
import { ForbiddenAddressError, guardLookup, type ResolveHost, UnknownHostError } from './host-names.ts';
import { type Answer, readRetryAfter } from './outcome.ts';
import { isForbiddenAddress } from './private-addresses.ts';

export interface Poster {
  /** Never rejects: whatever goes wrong is an answer without a status. */
  post(address: string, headers: Readonly<Record<string, string>>, body: string): Promise<Answer>;
  close(): void;
}

interface PosterSettings {
  resolve: ResolveHost;
  allowPrivate: boolean;
  clock: Clock;
  timeoutMs?: number;
}

/** From the first look-up to the head of the answer. */
const answerTimeoutMs = 15_000;

/** Of a body only this much is read, and no longer than this: enough to use the connection again. */
const mostBodyBytes = 16 * 1024;
const bodyTimeoutMs = 1_000;

/** Idle connections kept for the next delivery: how long, how many to one host, and how many in all. */
const idleMs = 4_000;
const idlePerHost = 16;
const idleInAll = 256;

class TimeoutError extends Error {}

export function createPoster({ resolve, allowPrivate, clock, timeoutMs }: PosterSettings): Poster {
  const options = {
    keepAlive: true,
    maxFreeSockets: idlePerHost,
    timeout: idleMs,
    scheduling: 'fifo',
  } as const;
  const agents = { 'http:': new http.Agent(options), 'https:': new https.Agent(options) };
  for (const agent of Object.values(agents)) boundIdle(agent);
  const lookup = guardLookup(resolve, allowPrivate);
  const longestMs = timeoutMs ?? answerTimeoutMs;

  function open(url: URL, headers: Readonly<Record<string, string>>, fresh: boolean): ClientRequest {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    if (!allowPrivate && isIP(host) !== 0 && isForbiddenAddress(host))
      throw new ForbiddenAddressError('Private.');
    const request = url.protocol === 'https:' ? https.request : http.request;
    const agent = url.protocol === 'https:' ? agents['https:'] : agents['http:'];
    const { username, password } = url;
    return request({
      method: 'POST',
      host,
      port: url.port,
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, ...headers },
      agent: fresh ? false : agent,
      lookup,
      ...(username === '' ? {} : { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` }),
    });
  }

  /** @param fresh on a connection of its own rather than one that was kept */
  async function send(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string,
    deadlineMs: number,
    fresh = false,
  ): Promise<IncomingMessage> {
    const { promise, resolve: done, reject } = Promise.withResolvers<IncomingMessage>();
    const request = open(url, headers, fresh);
    const timer = setTimeout(() => request.destroy(new TimeoutError()), deadlineMs - performance.now());
    request.on('socket', (socket) => {
      if (!socket.connecting) return;
      // Behind the look-up, in case something between us and the network leads elsewhere.
      socket.once('connect', () => {
        const { remoteAddress = '' } = socket;
        if (!allowPrivate && isForbiddenAddress(remoteAddress))
          request.destroy(new ForbiddenAddressError('Private.'));
      });
    });
    request.on('response', done);
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      done(response);
    });
    request.on('error', reject);
    request.on('close', () => reject(new Error('The connection was closed.')));
    request.end(body);
    try {
      return await promise;
    } catch (error) {
      // The receiver closed a kept connection just when it was used: no attempt of its own.
      const wasStale = request.reusedSocket && error instanceof Error && !(error instanceof TimeoutError);
      if (!wasStale || fresh) throw error;
      return await send(url, headers, body, deadlineMs, true);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async post(address, headers, body) {
      const startedAt = performance.now();
      const took = () => Math.round(performance.now() - startedAt);
      const sent = { ...headers, 'content-length': String(Buffer.byteLength(body)) };
      try {
        const response = await send(new URL(address), sent, body, startedAt + longestMs);
        const answer = describe(response, clock(), took());
        await drain(response);
        return answer;
      } catch (error) {
        return { statusCode: null, error: explain(error, longestMs), durationMs: took() };
      }
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

/** Keeps no more idle connections than `idleInAll`: a host each for thousands of organizations adds up. */
function boundIdle(agent: http.Agent): void {
  agent.on('free', () => {
    const idle = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
    if (idle.length > idleInAll) idle[0]?.destroy();
  });
}

function describe(response: IncomingMessage, now: Date, durationMs: number): Answer {
  const statusCode = response.statusCode ?? 0;
  const isSuccess = statusCode >= 200 && statusCode < 300;
  const retryAfterMs = readRetryAfter(response.headers['retry-after'], now);
  const moved = statusCode >= 300 && statusCode < 400 ? ', and redirects are not followed' : '';
  return {
    statusCode,
    error: isSuccess ? null : `The receiver answered ${statusCode}${moved}.`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    durationMs,
  };
}

/** Reads what is left of the answer, as far as it is worth it. Its status has said everything. */
async function drain(response: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => response.destroy(), bodyTimeoutMs);
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > mostBodyBytes) response.destroy();
  });
  response.on('error', () => resolve());
  response.on('close', () => resolve());
  await promise;
  clearTimeout(timer);
}

const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The connection was refused.',
  ECONNRESET: 'The connection was reset.',
  EHOSTUNREACH: 'The host cannot be reached.',
  ENETUNREACH: 'The host cannot be reached.',
  ETIMEDOUT: 'The connection was not made in time.',
  EPIPE: 'The connection was closed while sending.',
};

/** For the owner of the address: what went wrong, and nothing about the network here. */
function explain(error: unknown, longestMs: number): string {
  if (error instanceof TimeoutError) return `No answer within ${longestMs / 1000} s.`;
  const causes = error instanceof AggregateError ? error.errors : [error];
  if (causes.some((cause) => cause instanceof ForbiddenAddressError)) {
    return 'The address leads to a private or local network.';
  }
  if (causes.some((cause) => cause instanceof UnknownHostError)) return 'The host name has no address.';
  const codes = causes.flatMap((cause) =>
    cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? [cause.code] : [],
  );
  const [code = ''] = codes;
  if (code === 'ERR_INVALID_URL') return 'The address is no URL.';
  if (code.startsWith('HPE_')) return 'The answer is no HTTP.';
  if (/CERT|TLS|SSL|EPROTO/.test(code)) return `The TLS connection failed (${code}).`;
  return explanations[code] ?? 'The connection failed.';
}
