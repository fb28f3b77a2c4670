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
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { type Serving, startServing } from './serving.ts';

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
  },
});

interface Variant {
  name: string;
  environment: Record<string, string>;
  serving: Serving;
  keys: string;
  rates: number[];
  latencies: { p50: number; p99: number }[];
}

const environments: Record<string, Record<string, string>> = {
  batched: {},
  unbatched: { INGEST_BATCH: '1', INGEST_FLUSHERS: '10' },
};

const folder = mkdtempSync(join(tmpdir(), 'irontrack-ingest-'));
const variants: Variant[] = [];
try {
  for (const [name, environment] of Object.entries(environments)) {
    if (values.only !== '' && values.only !== name) continue;
    const serving = await startServing({ environment });
    const keys = join(folder, name);
    variants.push({ name, environment, serving, keys, rates: [], latencies: [] });
    writeFileSync(keys, `${(await makeKeys(serving.url, Number(values.organizations))).join('\n')}\n`);
  }
  for (const variant of variants) await load(variant, 4);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const turn = round % variants.length;
    for (const variant of [...variants.slice(turn), ...variants.slice(0, turn)]) {
      const { rate, p50, p99 } = await load(variant, Number(values.seconds));
      variant.rates.push(rate);
      variant.latencies.push({ p50, p99 });
    }
  }
  process.stdout.write(
    '| variant | events/s, median (min-max) | P50 ms | P99 ms, median (min-max) |\n| --- | --- | --- | --- |\n',
  );
  for (const { name, rates, latencies } of variants) {
    const p99 = latencies.map((each) => each.p99);
    const p50 = latencies.map((each) => each.p50);
    process.stdout.write(`| ${name} | ${spread(rates, 0)} | ${spread(p50, 1)} | ${spread(p99, 1)} |\n`);
  }
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
async function load({ name, serving, keys }: Variant, seconds: number) {
  const target = `${serving.url}/api/events`;
  const connections = `-c${values.connections}`;
  const wrk = ['-t1', connections, `-d${seconds}s`, '--latency', '--timeout', '10s', '-s', script, target];
  const rest = ['--', keys, ...(values.dedup ? ['dedup'] : [])];
  const { stdout } = await run('wrk', [...wrk, ...rest], { timeout: (seconds + 60) * 1000 });
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${name} failed under load:\n${stdout}`);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  const result = { rate, p50: readMs(stdout, '50%'), p99: readMs(stdout, '99%') };
  process.stderr.write(`${name}: ${Math.round(rate)}/s, P50 ${result.p50} ms, P99 ${result.p99} ms\n`);
  return result;
}

function readMs(stdout: string, share: string): number {
  const [, number, unit] = new RegExp(`${share}\\s+([\\d.]+)(us|ms|s)`).exec(stdout) ?? [];
  return Number(number) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1);
}

function spread(sample: readonly number[], digits: number): string {
  const sorted = sample.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.round((sorted.length - 1) * share)] ?? Number.NaN).toFixed(digits);
  return `**${at(0.5)}** (${at(0)}-${at(1)})`;
}
