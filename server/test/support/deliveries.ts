/** A delivery engine on a database of its own, with receivers that behave as a test needs them to. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { after } from 'node:test';
import postgres from 'postgres';
import { uuidv7 } from 'uuidv7';
import type { DatabaseAddress } from '../../src/database/client.ts';
import { openDatabase } from '../../src/database/database.ts';
import {
  type DeliveryEngine,
  type DeliveryOutcome,
  startDeliveryEngine,
} from '../../src/webhooks/delivery-engine.ts';
import { createHostResolver, type ResolveHost } from '../../src/webhooks/host-names.ts';
import { createPoster } from '../../src/webhooks/post.ts';
import { createTestDatabase } from './database.ts';

export interface Received {
  headers: IncomingMessage['headers'];
  method: string | undefined;
  path: string | undefined;
  body: string;
  /** By the monotonic clock. */
  atMs: number;
}

export interface Receiver {
  url: string;
  port: number;
  received: Received[];
  server: Server;
}

type Answering = (response: ServerResponse, received: Received) => void;

/**
 * Listens on 127.0.0.1 and keeps what it gets, until the end of the test or file that asks for it; asked for in a
 * `before` it would be closed at the end of that.
 *
 * @param answer 200 to everything when absent
 */
export async function startReceiver(answer: Answering = (response) => response.end('ok')): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { headers, method, url: path } = request;
      const one = { headers, method, path, body: Buffer.concat(chunks).toString(), atMs: performance.now() };
      received.push(one);
      answer(response, one);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${address.port}/hook`, port: address.port, received, server };
}

export interface EngineOptions {
  allowPrivate?: boolean;
  resolve?: ResolveHost;
  timeoutMs?: number;
  concurrency?: number;
  /** Another way to the database. */
  way?: DatabaseAddress;
}

export interface TestEngine {
  engine: DeliveryEngine;
  outcomes: DeliveryOutcome[];
  failures: unknown[];
  stop(): Promise<void>;
}

export interface DeliveryBench {
  sql: postgres.Sql;
  address: DatabaseAddress;
  /** Moves the clock of every engine ahead. */
  advance(milliseconds: number): void;
  startEngine(options?: EngineOptions): TestEngine;
  addOrganization(url: string, previousSecret?: Buffer): Promise<{ id: string; secret: Buffer }>;
  addEvent(organizationId: string, event?: { type?: string; payload?: string; id?: string }): Promise<string>;
}

export async function openDeliveryBench(): Promise<DeliveryBench> {
  const address = await createTestDatabase();
  const sql = postgres({ ...address, max: 3, fetch_types: false, onnotice: () => undefined });
  let aheadMs = 0;
  const clock = () => new Date(Date.now() + aheadMs);
  const closers: (() => Promise<void>)[] = [];
  after(async () => {
    for (const close of closers) await close();
    await sql.end({ timeout: 1 });
  });
  return {
    sql,
    address,
    advance(milliseconds) {
      aheadMs += milliseconds;
    },
    startEngine({ allowPrivate = true, resolve, timeoutMs = 1_000, concurrency = 256, way = address } = {}) {
      const database = openDatabase({ address: way, poolSize: 4, timeoutMs: 5_000 });
      const outcomes: DeliveryOutcome[] = [];
      const failures: unknown[] = [];
      const engine = startDeliveryEngine({
        database,
        poster: createPoster({
          resolve: resolve ?? createHostResolver(true),
          allowPrivate,
          clock,
          timeoutMs,
        }),
        clock,
        random: () => 0,
        concurrency,
        onAttempt: (outcome) => outcomes.push(outcome),
        onFailure: (error) => failures.push(error),
      });
      let isStopped = false;
      async function stop(): Promise<void> {
        if (isStopped) return;
        isStopped = true;
        await engine.close();
        await database.close();
      }
      closers.push(stop);
      return { engine, outcomes, failures, stop };
    },
    async addOrganization(url, previousSecret) {
      const id = uuidv7();
      const secret = randomBytes(32);
      const until = new Date(Date.now() + 86_400_000);
      await sql`
        insert into organizations (id, name, webhook_url, webhook_secret, previous_webhook_secret,
          previous_webhook_secret_until, created_at, updated_at)
        values (${id}, 'A test', ${url}, ${secret}, ${previousSecret ?? null}, ${until}, now(), now())`;
      return { id, secret };
    },
    async addEvent(organizationId, { type = 'thing.happened', payload = '{"a":1}', id = uuidv7() } = {}) {
      const now = clock();
      await sql`
        with event as (
          insert into events (id, organization_id, type, payload, created_at)
          values (${id}, ${organizationId}, ${type}, ${payload}, ${now})
        )
        insert into deliveries (event_id, organization_id, due_at) values (${id}, ${organizationId}, ${now})`;
      return id;
    },
  };
}

/** Waits for something that takes its time. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, `Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface EventState {
  status: string;
  attempts: number;
  lastError: string | null;
  /** Of the delivery; null when there is none any more. */
  dueAt: Date | null;
}

export async function readState({ sql }: DeliveryBench, eventId: string): Promise<EventState> {
  const [row] = await sql<EventState[]>`
    select e.status, e.attempts, e.last_error as "lastError", d.due_at as "dueAt"
    from events e left join deliveries d on d.event_id = e.id where e.id = ${eventId}`;
  assert.ok(row !== undefined);
  return row;
}
