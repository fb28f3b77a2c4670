/**
 * Compares servers that are already running, by wrk in alternation: every round loads each of them once, for a
 * short time, in a rotating order, so that whatever the machine does in that second hits all of them. The first
 * target is the base; ratios are taken within a round and their median is what counts.
 *
 * Usage: node tools/bench/compare.ts [options] bare=http://127.0.0.1:9001/ping ours=http://127.0.0.1:8000/ping
 *   --rounds 15         rounds, one run per target each
 *   --seconds 1         length of one run
 *   --connections 50    open connections, one wrk thread
 *   --core 1            the core wrk is pinned to with taskset; "none" leaves it free
 *   --header 'a: b'     a request header for every target, repeatable
 *   --pid label=123     the process that serves a target: its CPU time per answer is measured too (Linux), all
 *                       threads, which stays true when something else takes the core for a while; repeatable
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs, promisify } from 'node:util';
import { readExample } from './example.ts';

const run = promisify(execFile);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '50' },
    core: { type: 'string', default: '1' },
    header: { type: 'string', multiple: true, default: [] },
    pid: { type: 'string', multiple: true, default: [] },
  },
});

type Target = {
  label: string;
  url: string;
  pid: string | undefined;
  bytes: number;
  /** Answers a second, and the share of the base's rate in the same round. */
  rates: number[];
  ratios: number[];
  /** Microseconds of CPU an answer, and the share of it that the base needs in the same round. */
  costs: number[];
  costRatios: number[];
};
type Run = { rate: number; cost: number };

const pids = new Map(values.pid.map((entry) => splitAt(entry)));

const targets: Target[] = [];
for (const positional of positionals) {
  const [label, url] = splitAt(positional);
  const { status, bytes } = await readExample(url, values.header);
  if (status !== 200) throw new Error(`${url} answers ${status}, nothing to compare.`);
  targets.push({ label, url, pid: pids.get(label), bytes, rates: [], ratios: [], costs: [], costRatios: [] });
}
const [base] = targets;
if (base === undefined || targets.length < 2)
  throw new Error('Name at least two targets: label=url label=url.');

// Once through without counting: the compilers of both sides have to warm up.
for (const target of targets) await load(target, 3);
const rounds = Number(values.rounds);
for (let round = 0; round < rounds; round++) {
  const runs = new Map<Target, Run>();
  const turn = round % targets.length;
  for (const target of [...targets.slice(turn), ...targets.slice(0, turn)]) {
    runs.set(target, await load(target, Number(values.seconds)));
  }
  const baseRun = runs.get(base) ?? { rate: Number.NaN, cost: Number.NaN };
  for (const [target, { rate, cost }] of runs) {
    target.rates.push(rate);
    target.ratios.push(rate / baseRun.rate);
    target.costs.push(cost);
    target.costRatios.push(baseRun.cost / cost);
  }
}

const withCost = pids.size > 0;
const head = ['server', 'answer', 'requests/s, median (min-max)', 'ratio, median (quartiles; min-max)'];
if (withCost) head.push('CPU an answer, median (min-max)', 'ratio of CPU, median (quartiles; min-max)');
const rows = targets.map(({ label, bytes, rates, ratios, costs, costRatios }) => {
  const [low, middle, high] = [0, 0.5, 1].map((at) => `${(quantile(rates, at) / 1000).toFixed(1)}k`);
  const row = [label, `${bytes} B`, `${middle} (${low}-${high})`, spread(ratios)];
  if (withCost)
    row.push(`${[0.5, 0, 1].map((at) => quantile(costs, at).toFixed(2)).join(' ')} us`, spread(costRatios));
  return row;
});
for (const row of [head, head.map(() => '---'), ...rows]) process.stdout.write(`| ${row.join(' | ')} |\n`);
process.stdout.write(
  `\nwrk -t1 -c${values.connections}, ${rounds} rounds of ${values.seconds} s in alternation; ratios to the first row.\n`,
);

/** Loads one target for some seconds; anything but a 2xx is a failure. */
async function load({ url, pid }: Target, seconds: number): Promise<Run> {
  const headers = values.header.flatMap((line) => ['-H', line]);
  const wrk = ['wrk', '-t1', `-c${values.connections}`, `-d${seconds}s`, ...headers, url];
  const [program, ...rest] = values.core === 'none' ? wrk : ['taskset', '-c', values.core, ...wrk];
  const before = readCpuNs(pid);
  const { stdout } = await run(program ?? 'wrk', rest, { timeout: (seconds + 30) * 1000 });
  const cpuNs = readCpuNs(pid) - before;
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url} failed under load:\n${stdout}`);
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1];
  const count = /(\d+) requests in/.exec(stdout)?.[1];
  if (rate === undefined || count === undefined) throw new Error(`No rate in what wrk printed:\n${stdout}`);
  return { rate: Number(rate), cost: cpuNs / Number(count) / 1000 };
}

/** CPU time of all threads of a process so far, in nanoseconds. */
function readCpuNs(pid: string | undefined): number {
  if (pid === undefined) return Number.NaN;
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, ns) => sum + ns, 0);
}

function spread(sample: readonly number[]): string {
  const [q0, q1, q2, q3, q4] = [0, 0.25, 0.5, 0.75, 1].map((at) => quantile(sample, at).toFixed(3));
  return `**${q2}** (${q1}-${q3}; ${q0}-${q4})`;
}

function splitAt(entry: string): [label: string, value: string] {
  const equals = entry.indexOf('=');
  if (equals < 1) throw new Error(`This is written label=value, not "${entry}".`);
  return [entry.slice(0, equals), entry.slice(equals + 1)];
}

/** The value below which a share of the sample lies, interpolated. */
function quantile(sample: readonly number[], share: number): number {
  const sorted = sample.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}
