/** `irontrack-lab doctor`: what can be measured on this machine, and how finely. */
import { setTimeout as delay } from 'node:timers/promises';
import { exitStatus } from '../exit-status.ts';
import type { GeneratorOptions } from '../load/generator.ts';
import { startNullServer } from '../load/null-server.ts';
import { openGenerator } from '../load/open-generator.ts';
import { canPin, planCores, readAllowedCores } from '../load/pinning.ts';
import type { Doctor, LoadShape, RunMeasurement } from '../result/result.ts';
import { type CoreTicks, readCores } from '../sample/proc.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { meanOf, quantileOf, stddevOf } from '../stats/summary.ts';
import { keepDoctor } from './doctor-facts.ts';
import type { LabCommand, LabContext } from './lab-command.ts';
import { createNarrator } from './narrator.ts';
import { readText } from './option-values.ts';

const phaseS = 3;
/** The floor is asked for at a rate that any machine keeps easily. */
const floorRatePerS = 1000;
/** Shares above which doctor ends with the status of an unstable machine. */
const mostNoise = 0.2;
const mostWorkCv = 0.25;

export const doctor: LabCommand = {
  summary: 'Measure the generator itself: its ceiling, its floor, the timers, and how quiet the machine is.',
  usage: '[options]',
  mostArguments: 0,
  options: {
    pin: { type: 'string', help: 'auto, off, or server=0,generator=1: cores of each. Default auto.' },
  },
  async run(_positionals, values, context) {
    const narrator = createNarrator(context);
    const cores = planCores(readAllowedCores(), readText(values, 'pin'), { canPin: canPin() });
    narrator.say('Listening to the machine for 2 s.');
    const quiet = await measureNoise();
    const workCv = measureWork();
    const overshoot = await measureTimers();
    narrator.say(`Loading a server that does nothing, ${2 * phaseS} s.`);
    const { ceiling, floor } = await measureGenerator(cores, context);
    const facts: Doctor = {
      measuredAt: new Date().toISOString(),
      ceilingPerS: ceiling.ratePerS,
      floorP50Us: decodeHistogram(floor.response).percentileUs(0.5),
      floorP99Us: decodeHistogram(floor.response).percentileUs(0.99),
      timerOvershootP50Us: overshoot.p50Us,
      timerOvershootP99Us: overshoot.p99Us,
      noise: quiet.busy,
      steal: quiet.steal,
      workCv,
    };
    const path = keepDoctor(context.cwd, facts);
    const doubt = describeDoubt(facts);
    context.stdout.write(`${describe(facts)}\n${doubt === undefined ? '' : `${doubt}\n`}`);
    context.stdout.write(`Kept for a day in ${path}\n`);
    return doubt === undefined ? exitStatus.ok : exitStatus.unstable;
  },
};

async function measureGenerator(
  cores: { server: string | null; generator: string | null },
  context: LabContext,
) {
  const server = await startNullServer({ cores: cores.server });
  const load = (loop: 'open' | 'closed', connections: number): LoadShape => ({
    loop,
    ratePerS: loop === 'open' ? floorRatePerS : null,
    arrivals: 'constant',
    connections,
    durationS: phaseS,
    warmupS: 0,
    pauseS: 0,
    timeoutS: 5,
    spin: cores.generator !== null,
    protocol: 'http/1.1',
    serverCores: cores.server,
    generatorCores: cores.generator,
  });
  const measure = async (shape: LoadShape): Promise<RunMeasurement> => {
    const options: GeneratorOptions = {
      url: server.url,
      insecure: false,
      request: { method: 'GET', headers: {}, body: '' },
      seed: 1,
      load: shape,
      maxBodyBytes: 65_536,
    };
    const generator = await openGenerator(options, {
      cores: cores.generator,
      interrupted: context.interrupted,
    });
    try {
      await generator.run({ durationS: 1, ratePerS: shape.ratePerS });
      return await generator.run({ durationS: phaseS, ratePerS: shape.ratePerS });
    } finally {
      await generator.close();
    }
  };
  try {
    return { ceiling: await measure(load('closed', 50)), floor: await measure(load('open', 1)) };
  } finally {
    await server.stop();
  }
}

/** Share of all cores that others used, and that the hypervisor took, while this process waited. */
async function measureNoise(): Promise<{ busy: number; steal: number }> {
  const before = readCores();
  await delay(2000);
  const after = readCores();
  const total = sumOf(after, 'all') - sumOf(before, 'all');
  if (total <= 0) return { busy: 0, steal: 0 };
  return {
    busy: (sumOf(after, 'busy') - sumOf(before, 'busy')) / total,
    steal: (sumOf(after, 'steal') - sumOf(before, 'steal')) / total,
  };
}

function sumOf(cores: readonly CoreTicks[], name: keyof CoreTicks): number {
  return cores.reduce((sum, core) => sum + core[name], 0);
}

/** How much later than asked `Atomics.wait` of 0.5 ms comes back: what any sleeping generator would add. */
async function measureTimers(): Promise<{ p50Us: number; p99Us: number }> {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const lateUs: number[] = [];
  for (let index = 0; index < 1000; index += 1) {
    const startedAt = performance.now();
    Atomics.wait(cell, 0, 0, 0.5);
    lateUs.push((performance.now() - startedAt - 0.5) * 1000);
    if (index % 100 === 99) await delay(1);
  }
  lateUs.sort((a, b) => a - b);
  return { p50Us: quantileOf(lateUs, 0.5), p99Us: quantileOf(lateUs, 0.99) };
}

/** The same work again and again takes the same time on a machine that is quiet. */
function measureWork(): number {
  const times: number[] = [];
  let sink = 0;
  for (let round = 0; round < 110; round += 1) {
    const startedAt = performance.now();
    for (let step = 1; step < 2_000_000; step += 1) sink += step % 7;
    times.push(performance.now() - startedAt);
  }
  if (sink === 0) throw new RangeError('The work was not done.');
  // The first ten compile.
  const measured = times.slice(10);
  return stddevOf(measured) / meanOf(measured);
}

function describe(facts: Doctor): string {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  return [
    `Ceiling of the generator   ${Math.round(facts.ceilingPerS).toLocaleString('en')} requests/s from one core`,
    `Floor, P50 and P99         ${(facts.floorP50Us / 1000).toFixed(3)} and ${(facts.floorP99Us / 1000).toFixed(3)} ms`,
    `A sleep is late by         ${(facts.timerOvershootP50Us / 1000).toFixed(3)} ms (P99 ${(facts.timerOvershootP99Us / 1000).toFixed(3)} ms)`,
    `Others used                ${percent(facts.noise)} of the cores, other machines ${percent(facts.steal)}`,
    `The same work varies by    ${percent(facts.workCv)}`,
    '',
  ].join('\n');
}

/** What makes this machine unfit for small differences now; undefined when nothing does. */
function describeDoubt({ noise, workCv }: Doctor): string | undefined {
  const reasons = [
    ...(noise > mostNoise ? ['others use its cores'] : []),
    ...(workCv > mostWorkCv ? ['the same work takes now this long, now that'] : []),
  ];
  if (reasons.length === 0) return undefined;
  return `Not quiet enough for small differences: ${reasons.join(' and ')}. Find out who that is, or expect wide intervals.`;
}
