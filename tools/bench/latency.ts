/**
 * Latency of one path at a constant rate, with or without others signing in at full speed. Each request leaves by the
 * clock, whether or not the ones before were answered, so that a server that stands still is charged for everybody it
 * kept waiting. This program's own timer may be a millisecond late; that is not the server's and is left out.
 *
 * node tools/bench/latency.ts URL --cookie 'access_token=...' [--rate 200] [--seconds 10]
 *   [--sign-ins 100 --email E --password P] prints one JSON object, milliseconds.
 */
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    cookie: { type: 'string', default: '' },
    rate: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '10' },
    'sign-ins': { type: 'string', default: '0' },
    email: { type: 'string', default: '' },
    password: { type: 'string', default: '' },
  },
});
const target = new URL(positionals[0] ?? 'http://127.0.0.1:8000/api/v1/access/me');
const seconds = Number(values.seconds);
const signIns = { clients: Number(values['sign-ins']), statuses: new Map<number, number>() };
const startedAt = performance.now();
const endsAt = startedAt + seconds * 1000;

/** @returns the status; the body is read to its end */
function send(
  agent: Agent,
  url: URL,
  method: string,
  headers: Record<string, string>,
  body = '',
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function signInAgainAndAgain(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const body = JSON.stringify({ email: values.email, password: values.password });
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  while (performance.now() < endsAt) {
    const status = await send(agent, new URL('/api/v1/auth/login', target), 'POST', headers, body);
    signIns.statuses.set(status, (signIns.statuses.get(status) ?? 0) + 1);
    // What a well-behaved client does with a 503.
    if (status === 503) await new Promise((resolve) => setTimeout(resolve, 200));
  }
  agent.destroy();
}

async function probe(): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const intervalMs = 1000 / Number(values.rate);
  const latencies: number[] = [];
  const open: Promise<void>[] = [];
  for (let due = startedAt + 500; due < endsAt; due += intervalMs) {
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const sentAt = performance.now();
    open.push(
      send(agent, target, 'GET', { cookie: values.cookie }).then((status) => {
        if (status !== 200) throw new Error(`The probe got ${status}.`);
        latencies.push(performance.now() - sentAt);
      }),
    );
  }
  await Promise.all(open);
  agent.destroy();
  return latencies;
}

const crowd = Array.from({ length: signIns.clients }, signInAgainAndAgain);
const latencies = (await probe()).sort((a, b) => a - b);
await Promise.all(crowd);
const at = (share: number) =>
  Number((latencies[Math.floor(latencies.length * share)] ?? Number.NaN).toFixed(3));
process.stdout.write(
  `${JSON.stringify({
    probes: latencies.length,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: at(0.999999),
    signInsPerSecond: Number(((signIns.statuses.get(200) ?? 0) / seconds).toFixed(1)),
    signInStatuses: Object.fromEntries(signIns.statuses),
  })}\n`,
);
