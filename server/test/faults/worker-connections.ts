/**
 * Connections that stay with one worker. A request id begins with letters that each process has chosen for itself, so
 * every answer says who gave it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export interface Reply {
  status: number;
  /** The start of the request ids of the process that answered. */
  worker: string;
  headers: http.IncomingHttpHeaders;
  /** Parsed when it is JSON, else the text. */
  body: unknown;
}

interface Asked {
  method?: string;
  json?: unknown;
  bearer?: string;
  headers?: Record<string, string>;
}

export interface Connection {
  ask(path: string, asked?: Asked): Promise<Reply>;
  close(): void;
}

/** @param url as the server says it: http, or unix: and a path */
export function connectTo(url: string): Connection {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const target = url.startsWith('unix:')
    ? { socketPath: url.slice('unix:'.length) }
    : { hostname: new URL(url).hostname, port: new URL(url).port };
  return {
    async ask(path, { method, json, bearer, headers = {} } = {}) {
      const sent = json === undefined ? undefined : JSON.stringify(json);
      const request = http.request({
        ...target,
        agent,
        path,
        method: method ?? (sent === undefined ? 'GET' : 'POST'),
        // Far beyond what a busy machine needs: an answer that never comes is a failure, not a test that hangs.
        timeout: 30_000,
        headers: {
          ...headers,
          ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        },
      });
      const { promise, resolve, reject } = Promise.withResolvers<Reply>();
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error('No answer in 30 s.')));
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const isJson = /json/.test(response.headers['content-type'] ?? '');
          resolve({
            status: response.statusCode ?? 0,
            worker: String(response.headers['x-request-id']).split('-')[0] ?? '',
            headers: response.headers,
            body: isJson && text !== '' ? JSON.parse(text) : text,
          });
        });
      });
      request.end(sent);
      return await promise;
    },
    close: () => agent.destroy(),
  };
}

/** One connection to each worker, in any order. */
export async function connectToEach(url: string, workers: number): Promise<Connection[]> {
  const found = new Map<string, Connection>();
  for (let tries = 0; tries < 50 && found.size < workers; tries += 1) {
    const connection = connectTo(url);
    const { worker } = await connection.ask('/ping');
    if (found.has(worker)) connection.close();
    else found.set(worker, connection);
  }
  assert.equal(found.size, workers, 'workers that answer');
  return [...found.values()];
}

/** Process ids of the workers of a supervisor. */
export function workersOf(supervisor: number): number[] {
  const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim().split(' ');
  return children.filter((pid) => pid !== '' && commandOf(pid).includes('serve-as-worker')).map(Number);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // It has just ended.
    return '';
  }
}

export interface Load {
  answered: number;
  /** What went wrong, in words. */
  failures: string[];
  /** Ends it. */
  stop(): Promise<void>;
}

/**
 * Asks on and on, with a breath between so that the service has the cores: on connections that are kept, and on a new
 * one for each request.
 */
export function startLoad(url: string, path: string, kept: number, fresh: number, asked: Asked = {}): Load {
  let isOver = false;
  const load: Load = { answered: 0, failures: [], stop };
  async function askOnce(connection: Connection): Promise<void> {
    try {
      const { status, body } = await connection.ask(path, asked);
      if (status === 200) load.answered += 1;
      else load.failures.push(`${status} ${JSON.stringify(body)}`);
    } catch (error) {
      load.failures.push(String(error));
    }
  }
  async function askOnKept(): Promise<void> {
    const connection = connectTo(url);
    while (!isOver) {
      await askOnce(connection);
      await pause(2);
    }
    connection.close();
  }
  async function askOnFresh(): Promise<void> {
    while (!isOver) {
      const connection = connectTo(url);
      await askOnce(connection);
      connection.close();
      await pause(2);
    }
  }
  const clients = [...Array.from({ length: kept }, askOnKept), ...Array.from({ length: fresh }, askOnFresh)];
  async function stop(): Promise<void> {
    isOver = true;
    await Promise.all(clients);
  }
  return load;
}

export async function until(sentence: string, isTrue: () => boolean | Promise<boolean>, withinMs = 60_000) {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, `Not within ${withinMs} ms: ${sentence}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A figure of the page that all workers have together. */
export async function readMetric(connection: Connection, name: string): Promise<number> {
  const { body } = await connection.ask('/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(String(body))?.[1]);
}

/** The same on a connection of its own. */
export async function metricOf(url: string, name: string): Promise<number> {
  const connection = connectTo(url);
  try {
    return await readMetric(connection, name);
  } finally {
    connection.close();
  }
}
