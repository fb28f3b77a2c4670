/**
 * Tries the rule of stats/verdict.ts, and the plain bootstrap it replaced, on simulated sessions and prints how often
 * each raises a false alarm and finds a change, as Markdown: `node lab/bench/decide-simulation.ts [sessions, 2000]`.
 */
import {
  burstyMachine,
  decidePlainly,
  type NoiseModel,
  sharedMachine,
  simulateDecisions,
} from '../src/stats/simulate.ts';

const sessions = Number(process.argv[2] ?? 2_000);
const machines: readonly [string, NoiseModel][] = [
  ['shared', sharedMachine],
  ['bursty', burstyMachine],
  ['shared, noise that changes twice as fast', { ...sharedMachine, slowMemory: 0.5 }],
  ['quiet (2 % noise)', { ...sharedMachine, slowNoise: 0.02, blockNoise: 0.01 }],
];
const rules = [
  ['plain bootstrap', decidePlainly],
  ['signed ranks', undefined],
] as const;

const say = (line: string) => process.stdout.write(`${line}\n`);
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
say(`${sessions} sessions each; found after 10 pairs / by 30 pairs.\n`);
say('| machine | rule | true change | found | "same" | "can\'t tell" | pairs |');
say('| --- | --- | --- | --- | --- | --- | --- |');
for (const [machine, model] of machines) {
  for (const [rule, decideOnce] of rules) {
    for (const change of [0, 0.05, 0.1, 0.2]) {
      const rates = simulateDecisions({ model, change, sessions, ...(decideOnce ? { decideOnce } : {}) });
      const found = `${percent(rates.foundAtFirstLook)} / ${percent(rates.found)}`;
      const undecided = `${percent(rates.same)} | ${percent(rates.undecided)}`;
      say(
        `| ${machine} | ${rule} | +${change * 100} % | ${found} | ${undecided} | ${rates.meanPairs.toFixed(1)} |`,
      );
    }
  }
}
