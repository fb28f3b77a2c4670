/**
 * How truthful the generator is about a server that blocks 200 ms in each second at 5,000 requests a second, against
 * what arithmetic says (coordinated omission): `node lab/bench/stalling.ts [runs] [seconds]`. Prints percentiles of
 * each run and their distance from the truth in percent; docs/lab quotes them.
 */

import { startNullServer } from '../src/load/null-server.ts';
import { planCores, readAllowedCores } from '../src/load/pinning.ts';
import { simulateStalls } from '../src/load/stalling-truth.ts';
import { decodeHistogram } from '../src/stats/histogram.ts';
import { measureOnce } from './one-phase.ts';

const ratePerS = 5000;
const connections = 50;
const stall = { periodMs: 1000, stallMs: 200 };
const shares = [0.5, 0.9, 0.99, 1];

const runs = Number(process.argv[2] ?? 3);
const durationS = Number(process.argv[3] ?? 10);
const cores = planCores(readAllowedCores(), undefined, {});

const healthy = await startNullServer({ cores: cores.server });
const most = await measureOnce({ url: healthy.url, ratePerS: null, connections, durationS: 3, cores });
await healthy.stop();
// What waited is served at the rate of a closed loop: that much the truth has to know of the server.
const serviceUs = 1e6 / most.ratePerS;
const truth = simulateStalls({ ...stall, serviceUs }, ratePerS, durationS);
process.stdout.write(`one answer takes ${serviceUs.toFixed(1)} us; generator on core ${cores.generator}\n`);
print('truth', truth.percentileUs.bind(truth));

const server = await startNullServer({ cores: cores.server, stall });
for (let number = 1; number <= runs; number++) {
  const run = await measureOnce({ url: server.url, ratePerS, connections, durationS, cores });
  const response = decodeHistogram(run.response);
  const service = decodeHistogram(run.service);
  print(`run ${number}`, response.percentileUs.bind(response));
  const off = shares.slice(1).map((share) => response.percentileUs(share) / truth.percentileUs(share) - 1);
  const signed = off.map((part) => `${part < 0 ? '' : '+'}${(part * 100).toFixed(1)} %`);
  process.stdout.write(`  off by ${signed.join('  ')}; ${run.ok} of ${run.due} right\n`);
  print('  had it counted from the write', service.percentileUs.bind(service));
}
await server.stop();

function print(name: string, percentileUs: (share: number) => number): void {
  const figures = shares.map((share) => `P${share * 100} ${(percentileUs(share) / 1000).toFixed(2)}`);
  process.stdout.write(`${name}: ${figures.join('  ')} ms\n`);
}
