/**
 * How many events a second are answered after the commit that holds them, beside the same service with one statement an
 * event. Both run at once, each with a database of its own, and are loaded in turn by wrk; everything shares the machine.
 *
 * Usage: node tools/bench/ingest.ts [options]
 *   --rounds 7            rounds, one run of each variant
 *   --seconds 4           length of a run
 *   --connections 200     open connections
 *   --organizations 100   events go to them in turn
 *   --only batched        one variant alone: batched or unbatched
 *   --dedup               every event has a dedup_id
 *   --beside ../before    the batched variant of another checkout too, to see what a change is worth
 *
 * Beside the rate it says what an event costs in CPU time (service, PostgreSQL, wrk), which stays true when something
 * else takes the cores for a while, and which share of all cores the run got: the rate of a machine that does nothing
 * else is higher by about that.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { descendants } from '../../server/test/topology/processes.ts';
import { type Serving, type ServingOptions, startServing } from './serving.ts';
import { readThreadCpuMs } from './thread-cpu.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('ingest.lua', import.meta.url));
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '200' },
    organizations: { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
    dedup: { type: 'boolean', default: false },
    beside: { type: 'string', default: '' },
  },
});

interface Variant {
  name: string;
  serving: Serving;
  keys: string;
  runs: Run[];
}

interface Run {
  rate: number;
  p50: number;
  p99: number;
  /** CPU time an event, microseconds. */
  service: number;
  database: number;
  generator: number;
  /** Of all cores. */
  share: number;
}

const choices: Record<string, ServingOptions> = {
  batched: {},
  unbatched: { environment: { INGEST_BATCH: '1', INGEST_FLUSHERS: '10' } },
  ...(values.beside === '' ? {} : { beside: { checkout: values.beside } }),
};

const folder = mkdtempSync(join(tmpdir(), 'irontrack-ingest-'));
const variants: Variant[] = [];
try {
  for (const [name, options] of Object.entries(choices)) {
    if (values.only !== '' && values.only !== name && name !== 'beside') continue;
    const serving = await startServing(options);
    const keys = join(folder, name);
    variants.push({ name, serving, keys, runs: [] });
    writeFileSync(keys, `${(await makeKeys(serving.url, Number(values.organizations))).join('\n')}\n`);
  }
  for (const variant of variants) await load(variant, 4);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const turn = round % variants.length;
    for (const variant of [...variants.slice(turn), ...variants.slice(0, turn)]) {
      variant.runs.push(await load(variant, Number(values.seconds)));
    }
  }
  const heads = [
    'variant',
    'events/s',
    'P50 ms',
    'P99 ms',
    'CPU us: service',
    'PostgreSQL',
    'wrk',
    'share of the cores',
  ];
  for (const row of [heads, heads.map(() => '---'), ...variants.map(describe)]) {
    process.stdout.write(`| ${row.join(' | ')} |\n`);
  }
  process.stdout.write(
    `\nMedian (least-most) of ${values.rounds} runs of ${values.seconds} s, ${values.connections} connections.\n`,
  );
} finally {
  for (const { serving } of variants) await serving.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function makeKeys(url: string, count: number): Promise<string[]> {
  const keys: string[] = [];
  while (keys.length < count) {
    const answer = await fetch(`${url}/api/keys/generate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ organization_name: `Bench ${keys.length}`, tier: 'enterprise' }),
    });
    const body: unknown = await answer.json();
    if (typeof body !== 'object' || body === null || !('api_key' in body))
      throw new Error(JSON.stringify(body));
    keys.push(String(body.api_key));
  }
  return keys;
}

/** Anything but a 2xx is a failure. */
async function load({ name, serving, keys }: Variant, seconds: number): Promise<Run> {
  const target = `${serving.url}/api/events`;
  const connections = `-c${values.connections}`;
  const wrk = [
    'wrk',
    '-t1',
    connections,
    `-d${seconds}s`,
    '--latency',
    '--timeout',
    '10s',
    '-s',
    script,
    target,
  ];
  const rest = ['--', keys, ...(values.dedup ? ['dedup'] : [])];
  const before = { service: cpuMs([serving.pid]), database: cpuMs(descendants(serving.pid)) };
  // The shell says what its child used.
  const { stdout } = await run('bash', ['-c', '"$@"; times', 'wrk', ...wrk, ...rest], {
    timeout: (seconds + 60) * 1000,
  });
  const service = cpuMs([serving.pid]) - before.service;
  const database = cpuMs(descendants(serving.pid)) - before.database;
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${name} failed under load:\n${stdout}`);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  const count = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const times = [...(stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  const generator = times.reduce(
    (sum, [, minutes, rest]) => sum + Number(minutes) * 60_000 + Number(rest) * 1000,
    0,
  );
  const result: Run = {
    rate,
    p50: readMs(stdout, '50%'),
    p99: readMs(stdout, '99%'),
    service: (service / count) * 1000,
    database: (database / count) * 1000,
    generator: (generator / count) * 1000,
    share: (service + database + generator) / (seconds * 1000 * availableParallelism()),
  };
  process.stderr.write(`${name}: ${Math.round(rate)}/s, P50 ${result.p50} ms, P99 ${result.p99} ms\n`);
  return result;
}

function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + [...readThreadCpuMs(pid).values()].reduce((a, b) => a + b, 0), 0);
}

function describe({ name, runs }: Variant): string[] {
  const of = (member: keyof Run, digits: number) =>
    spread(
      runs.map((each) => each[member]),
      digits,
    );
  const costs = (['service', 'database', 'generator'] as const).map((member) => of(member, 1));
  return [name, of('rate', 0), of('p50', 1), of('p99', 1), ...costs, of('share', 2)];
}

function readMs(stdout: string, share: string): number {
  const [, number, unit] = new RegExp(`^ +${share} +([\\d.]+)(us|ms|s)`, 'm').exec(stdout) ?? [];
  return Number(number) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1);
}

function spread(sample: readonly number[], digits: number): string {
  const sorted = sample.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.round((sorted.length - 1) * share)] ?? Number.NaN).toFixed(digits);
  return `**${at(0.5)}** (${at(0)}-${at(1)})`;
}
