/** `irontrack-lab run`: the protocol on one target, from warm-up to verdict. */
import { resolve } from 'node:path';
import { type ExitStatus, exitStatus } from '../exit-status.ts';
import { type Bench, openBench } from '../load/bench.ts';
import { followProtocol } from '../load/protocol.ts';
import { renderFlamePage } from '../profile/flame-page.ts';
import { recordProfile } from '../profile/record-profile.ts';
import { writePage } from '../report/html.ts';
import { renderTerminal } from '../report/terminal.ts';
import type { Fault, RunMeasurement, RunResult } from '../result/result.ts';
import { writeResult } from '../result/result-file.ts';
import { describeResult } from '../result/result-head.ts';
import { findDoctor } from './doctor-facts.ts';
import type { LabCommand, LabContext, OptionValues } from './lab-command.ts';
import {
  type LoadPlan,
  loadOptions,
  readLoadPlan,
  readServer,
  serverOptions,
  targetOptions,
} from './load-options.ts';
import { createNarrator } from './narrator.ts';
import { readFlag, readNumber, readText } from './option-values.ts';

export const run: LabCommand = {
  summary: 'Measure a URL or a scenario: latency at a constant rate, or the most it can do.',
  usage: '<url | scenario.ts> [options]',
  mostArguments: 1,
  options: {
    ...loadOptions,
    runs: { type: 'string', help: 'Measured runs; more, up to 10, while they disagree. Default 5.' },
    pause: { type: 'string', help: 'Between runs. Default 1s.' },
    ...targetOptions,
    ...serverOptions,
    profile: {
      type: 'boolean',
      help: 'One more pass with a CPU profile: flame graph, stalls, share of CPU.',
    },
    'max-errors': {
      type: 'string',
      help: 'Percentage of failed requests that makes a run invalid. Default 1.',
    },
    out: { type: 'string', short: 'o', help: 'Result file. Default .irontrack-lab/<name>.json.' },
    html: { type: 'string', help: 'Write the report as one self-contained page, too.' },
  },
  async run(positionals, values, context) {
    const plan = await readLoadPlan(positionals[0], values, context.cwd);
    const narrator = createNarrator(context);
    const server = readText(values, 'server');
    const facts = findDoctor(context.cwd, Date.now());
    if (server !== undefined) narrator.say(`Starting the server: ${server}`);
    const bench = await openBench({
      generator: plan.generator,
      iOwnThisTarget: plan.iOwnThisTarget,
      interrupted: context.interrupted,
      ...readServer(values, context),
    });
    const out = resolve(context.cwd, readText(values, 'out') ?? `.irontrack-lab/${plan.name}.json`);
    let result: RunResult;
    try {
      const outcome = await followProtocol(bench, {
        load: plan.generator.load,
        runs: readNumber(values, 'runs', { least: 1, most: 10, whole: true, unit: 'runs' }) ?? 5,
        fixedDuration: readText(values, 'duration') !== undefined,
        mostErrors: (readNumber(values, 'max-errors', { least: 0, most: 100, unit: 'percent' }) ?? 1) / 100,
        interrupted: context.interrupted,
        say: narrator.say,
        onProgress: narrator.showProgress,
      });
      result = {
        ...(await describeResult(context, plan.name, [plan.generator, plan.target])),
        kind: 'run',
        doctor: facts,
        target: plan.target,
        load: plan.generator.load,
        ...outcome,
        faults: [...outcome.faults, ...plan.cores.faults],
      };
      // What was measured stays, whatever becomes of the profile.
      writeResult(out, result);
      if (readFlag(values, 'profile'))
        result = await addProfile(result, bench, plan, values, context, narrator.say);
    } finally {
      narrator.done();
      await bench.close();
    }
    writeResult(out, result);
    context.stdout.write(renderTerminal(result, context));
    const html = readText(values, 'html');
    if (html !== undefined) await writePage(resolve(context.cwd, html), result);
    context.stdout.write(
      `\nResult: ${out}${html === undefined ? '' : `\nPage:   ${resolve(context.cwd, html)}`}\n`,
    );
    return statusOf(result.faults, result.stability.stable || result.runs.length === 1);
  },
};

/** Not delivered before unstable: what did not arrive cannot be compared at all. */
export function statusOf(faults: readonly Fault[], stable: boolean): ExitStatus {
  if (faults.some(({ weight }) => weight === 'invalid')) return exitStatus.notDelivered;
  return stable ? exitStatus.ok : exitStatus.unstable;
}

/** The profile costs CPU itself, so its pass is not one of the measured runs. */
async function addProfile(
  result: RunResult,
  bench: Bench,
  plan: LoadPlan,
  values: OptionValues,
  context: LabContext,
  say: (line: string) => void,
): Promise<RunResult> {
  say('One more pass with a CPU profile.');
  const { load } = plan.generator;
  const seconds = Math.min(load.durationS, 30);
  const inspectorUrl = bench.inspectorUrl();
  let profilePass: RunMeasurement | undefined;
  const recorded = await recordProfile({
    pids: bench.pids(),
    seconds,
    samplerCores: load.generatorCores,
    signal: context.interrupted,
    ...(inspectorUrl === undefined ? {} : { inspectorUrl }),
    async load() {
      profilePass = await bench.measure({ durationS: seconds, ratePerS: load.ratePerS });
      return { answered: profilePass.ok, seen: { kind: 'seconds', series: profilePass.series } };
    },
  });
  const out = readText(values, 'out') ?? `.irontrack-lab/${plan.name}.json`;
  const flamePage = `${out.replace(/\.json$/, '')}.flame.html`;
  await renderFlamePage(resolve(context.cwd, flamePage), recorded, plan.name);
  return {
    ...result,
    profile: { ...recorded.table, flamePage },
    ...(profilePass === undefined ? {} : { profilePass: { ...profilePass, stalls: recorded.stalls } }),
  };
}
