/**
 * Measures three ways for two processes to serve one port: the primary of node:cluster accepts and hands out in turn,
 * they share one listening socket, or each has its own with SO_REUSEPORT. Prints the medians of interleaved rounds:
 * answers a second on kept and on new connections, how evenly kept connections are spread, and requests lost while
 * every process is replaced in turn.
 *
 *     node tools/bench/listening.ts [rounds]
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { promisify } from 'node:util';

const ways = ['round-robin', 'shared', 'reuse-port'] as const;
type Way = (typeof ways)[number];
const workers = 2;
const connections = 50;
const replacements = 6;
const run = promisify(execFile);

const [role, given = '', port = '0'] = process.argv.slice(2);
const way = ways.find((each) => each === given);
if (role === 'worker') serve(way, Number(port));
else if (role === 'primary' && way !== undefined) await supervise(way);
else await measureAll(Number(role ?? 5));

/** One process: answers with its own id. */
function serve(as: Way | undefined, onPort: number): void {
  const server = http.createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain');
    response.end(String(process.pid));
  });
  server.listen({ host: '127.0.0.1', port: onPort, reusePort: as === 'reuse-port', backlog: 1024 });
  // The primary hears of a port of one's own only so.
  server.once('listening', () => process.send?.('listening'));
  process.on('message', () => {
    // That of net.Server, as node:http's own closes connections that were opened and not asked anything yet.
    net.Server.prototype.close.call(server, () => setTimeout(() => process.exit(0), 100));
    setTimeout(() => process.exit(0), 2_000).unref();
  });
}

async function supervise(as: Way): Promise<void> {
  cluster.schedulingPolicy = as === 'round-robin' ? cluster.SCHED_RR : cluster.SCHED_NONE;
  // A port of our own for SO_REUSEPORT, where every process binds for itself.
  const probe = http.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  const chosen = isInternet(address) ? address.port : 0;
  probe.close();
  await once(probe, 'close');
  const start = async (): Promise<Worker> => {
    cluster.setupPrimary({ exec: import.meta.filename, args: ['worker', as, String(chosen)] });
    const worker = cluster.fork();
    await Promise.race([once(worker, 'message'), once(worker, 'listening')]);
    return worker;
  };
  let serving = await Promise.all(Array.from({ length: workers }, start));
  process.stdout.write(`${chosen}\n`);
  for await (const _ of process.stdin) {
    for (let done = 0; done < replacements; done += 1) {
      const [oldest, ...others] = serving;
      serving = [...others, await start()];
      const ended = oldest === undefined ? undefined : once(oldest, 'exit');
      oldest?.send('close');
      const late = setTimeout(() => oldest?.process.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(late);
    }
    process.stdout.write('replaced\n');
  }
  process.exit(0);
}

function isInternet(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

interface Figures {
  kept: number;
  fresh: number;
  /** Share of the kept connections that the busier process has. */
  spread: number;
  lost: number;
  asked: number;
}

async function measure(as: Way): Promise<Figures> {
  const primary = spawn(process.execPath, [import.meta.filename, 'primary', as], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = primary.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
  const url = `http://127.0.0.1:${String((await lines.next()).value).trim()}/`;
  try {
    const spread = await measureSpread(url);
    const kept = await wrk(url);
    const fresh = await wrk(url, '-H', 'Connection: close');
    const ended = new AbortController();
    const clients = Array.from({ length: 16 }, () => askOnNewConnections(url, ended.signal));
    primary.stdin.write('replace\n');
    await lines.next();
    ended.abort();
    const counts = await Promise.all(clients);
    const sum = (pick: (count: { asked: number; lost: number }) => number) =>
      counts.reduce((total, count) => total + pick(count), 0);
    return { kept, fresh, spread, lost: sum(({ lost }) => lost), asked: sum(({ asked }) => asked) };
  } finally {
    primary.kill('SIGKILL');
  }
}

async function wrk(url: string, ...more: string[]): Promise<number> {
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, '-d3s', ...more, url]);
  const found = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1];
  assert.ok(found !== undefined, stdout);
  return Number(found);
}

async function measureSpread(url: string): Promise<number> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const pids = await Promise.all(Array.from({ length: connections }, () => ask(url, agent)));
  agent.destroy();
  const counts = new Map<string, number>();
  for (const pid of pids) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  return Math.max(...counts.values()) / connections;
}

async function askOnNewConnections(
  url: string,
  ended: AbortSignal,
): Promise<{ asked: number; lost: number }> {
  const count = { asked: 0, lost: 0 };
  while (!ended.aborted) {
    count.asked += 1;
    await ask(url, new http.Agent({ keepAlive: false })).catch(() => {
      count.lost += 1;
    });
  }
  return count;
}

async function ask(url: string, agent: http.Agent): Promise<string> {
  // One that was handed to a process that has ended is never answered.
  const request = http.get(url, { agent, timeout: 3_000 });
  request.on('timeout', () => request.destroy(new Error('No answer.')));
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request.on('error', reject);
  request.on('response', (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('error', reject);
    response.on('end', () => resolve(text));
  });
  return await promise;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function measureAll(rounds: number): Promise<void> {
  const found = new Map<Way, Figures[]>(ways.map((each) => [each, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const each of ways) {
      const figures = await measure(each);
      found.get(each)?.push(figures);
      process.stderr.write(`${each} ${JSON.stringify(figures)}\n`);
    }
  }
  const rows = [...found].map(([each, figures]) => {
    const of = (name: keyof Figures) => median(figures.map((figure) => figure[name]));
    const lost = figures.reduce((total, figure) => total + figure.lost, 0);
    const asked = figures.reduce((total, figure) => total + figure.asked, 0);
    const worst = Math.max(...figures.map(({ spread }) => spread));
    return `| ${each} | ${Math.round(of('kept'))} | ${Math.round(of('fresh'))} | ${of('spread')} (worst ${worst}) | ${lost} of ${asked} |`;
  });
  const head = `| way | kept connections, answers/s | new connections, answers/s | share of the busier | lost in ${rounds * replacements} replacements |`;
  process.stdout.write(`${[head, '| --- | --- | --- | --- | --- |', ...rows].join('\n')}\n`);
}
