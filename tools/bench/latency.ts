/**
 * Latency of one path at a constant rate, or others signing in at full speed; two processes, so that the crowd does not
 * keep the measuring one waiting. Each request leaves by the clock on one connection, whether or not the ones before
 * were answered, so that a server that stands still is charged for everybody it kept waiting. This program's own timer
 * may be a millisecond late; that is not the server's and is left out.
 *
 * node tools/bench/latency.ts URL --cookie 'access_token=...' [--rate 200] [--seconds 10]
 * node tools/bench/latency.ts URL --sign-ins 100 --email E --password P [--seconds 10]
 *   Each prints one JSON object; milliseconds.
 */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
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

/** Answers are counted by their status lines: those of `/me` have bodies without one. */
async function probe(): Promise<number[]> {
  const socket = connect(Number(target.port), target.hostname).setNoDelay(true);
  const head = `GET ${target.pathname} HTTP/1.1\r\nhost: ${target.host}\r\ncookie: ${values.cookie}\r\n\r\n`;
  const latencies: number[] = [];
  const sentAt: number[] = [];
  socket.on('data', (chunk) => {
    for (const [, status] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)) {
      if (status !== '200') throw new Error(`The probe got ${status}.`);
      latencies.push(performance.now() - (sentAt.shift() ?? Number.NaN));
    }
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  const intervalMs = 1000 / Number(values.rate);
  for (let due = startedAt + 500; due < endsAt; due += intervalMs) {
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    sentAt.push(performance.now());
    socket.write(head);
  }
  while (sentAt.length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  socket.destroy();
  // The first 50 warm up.
  return latencies.slice(50);
}

const print = (result: object) => process.stdout.write(`${JSON.stringify(result)}\n`);

if (signIns.clients > 0) {
  await Promise.all(Array.from({ length: signIns.clients }, signInAgainAndAgain));
  const perSecond = Number(((signIns.statuses.get(200) ?? 0) / seconds).toFixed(1));
  print({ signInsPerSecond: perSecond, signInStatuses: Object.fromEntries(signIns.statuses) });
} else {
  const latencies = (await probe()).sort((a, b) => a - b);
  const at = (share: number) =>
    Number((latencies[Math.floor(latencies.length * share)] ?? Number.NaN).toFixed(3));
  print({ probes: latencies.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(0.999999) });
}
