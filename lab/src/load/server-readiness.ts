/** Whether somebody listens at a target, and whether it answers. */
import { type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';

/** True when a connection to the target is accepted, whatever is spoken there. */
export function isTaken(url: URL, socketPath: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
    const place = socketPath === undefined ? { host: hostOf(url), port } : { path: socketPath };
    const socket = connect({ ...place, timeout: 2000 });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });
}

/** The status, as soon as the head of an answer is there; undefined without one in two seconds: ask anew. */
export function firstStatus(
  url: URL,
  socketPath: string | undefined,
  timeoutMs: number,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const settings: RequestOptions & { rejectUnauthorized: boolean } = {
      host: hostOf(url),
      port: url.port,
      path: url.pathname + url.search,
      headers: { host: url.host },
      agent: false,
      signal: AbortSignal.timeout(Math.ceil(Math.min(2000, timeoutMs))),
      // Nothing secret is sent, and whether its certificate is trusted is for the load to say.
      rejectUnauthorized: false,
      ...(socketPath !== undefined && { socketPath }),
    };
    const request = url.protocol === 'https:' ? requestTls(settings) : requestPlain(settings);
    request.once('response', (answer) => {
      answer.destroy();
      resolve(answer.statusCode);
    });
    request.on('error', () => resolve(undefined));
    request.end();
  });
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
