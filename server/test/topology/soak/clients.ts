/**
 * Clients of a deployment at addresses of their own, over TLS: those of the loopback network, so that what nginx and the
 * service do by address (balancing, limits) happens as it does with many clients.
 */
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';

export interface Sent {
  /** GET without a body, POST with one. */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  json?: unknown;
  /** Opens a connection for this request alone. */
  isAlone?: boolean;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Client {
  /** @throws Error when the connection breaks, or nothing comes for `longestWaitMs` */
  send(path: string, sent?: Sent): Promise<Answer>;
}

export interface Clients {
  all: readonly Client[];
  /** Closes all connections; the next request opens one again. */
  disconnect(): void;
}

/** Longer than anything here takes: the service and nginx answer 503 or 504 before. */
const longestWaitMs = 40_000;
/** Below the 65 s of nginx, so that it is never nginx that closes an idle connection under a request. */
const longestIdleMs = 30_000;
/** nginx lets one address have 200. */
const connectionsOfAClient = 32;

/**
 * @param url of the deployment, whose certificate is for localhost
 * @param ca PEM of the certificate
 * @param count at most 250, each with an address 127.0.1.*
 */
export function openClients(url: string, ca: Buffer, count: number): Clients {
  const { port, host } = new URL(url);
  const agents: Agent[] = [];
  const all = Array.from({ length: count }, (_, index): Client => {
    const localAddress = `127.0.1.${index + 1}`;
    const agent = new Agent({
      keepAlive: true,
      maxSockets: connectionsOfAClient,
      timeout: longestIdleMs,
      ca,
    });
    agents.push(agent);
    return {
      async send(path, { method, headers = {}, json, isAlone = false } = {}) {
        const body = json === undefined ? undefined : JSON.stringify(json);
        const outgoing = request({
          host: '127.0.0.1',
          port,
          // By its name: nginx refuses the handshake of whoever does not ask for one that it has.
          servername: 'localhost',
          localAddress,
          ca,
          agent: isAlone ? false : agent,
          path,
          method: method ?? (body === undefined ? 'GET' : 'POST'),
          headers: {
            host,
            ...headers,
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
          },
          timeout: longestWaitMs,
        });
        outgoing.on('timeout', () => outgoing.destroy(new Error(`silent for ${longestWaitMs / 1000} s`)));
        // It is thrown where it is waited for; one that comes later is the connection's.
        outgoing.on('error', () => undefined);
        outgoing.end(body);
        const [response] = await once(outgoing, 'response');
        let text = '';
        response.setEncoding('utf8');
        for await (const chunk of response) text += chunk;
        return { status: response.statusCode, headers: response.headers, text };
      },
    };
  });
  return {
    all,
    disconnect() {
      for (const agent of agents) agent.destroy();
    },
  };
}

/** Fields of a JSON object that should have them. */
export function fieldsOf<Name extends string>(text: string, ...names: Name[]): Record<Name, string> {
  const body: unknown = JSON.parse(text);
  const read = (name: string) =>
    typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  const pairs = names.map((name) => {
    const value = read(name);
    if (typeof value !== 'string') throw new Error(`No ${name} in ${text.slice(0, 200)}`);
    return [name, value] as const;
  });
  // parser: each of the names has just been read.
  return Object.fromEntries(pairs) as Record<Name, string>;
}
