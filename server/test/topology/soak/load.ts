/**
 * The load of a soak: every kind of request by the clock at its own rate, whether or not the ones before were answered,
 * and a book of what was answered, how late, and what was promised.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { type Client, openClients } from './clients.ts';
import { createEventKinds } from './event-kinds.ts';
import type { Kind } from './kind.ts';
import { gather, type Organization } from './people.ts';
import { createPeopleKinds } from './people-kinds.ts';

export interface SoakOptions {
  /** Of the deployment. */
  url: string;
  /** PEM of its certificate. */
  ca: Buffer;
  administrator: { email: string; password: string };
  /** Requests a second, all kinds together. */
  rate: number;
  /** Of a kind at least, so that a short run has some of each. */
  leastPerSecond?: number;
  people: number;
  clients: number;
}

/** What was answered since the last look. */
export interface KindCounts {
  asked: number;
  /** Turns without anybody to take them. */
  passed: number;
  /** From when it was due to the last byte. */
  latenciesMs: number[];
  /** How often by status, or by what broke. */
  unexpected: Map<string, number>;
}

export interface LoadSample {
  kinds: ReadonlyMap<string, KindCounts>;
  /** How long after it was due a request left: the client's fault, and part of its latency. */
  lateMs: number[];
}

export interface EventCheck {
  acknowledged: number;
  /** Acknowledged and in no inbox. */
  lost: string[];
  /** Acknowledged and not delivered to the webhook. */
  undelivered: string[];
  /** Deliveries that came more than once. */
  repeated: number;
}

export interface SoakLoad {
  /** Requests a second that are due. */
  readonly rate: number;
  /** What was unexpected, the first of it in words. */
  readonly faults: readonly string[];
  /** E-mails that were answered with 201. */
  readonly signedUp: readonly string[];
  run(): void;
  /** No more requests; resolves when those under way are answered. */
  pause(): Promise<void>;
  take(): LoadSample;
  /** After a pause: looks for every acknowledged event. */
  checkEvents(): Promise<EventCheck>;
  /** After a pause: closes the clients' connections, which are opened again when they are needed. */
  disconnect(): void;
  close(): void;
}

const rateOfAllKinds = 300;
/** Beyond this nothing is sent: the deployment does not answer, and every request is a fault. */
const mostUnderWay = 5_000;
const faultsKept = 20;
/** So that a pause is noticed. */
const longestNapMs = 100;
/** Longer than the pauses between attempts of a delivery that failed twice. */
const longestDeliveryMs = 60_000;

/** Makes people and organizations; nothing is asked before `run`. */
export async function openSoakLoad(options: SoakOptions): Promise<SoakLoad> {
  const clients = openClients(options.url, options.ca, options.clients);
  const receiver = await openReceiver();
  try {
    const people = await gather({
      clients: clients.all,
      count: options.people,
      administrator: options.administrator,
      hookUrl: receiver.url,
    });
    const muscleId = await readMuscleId(clients.all, people.sessions[0]?.accessToken);
    const random = Math.random;
    const now = () => performance.now();
    const { polled, hooked } = people;
    const kinds = [
      ...createPeopleKinds({ people, clients: clients.all, muscleId, random, now }),
      ...createEventKinds({ polled, hooked, random }),
    ];
    const pacer = createPacer(kinds, options.rate / rateOfAllKinds, options.leastPerSecond ?? 0);
    return {
      ...pacer,
      signedUp: people.signedUp,
      async checkEvents() {
        const lost = [...(await findLost(polled)), ...(await findLost(hooked))];
        const undelivered = await receiver.waitFor(hooked.acknowledged);
        const acknowledged = polled.acknowledged.length + hooked.acknowledged.length;
        return { acknowledged, lost, undelivered, repeated: receiver.repeated() };
      },
      disconnect: () => clients.disconnect(),
      close() {
        clients.disconnect();
        receiver.close();
      },
    };
  } catch (error) {
    clients.disconnect();
    receiver.close();
    throw error;
  }
}

interface Plan {
  kind: Kind;
  everyMs: number;
  dueMs: number;
}

function createPacer(kinds: readonly Kind[], scale: number, leastPerSecond: number) {
  const rates = kinds.map(({ perSecond }) => Math.max(perSecond * scale, leastPerSecond));
  const underWay = new Set<Promise<void>>();
  const faults: string[] = [];
  let counts = new Map<string, KindCounts>();
  let lateMs: number[] = [];
  let isOn = false;
  let pacing: Promise<void> = Promise.resolve();

  function countsOf(name: string): KindCounts {
    const known = counts.get(name) ?? { asked: 0, passed: 0, latenciesMs: [], unexpected: new Map() };
    counts.set(name, known);
    return known;
  }

  function blame(name: string, what: string, details: string): void {
    const { unexpected } = countsOf(name);
    unexpected.set(what, (unexpected.get(what) ?? 0) + 1);
    const line = `${new Date().toISOString()} ${name}: ${what} ${details}`.trim();
    if (faults.length < faultsKept) faults.push(line);
  }

  async function ask({ name, expected, ask: send }: Kind, dueMs: number): Promise<void> {
    const sentMs = performance.now();
    const counted = countsOf(name);
    try {
      const sent = send();
      if (sent === undefined) {
        counted.passed += 1;
        return;
      }
      lateMs.push(sentMs - dueMs);
      counted.asked += 1;
      const { status, text } = await sent;
      countsOf(name).latenciesMs.push(performance.now() - dueMs);
      if (!expected.includes(status)) blame(name, String(status), text.slice(0, 300));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      blame(name, code === '' ? 'broken' : code, String(error));
    }
  }

  async function pace(): Promise<void> {
    const startMs = performance.now();
    const plans = kinds.map((kind, index): Plan => {
      const everyMs = 1000 / (rates[index] ?? 1);
      // Kinds do not all begin at once.
      return { kind, everyMs, dueMs: startMs + (everyMs * (index + 0.5)) / kinds.length };
    });
    while (isOn) {
      const next = plans.reduce((first, plan) => (plan.dueMs < first.dueMs ? plan : first));
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        await wait(Math.min(waitMs, longestNapMs));
        continue;
      }
      if (underWay.size >= mostUnderWay) blame(next.kind.name, 'not sent', 'too many under way');
      else {
        const asked = ask(next.kind, next.dueMs);
        underWay.add(asked);
        asked.finally(() => underWay.delete(asked)).catch(() => undefined);
      }
      next.dueMs += next.everyMs;
    }
  }

  return {
    rate: rates.reduce((sum, rate) => sum + rate, 0),
    faults,
    run() {
      isOn = true;
      pacing = pace();
    },
    async pause() {
      isOn = false;
      await pacing;
      await Promise.all(underWay);
    },
    take(): LoadSample {
      const sample = { kinds: counts, lateMs };
      counts = new Map();
      lateMs = [];
      return sample;
    },
  };
}

/** Takes webhooks and remembers which have come. */
async function openReceiver() {
  const arrivals = new Map<string, number>();
  const server = createServer((request, response) => {
    const id = String(request.headers['webhook-id']);
    arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
    request.resume();
    request.on('end', () => response.end('ok'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    repeated: () => [...arrivals.values()].reduce((sum, count) => sum + count - 1, 0),
    /** @returns those that have not come in a while that is long enough */
    async waitFor(ids: readonly string[]): Promise<string[]> {
      const deadline = performance.now() + longestDeliveryMs;
      for (;;) {
        const missing = ids.filter((id) => !arrivals.has(id));
        if (missing.length === 0 || performance.now() > deadline) return missing;
        await wait(100);
      }
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** @returns the acknowledged events that the inbox does not have, read page by page */
async function findLost({ client, apiKey, acknowledged }: Organization): Promise<string[]> {
  const missing = new Set(acknowledged);
  for (let cursor: unknown = ''; typeof cursor === 'string'; ) {
    const query = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const headers = { 'x-api-key': apiKey };
    const { status, text } = await client.send(`/api/inbox?limit=1000${query}`, { headers });
    if (status !== 200) throw new Error(`The inbox was answered ${status}: ${text.slice(0, 300)}`);
    const page: unknown = JSON.parse(text);
    if (typeof page !== 'object' || page === null) throw new Error('An inbox page is no object.');
    for (const { id } of Reflect.get(page, 'events')) missing.delete(String(id));
    cursor = Reflect.get(page, 'next_cursor');
  }
  return [...missing];
}

async function readMuscleId([client]: readonly Client[], accessToken = ''): Promise<number> {
  const headers = { authorization: `Bearer ${accessToken}` };
  const answer = await client?.send('/api/v1/catalogs/muscle-groups', { headers });
  const groups: unknown = JSON.parse(answer?.text ?? '[]');
  const id = Array.isArray(groups) ? Number(groups[0]?.id) : Number.NaN;
  if (!Number.isInteger(id)) throw new Error(`No muscle group in ${answer?.text.slice(0, 300)}`);
  return id;
}
