/** `irontrack-lab knee`: the highest rate a server keeps within a latency, and the curve on the way there. */
import { resolve } from 'node:path';
import { type ExitStatus, exitStatus } from '../exit-status.ts';
import { type Bench, openBench } from '../load/bench.ts';
import { judgeRun } from '../load/protocol.ts';
import { writePage } from '../report/html.ts';
import { renderTerminal } from '../report/terminal.ts';
import type { KneeResult, LoadShape } from '../result/result.ts';
import { writeResult } from '../result/result-file.ts';
import { describeResult } from '../result/result-head.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { findDoctor } from './doctor-facts.ts';
import type { LabCommand } from './lab-command.ts';
import { loadOptions, readLoadPlan, readServer, serverOptions, targetOptions } from './load-options.ts';
import { createNarrator, type Narrator } from './narrator.ts';
import { readNumber, readText } from './option-values.ts';

/** Shares of the closed-loop maximum that draw the curve; the knee is searched between two of them. */
const curve = [0.1, 0.3, 0.5, 0.65, 0.8, 0.9, 1] as const;
/** The search ends when the rates on both sides of the knee are this close. */
const closeEnough = 0.04;
/** No percentage of failures is fine while looking for a limit. */
const mostErrors = 0.001;

const { rate: _rate, max: _max, ...kneeLoadOptions } = loadOptions;

export const knee: LabCommand = {
  summary: 'Find the highest rate with P99 within --slo, and draw latency against throughput.',
  usage: '<url | scenario.ts> --slo 50 [options]',
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
      found = await searchKnee(bench, plan.generator.load, sloP99Ms, narrator);
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
    await writeResult(out, result);
    const html = readText(values, 'html');
    if (html !== undefined) await writePage(resolve(context.cwd, html), result);
    context.stdout.write(`${renderTerminal(result, context)}\nResult: ${out}\n`);
    return statusOf(result);
  },
};

async function searchKnee(
  bench: Bench,
  load: LoadShape,
  sloP99Ms: number,
  narrator: Narrator,
): Promise<Pick<KneeResult, 'points' | 'kneePerS' | 'faults'>> {
  const points: KneeResult['points'] = [];
  const tryRate = async (ratePerS: number): Promise<boolean> => {
    const shape: LoadShape = { ...load, loop: 'open', ratePerS };
    const run = await bench.measure({ durationS: load.durationS, ratePerS, measured: true });
    const faults = judgeRun(run, shape, mostErrors);
    const p99Ms = decodeHistogram(run.response).percentileUs(0.99) / 1000;
    const met = p99Ms <= sloP99Ms && !faults.some(({ weight }) => weight === 'invalid');
    points.push({ ratePerS, met, run, faults });
    narrator.say(`${ratePerS}/s: P99 ${p99Ms.toFixed(2)} ms, ${met ? 'within' : 'beyond'} ${sloP99Ms} ms`);
    return met;
  };
  narrator.say('How much it does at most, as fast as it goes.');
  await bench.measure({ durationS: Math.max(load.warmupS, 0.5), ratePerS: null, measured: false });
  const most = await bench.measure({
    durationS: Math.min(load.durationS, 5),
    ratePerS: null,
    measured: false,
  });
  if (most.ok === 0) {
    const faults = judgeRun(most, { ...load, loop: 'closed', ratePerS: null }, mostErrors);
    return { points, kneePerS: null, faults };
  }
  let within = 0;
  let beyond = Number.POSITIVE_INFINITY;
  for (const share of curve) {
    const ratePerS = Math.max(1, Math.round(most.ratePerS * share));
    if (await tryRate(ratePerS)) within = ratePerS;
    else beyond = Math.min(beyond, ratePerS);
    if (beyond < Number.POSITIVE_INFINITY) break;
  }
  // A closed loop of few connections may ask for less than the server can do.
  while (beyond === Number.POSITIVE_INFINITY && points.length < 20) {
    const ratePerS = Math.round(within * 1.25) + 1;
    if (await tryRate(ratePerS)) within = ratePerS;
    else beyond = ratePerS;
  }
  while (beyond - within > Math.max(1, within * closeEnough) && points.length < 30) {
    const ratePerS = Math.round((within + Math.min(beyond, 2 * within + 2)) / 2);
    if (ratePerS <= within || ratePerS >= beyond) break;
    if (await tryRate(ratePerS)) within = ratePerS;
    else beyond = ratePerS;
  }
  return { points, kneePerS: within > 0 ? within : null, faults: [] };
}

function statusOf({ kneePerS, faults }: KneeResult): ExitStatus {
  if (faults.some(({ weight }) => weight === 'invalid')) return exitStatus.notDelivered;
  return kneePerS === null ? exitStatus.notDelivered : exitStatus.ok;
}
