/** `irontrack-lab knee`: the highest rate a server keeps within a latency, and the curve on the way there. */
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ExitStatus, exitStatus } from '../exit-status.ts';
import { type Bench, openBench } from '../load/bench.ts';
import { judgeRun } from '../load/protocol.ts';
import { writePage } from '../report/html.ts';
import { renderTerminal } from '../report/terminal.ts';
import type { KneeResult, LoadShape } from '../result/result.ts';
import { writeResult } from '../result/result-file.ts';
import { describeResult } from '../result/result-head.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { durationForP99 } from '../stats/stability.ts';
import { findDoctor } from './doctor-facts.ts';
import type { LabCommand } from './lab-command.ts';
import { loadOptions, readLoadPlan, readServer, serverOptions, targetOptions } from './load-options.ts';
import { createNarrator, type Narrator } from './narrator.ts';
import { readNumber, readText } from './option-values.ts';

/** Shares of the closed-loop maximum that draw the curve; the knee is searched between two of them. */
const curve = [0.1, 0.3, 0.5, 0.65, 0.8, 0.9, 1] as const;
/** The search ends when the rates on both sides of the knee are this close. */
const closeEnough = 0.04;
/** A rate with a P99 is tried this long at most, unless somebody asked for a duration. */
const longestTryS = 60;
/** No percentage of failures is fine while looking for a limit. */
const mostErrors = 0.001;

const { rate: _rate, max: _max, ...kneeLoadOptions } = loadOptions;

export const knee: LabCommand = {
  summary: 'Find the highest rate with P99 within --slo, and draw latency against throughput.',
  usage: '<url | scenario.ts> --slo 50 [options]',
  mostArguments: 1,
  options: {
    slo: { type: 'string', help: 'The P99 to keep, milliseconds. Default 50.' },
    ...kneeLoadOptions,
    ...targetOptions,
    ...serverOptions,
    out: { type: 'string', short: 'o', help: 'Result file. Default .irontrack-lab/<name>-knee.json.' },
    html: { type: 'string', help: 'Write the report as one self-contained page, too.' },
  },
  async run(positionals, values, context) {
    const sloP99Ms = readNumber(values, 'slo', { least: 0.01, most: 600_000, unit: 'milliseconds' }) ?? 50;
    const plan = await readLoadPlan(positionals[0], values, context.cwd);
    const narrator = createNarrator(context);
    const bench = await openBench({
      generator: plan.generator,
      iOwnThisTarget: plan.iOwnThisTarget,
      interrupted: context.interrupted,
      ...readServer(values, context),
    });
    let found: Pick<KneeResult, 'points' | 'kneePerS' | 'faults'>;
    try {
      found = await searchKnee(bench, plan.generator.load, {
        sloP99Ms,
        fixedDuration: readText(values, 'duration') !== undefined,
        narrator,
        interrupted: context.interrupted,
      });
    } finally {
      narrator.done();
      await bench.close();
    }
    const result: KneeResult = {
      ...(await describeResult(context, plan.name, [plan.generator, plan.target, sloP99Ms])),
      kind: 'knee',
      doctor: findDoctor(context.cwd, Date.now()),
      target: plan.target,
      load: plan.generator.load,
      sloP99Ms,
      ...found,
      faults: [...found.faults, ...plan.cores.faults],
    };
    const out = resolve(context.cwd, readText(values, 'out') ?? `.irontrack-lab/${plan.name}-knee.json`);
    writeResult(out, result);
    const html = readText(values, 'html');
    if (html !== undefined) await writePage(resolve(context.cwd, html), result);
    context.stdout.write(`${renderTerminal(result, context)}\nResult: ${out}\n`);
    return statusOf(result);
  },
};

interface SearchOptions {
  sloP99Ms: number;
  /** A P99 with too few samples is then doubted, not waited for. */
  fixedDuration: boolean;
  narrator: Narrator;
  interrupted: AbortSignal;
}

async function searchKnee(
  bench: Bench,
  load: LoadShape,
  { sloP99Ms, fixedDuration, narrator, interrupted }: SearchOptions,
): Promise<Pick<KneeResult, 'points' | 'kneePerS' | 'faults'>> {
  const points: KneeResult['points'] = [];
  const tryOnce = async (ratePerS: number): Promise<boolean> => {
    // What the rate before left in the server's queues is not this one's.
    await delay(load.pauseS * 1000, undefined, { signal: interrupted });
    const shape: LoadShape = { ...load, loop: 'open', ratePerS };
    const neededS = Math.min(longestTryS, durationForP99(ratePerS));
    const durationS = fixedDuration ? load.durationS : Math.max(load.durationS, neededS);
    const run = await bench.measure({ durationS, ratePerS });
    const faults = judgeRun(run, shape, mostErrors);
    const p99Ms = decodeHistogram(run.response).percentileUs(0.99) / 1000;
    const met = p99Ms <= sloP99Ms && !faults.some(({ weight }) => weight === 'invalid');
    points.push({ ratePerS, met, run, faults });
    const compared = `P99 ${p99Ms.toFixed(2)} ms, ${p99Ms <= sloP99Ms ? 'within' : 'beyond'} ${sloP99Ms} ms`;
    const [fault] = faults.filter(({ weight }) => weight === 'invalid');
    narrator.say(`${ratePerS}/s: ${compared}${fault === undefined ? '' : `; not met: ${fault.sentence}`}`);
    return met;
  };
  // One hiccup must not end the search: a rate is beyond when it fails twice.
  const tryRate = async (ratePerS: number) => (await tryOnce(ratePerS)) || (await tryOnce(ratePerS));
  narrator.say('How much it does at most, as fast as it goes.');
  await bench.measure({ durationS: Math.max(load.warmupS, 0.5), ratePerS: null });
  const most = await bench.measure({
    durationS: Math.min(load.durationS, 5),
    ratePerS: null,
  });
  if (most.ok === 0) {
    const faults = judgeRun(most, { ...load, loop: 'closed', ratePerS: null }, mostErrors);
    return { points, kneePerS: null, faults };
  }
  let within = 0;
  let beyond = Number.POSITIVE_INFINITY;
  for (const share of curve) {
    const ratePerS = Math.max(1, Math.round(most.ratePerS * share));
    // A few requests a second are the same rate at several shares.
    if (ratePerS === within) continue;
    if (await tryRate(ratePerS)) within = ratePerS;
    else {
      beyond = ratePerS;
      break;
    }
  }
  // A closed loop of few connections may ask for less than the server can do.
  while (beyond === Number.POSITIVE_INFINITY && points.length < 20) {
    const ratePerS = Math.round(within * 1.25) + 1;
    if (await tryRate(ratePerS)) within = ratePerS;
    else beyond = ratePerS;
  }
  while (beyond - within > Math.max(1, within * closeEnough) && points.length < 40) {
    const ratePerS = Math.round((within + Math.min(beyond, 2 * within + 2)) / 2);
    if (ratePerS <= within || ratePerS >= beyond) break;
    if (await tryRate(ratePerS)) within = ratePerS;
    else beyond = ratePerS;
  }
  // The doubts about the run that the answer rests on.
  const faults = points.findLast(({ met, ratePerS }) => met && ratePerS === within)?.faults ?? [];
  return { points, kneePerS: within > 0 ? within : null, faults };
}

function statusOf({ kneePerS, faults }: KneeResult): ExitStatus {
  if (faults.some(({ weight }) => weight === 'invalid')) return exitStatus.notDelivered;
  return kneePerS === null ? exitStatus.notDelivered : exitStatus.ok;
}
