/**
 * What the generator can do, beside wrk on the same server and core, in turns: `node lab/bench/ceiling.ts [rounds]
 * [seconds] [url]`. Without a URL both load the null server, which is Node too and may be the slower side: `generator
 * CPU` under 1 says so. A faster server, given by its URL, shows the generator's own limit.
 */
import { execFileSync } from 'node:child_process';
import { startNullServer } from '../src/load/null-server.ts';
import { planCores, readAllowedCores } from '../src/load/pinning.ts';
import { decodeHistogram } from '../src/stats/histogram.ts';
import { measureOnce } from './one-phase.ts';

const connections = 50;
const goalShare = 0.8;
const goalFloorUs = 50;

const rounds = Number(process.argv[2] ?? 3);
const durationS = Number(process.argv[3] ?? 5);
const cores = planCores(readAllowedCores(), undefined, {});
const server = process.argv[4] === undefined ? await startNullServer({ cores: cores.server }) : undefined;
const url = process.argv[4] ?? server?.url ?? '';

const ours: number[] = [];
const theirs: number[] = [];
for (let round = 1; round <= rounds; round++) {
  const run = await measureOnce({ url, ratePerS: null, connections, durationS, cores });
  const wrk = runWrk();
  ours.push(run.ratePerS);
  theirs.push(wrk);
  say(
    `round ${round}: lab ${Math.round(run.ratePerS)}/s (generator CPU ${run.generatorCpu.toFixed(2)}), wrk ${Math.round(wrk)}/s`,
  );
}
const share = medianOf(ours) / medianOf(theirs);
say(`ceiling: ${share.toFixed(2)} x wrk -t1 -c${connections} (goal ${goalShare})`);

const floor = await measureOnce({ url, ratePerS: 1000, connections: 1, durationS, cores });
const response = decodeHistogram(floor.response);
const lag = decodeHistogram(floor.lag);
const p50Us = response.percentileUs(0.5);
say(
  `floor: P50 ${p50Us.toFixed(1)} us (goal ${goalFloorUs}), P99 ${response.percentileUs(0.99).toFixed(1)}; ` +
    `lag P50 ${lag.percentileUs(0.5).toFixed(1)}, P99 ${lag.percentileUs(0.99).toFixed(1)}`,
);
await server?.stop();
process.exitCode = share >= goalShare && p50Us <= goalFloorUs ? 0 : 1;

function runWrk(): number {
  const wrk = ['wrk', '-t1', `-c${connections}`, `-d${durationS}`, url];
  const [program = '', ...args] = cores.generator === null ? wrk : ['taskset', '-c', cores.generator, ...wrk];
  const said = execFileSync(program, args, { encoding: 'utf8' });
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1]);
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
