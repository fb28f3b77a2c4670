/** Requests outside the measured path: set-up, sign-in, token refresh, tear-down. Truthful rather than fast. */
import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { exitStatus, LabError } from '../exit-status.ts';
import type { Answer, RequestPlan, UntimedClient } from '../scenarios/scenario.ts';
import { createCookieJar } from './cookie-jar.ts';
import { describeTarget, pathUnderTarget } from './target.ts';

export interface UntimedClientOptions {
  url: URL;
  socketPath?: string | undefined;
  /** Where to connect, from the address guard; unset, the host is resolved again. */
  address?: string | undefined;
  /** Accept any TLS certificate. */
  insecure: boolean;
  /** For a whole answer; 10 seconds unless told. */
  timeoutMs?: number;
}

const timeoutMsByDefault = 10_000;

/** No set-up reads more; beyond it memory would be the server's to fill. */
const maxBodyBytes = 64 * 1024 * 1024;

/**
 * A client with a cookie jar of its own. Each request has its own connection: an idle one that the server closes at
 * the wrong moment would fail a set-up for no fault of anybody. Redirects are answers, not followed.
 */
export function createUntimedClient(options: UntimedClientOptions): UntimedClient {
  const { url } = options;
  const isOnThisMachine =
    options.socketPath !== undefined || /^(?:.*\.)?localhost$|^127\.|^\[::1\]$/.test(url.hostname);
  const jar = createCookieJar(url.protocol === 'https:' || isOnThisMachine);

  return {
    async send(plan) {
      const method = (plan.method ?? 'GET').toUpperCase();
      const path = pathUnderTarget(url, plan.path);
      const asked = new URL(url.origin + path);
      const { headers, body } = encodePlan(plan);
      const cookies = jar.header(asked.pathname);
      if (cookies !== '' && headers.cookie === undefined) headers.cookie = cookies;
      try {
        const { message, bytes } = await exchange(options, { method, path, headers }, body);
        for (const header of message.headers['set-cookie'] ?? []) jar.store(header, asked.pathname);
        return toAnswer(message, bytes);
      } catch (error) {
        const where = `${method} ${describeTarget(asked)}${options.socketPath ? ` on ${options.socketPath}` : ''}`;
        throw new LabError(exitStatus.tool, `${where} got no answer: ${explain(error, options)}.`, {
          cause: error,
        });
      }
    },
    cookieHeader: () => jar.header(),
  };
}

interface Exchange {
  message: IncomingMessage;
  bytes: Buffer;
}

function exchange(options: UntimedClientOptions, plan: RequestOptions, body: string): Promise<Exchange> {
  const { url, socketPath, insecure, timeoutMs = timeoutMsByDefault } = options;
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const settings: RequestOptions & { rejectUnauthorized?: boolean } = {
      ...plan,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      agent: false,
      signal,
      // Of a Unix socket the URL still names the host.
      headers: { host: url.host, ...plan.headers },
      ...(socketPath !== undefined && { socketPath }),
      ...(options.address !== undefined && { lookup: lookUpAlways(options.address) }),
      ...(url.username !== '' && {
        auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`,
      }),
      rejectUnauthorized: !insecure,
    };
    const request = url.protocol === 'https:' ? requestTls(settings) : requestPlain(settings);
    const fail = (error: unknown) => reject(signal.aborted ? signal.reason : error);
    request.once('error', fail);
    request.once('response', (message) => {
      const chunks: Buffer[] = [];
      let size = 0;
      message.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBodyBytes) message.destroy(new Error(`its body is over ${maxBodyBytes / 2 ** 20} MiB`));
        else chunks.push(chunk);
      });
      message.once('error', fail);
      message.once('end', () => resolve({ message, bytes: Buffer.concat(chunks) }));
    });
    request.end(body);
  });
}

function lookUpAlways(address: string): LookupFunction {
  const family = isIP(address);
  return (_host, { all }, callback) => {
    if (all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}

function encodePlan(plan: RequestPlan): { headers: Record<string, string>; body: string } {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(plan.headers ?? {})) headers[name.toLowerCase()] = value;
  if (plan.body === undefined) return { headers, body: '' };
  const isText = typeof plan.body === 'string';
  const body = typeof plan.body === 'string' ? plan.body : JSON.stringify(plan.body);
  if (!isText) headers['content-type'] ??= 'application/json';
  headers['content-length'] ??= String(Buffer.byteLength(body));
  return { headers, body };
}

function toAnswer(message: IncomingMessage, bytes: Buffer): Answer {
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    headers[name] = (values ?? []).join(name === 'set-cookie' ? '\n' : ', ');
  }
  return {
    status: message.statusCode ?? 0,
    headers,
    text: () => bytes.toString('utf8'),
    json: (): unknown => JSON.parse(bytes.toString('utf8')),
  };
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; start the server or correct the port',
  ENOENT: 'there is no such socket; start the server or correct the path',
  ECONNRESET: 'the connection broke before the answer was complete',
  EPIPE: 'the connection broke before the request was sent',
  ENOTFOUND: 'the host cannot be found; check its spelling',
  EAI_AGAIN: 'the name server does not answer; try again',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  EACCES: 'this user may not connect there',
  EPROTO: 'the server does not speak TLS there; try http',
};

function explain(error: unknown, options: UntimedClientOptions): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') {
    return `it took more than ${(options.timeoutMs ?? timeoutMsByDefault) / 1000} seconds`;
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (/^HPE_/.test(code)) return `what came was not HTTP (${code})`;
  if (/CERT|SIGNATURE|ALTNAME/.test(code)) return `its certificate is not trusted (${code}); add --insecure`;
  if (/^ERR_SSL/.test(code)) return `TLS failed (${code}); is it an http server`;
  return reasons[code] ?? error.message.replace(/\.$/, '');
}
