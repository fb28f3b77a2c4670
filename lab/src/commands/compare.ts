/** `irontrack-lab compare`: whether B is faster or slower than A, from pairs measured in alternation. */
import { resolve } from 'node:path';
import { type ExitStatus, exitStatus, LabError } from '../exit-status.ts';
import { judgeRun } from '../load/protocol.ts';
import { openSide, type Side } from '../load/side.ts';
import { describeTarget } from '../load/target.ts';
import { formatChange } from '../report/format-figures.ts';
import { writePage } from '../report/html.ts';
import { renderTerminal } from '../report/terminal.ts';
import type { Change, CompareResult, Fault, LoadShape, RunMeasurement } from '../result/result.ts';
import { writeResult } from '../result/result-file.ts';
import { describeResult } from '../result/result-head.ts';
import { decodeHistogram } from '../stats/histogram.ts';
import { fewestSamplesForP99 } from '../stats/stability.ts';
import { decide, decisionLooks, findNextLook, type MeasuredPair } from '../stats/verdict.ts';
import { findDoctor } from './doctor-facts.ts';
import type { LabCommand, LabContext, OptionValues } from './lab-command.ts';
import { loadOptions, readLoadPlan, serverOptions, targetOptions } from './load-options.ts';
import { createNarrator, type Narrator } from './narrator.ts';
import { readFlag, readNumber, readSeconds, readText } from './option-values.ts';

type Pair = CompareResult['pairs'][number];

/** A block is planned this much longer than its answers take: the warm-up's rate is a guess. */
const margin = 1.1;
const longestBlockS = 20;
/** After the other side has had the machine: caches and clocks settle. */
const settleS = 0.3;
const mostErrors = 0.01;
const canaryConfidence = 0.99;

const { duration: _duration, ...compareLoadOptions } = loadOptions;

export const compare: LabCommand = {
  summary: 'Decide whether B is slower or faster than A: two URLs, two commands or two git refs.',
  usage: '<A> <B> [options]',
  options: {
    refs: {
      type: 'boolean',
      help: 'A and B are git refs; --prepare and --server are run in a checkout of each.',
    },
    prepare: {
      type: 'string',
      help: 'With --refs: run in each checkout before the server, such as "npm ci".',
    },
    block: {
      type: 'string',
      help: 'Length of one measurement of one side. Default 3s, longer below 1500 answers.',
    },
    'max-pairs': { type: 'string', help: '10, 20 or 30: where to stop while nobody can tell. Default 30.' },
    scenario: { type: 'string', help: 'Scenario file to load both sides with, instead of one request.' },
    ...compareLoadOptions,
    rate: {
      type: 'string',
      short: 'r',
      help: 'Open loop: compares response times at so many requests a second. Without it throughput is compared (--max).',
    },
    ...targetOptions,
    url: {
      type: 'string',
      help: 'With commands or refs: where each serves, such as http://127.0.0.1:{port}/ping. PORT is set, too.',
    },
    server: serverOptions.server ?? { type: 'string', help: '' },
    'ready-timeout': serverOptions['ready-timeout'] ?? { type: 'string', help: '' },
    pin: serverOptions.pin ?? { type: 'string', help: '' },
    out: { type: 'string', short: 'o', help: 'Result file. Default .irontrack-lab/compare.json.' },
    html: { type: 'string', help: 'Write the report as one self-contained page, too.' },
  },
  async run(positionals, values, context) {
    const [a, b, ...more] = positionals;
    if (a === undefined || b === undefined || more.length > 0) {
      throw new LabError(
        exitStatus.tool,
        'Name two sides: two URLs, two commands or, with --refs, two git refs.',
      );
    }
    const narrator = createNarrator(context);
    // Throughput is what a closed loop can tell; with --rate it is the mean response time.
    const shaped: OptionValues = readText(values, 'rate') === undefined ? { ...values, max: true } : values;
    const sideA = await openOneSide(a, shaped, context, narrator);
    try {
      const sideB = await openOneSide(b, shaped, context, narrator);
      try {
        const { plan } = sideA;
        const blockS = readSeconds(values, 'block', { least: 0.2, most: 600 }) ?? 3;
        const mostPairs = readMostPairs(values);
        const measured = await measurePairs(sideA.side, sideB.side, plan.generator.load, {
          blockS,
          mostPairs,
          narrator,
          context,
        });
        const result: CompareResult = {
          ...(await describeResult(context, 'compare', [plan.generator, blockS, mostPairs])),
          kind: 'compare',
          doctor: findDoctor(context.cwd, Date.now()),
          sides: [sideA.side.label, sideB.side.label],
          target: plan.target,
          load: { ...plan.generator.load, durationS: blockS },
          ...measured,
          faults: [...measured.faults, ...plan.cores.faults],
        };
        const out = resolve(context.cwd, readText(values, 'out') ?? '.irontrack-lab/compare.json');
        writeResult(out, result);
        const html = readText(values, 'html');
        if (html !== undefined) await writePage(resolve(context.cwd, html), result);
        context.stdout.write(`${renderTerminal(result, context)}\nResult: ${out}\n`);
        return statusOf(result);
      } finally {
        await sideB.side.close();
      }
    } finally {
      narrator.done();
      await sideA.side.close();
    }
  },
};

async function openOneSide(named: string, values: OptionValues, context: LabContext, narrator: Narrator) {
  const isUrl = /^https?:\/\//i.test(named);
  // A URL may hold a password, and the label stands in the report.
  const label = isUrl && URL.canParse(named) ? describeTarget(new URL(named)) : named;
  const isRef = readFlag(values, 'refs');
  const scenario = readText(values, 'scenario');
  const url = isUrl ? named : readText(values, 'url');
  if (url === undefined) {
    throw new LabError(exitStatus.tool, 'Say where the sides serve with --url http://127.0.0.1:{port}/path.');
  }
  const command = isUrl ? undefined : isRef ? readText(values, 'server') : label;
  if (isRef && command === undefined) {
    throw new LabError(exitStatus.tool, 'Say how a checkout is started with --server, such as "npm start".');
  }
  // The port is not known yet and the address guard needs one it can parse.
  const checked = url.replaceAll('{port}', '1');
  const plan = await readLoadPlan(scenario ?? checked, { ...values, url: checked }, context.cwd);
  const prepare = readText(values, 'prepare');
  narrator.say(command === undefined ? `Using ${label}` : `Starting ${label}`);
  const side = await openSide({
    label,
    generator: { ...plan.generator, url },
    cwd: context.cwd,
    readyTimeoutS: readSeconds(values, 'ready-timeout', { least: 0.1, most: 3600 }) ?? 60,
    environment: context.environment,
    iOwnThisTarget: plan.iOwnThisTarget,
    interrupted: context.interrupted,
    say: narrator.say,
    ...(command === undefined ? {} : { command }),
    ...(isRef ? { ref: label } : {}),
    ...(prepare === undefined ? {} : { prepare }),
  });
  // Each side has a port of its own; the report names the place, not the number that stood for it.
  const place = url === checked ? plan.target.url : plan.target.url.replace(':1/', ':{port}/');
  return { side, plan: { ...plan, target: { ...plan.target, url: place } } };
}

function readMostPairs(values: OptionValues): number {
  const most = readNumber(values, 'max-pairs', { least: 10, most: 30, whole: true, unit: 'pairs' }) ?? 30;
  if (!decisionLooks.some(({ pairs }) => pairs === most)) {
    throw new LabError(exitStatus.tool, '--max-pairs is 10, 20 or 30: the verdict is planned for these.');
  }
  return most;
}

interface PairingOptions {
  blockS: number;
  mostPairs: number;
  narrator: Narrator;
  context: LabContext;
}

async function measurePairs(
  a: Side,
  b: Side,
  load: LoadShape,
  { blockS, mostPairs, narrator, context }: PairingOptions,
): Promise<Pick<CompareResult, 'pairs' | 'changes' | 'canary' | 'faults'>> {
  const { ratePerS } = load;
  let answersPerS = Number.POSITIVE_INFINITY;
  for (const side of [a, b]) {
    const warm = await side.measure({ durationS: Math.max(load.warmupS, 0.5), ratePerS });
    answersPerS = Math.min(answersPerS, warm.ratePerS);
  }
  // With fewer answers a block's mean would be mostly chance, and its P99 could not be judged.
  const neededS = answersPerS > 0 ? (margin * fewestSamplesForP99) / answersPerS : blockS;
  const durationS = Math.min(Math.max(blockS, neededS), Math.max(longestBlockS, blockS));
  const measure = async (side: Side): Promise<RunMeasurement> => {
    context.interrupted.throwIfAborted();
    await side.measure({ durationS: settleS, ratePerS });
    return side.measure({ durationS, ratePerS });
  };
  const pairs: Pair[] = [];
  for (
    let look = findNextLook(0);
    look !== undefined && look <= mostPairs;
    look = findNextLook(pairs.length)
  ) {
    while (pairs.length < look) {
      const [a1, b1, b2, a2] = [await measure(a), await measure(b), await measure(b), await measure(a)];
      pairs.push({ order: 'AB', a: a1, b: b1 }, { order: 'BA', a: a2, b: b2 });
      narrator.say(`${pairs.length} pairs: ${pairs.slice(-2).map(describePair(load)).join(', ')}`);
      const faults = judgePairs(pairs, load);
      if (faults.some(({ weight }) => weight === 'invalid'))
        return { pairs, changes: readChanges(pairs, load), canary: null, faults };
    }
    const [change] = readChanges(pairs, load);
    if (change !== undefined && change.verdict !== "can't tell") break;
  }
  const canary = readCanary(pairs, load);
  const faults = judgePairs(pairs, load);
  if (canary !== null && (canary.verdict === 'slower' || canary.verdict === 'faster')) {
    faults.push({
      kind: 'canary',
      sentence: 'A side measured against itself looked changed: the machine drifts, so no verdict is safe.',
      weight: 'doubt',
    });
  }
  return { pairs, changes: readChanges(pairs, load), canary, faults };
}

/** Time of one request: of throughput its inverse, so that above 1 is always slower. */
function readTime(run: RunMeasurement, load: LoadShape): number {
  return load.loop === 'closed' ? 1 / run.ratePerS : run.response.meanUs;
}

function describePair(load: LoadShape) {
  return ({ order, a, b }: Pair) => `${order} ${formatChange(readTime(b, load) / readTime(a, load) - 1)}`;
}

/**
 * The first decides; CPU and tail tell where it comes from. None when a side was never answered rightly: pairs without
 * an answer have no ratio, and the faults say so.
 */
function readChanges(pairs: readonly Pair[], load: LoadShape): Change[] {
  const readPairs = (read: (run: RunMeasurement) => number) =>
    pairs.map(({ a, b }) => ({ a: read(a), b: read(b) }));
  const timed = readPairs((run) => readTime(run, load)).filter(isMeasured);
  if (timed.length === 0) return [];
  const changes = [decide(timed, { measure: load.loop === 'closed' ? 'throughput' : 'mean' })];
  const cpu = readPairs((run) => run.cpuUsPerRequest ?? 0);
  if (cpu.every(isMeasured)) changes.push(decide(cpu, { measure: 'cpu' }));
  // How long an answer takes when as many as possible are asked for is nobody's latency.
  if (load.loop === 'closed') return changes;
  const tail = readPairs(readTail);
  if (tail.every(isMeasured)) changes.push(decide(tail, { measure: 'p99' }));
  return changes;
}

/** 0 where there are too few answers to judge it. */
function readTail({ ok, response }: RunMeasurement): number {
  return ok < fewestSamplesForP99 ? 0 : decodeHistogram(response).percentileUs(0.99);
}

function isMeasured({ a, b }: MeasuredPair): boolean {
  return a > 0 && b > 0 && Number.isFinite(a) && Number.isFinite(b);
}

/** The two A blocks of each ABBA, and the two B blocks the other way around: of one server each, so nothing may show. */
function readCanary(pairs: readonly Pair[], load: LoadShape): Change | null {
  const twins: MeasuredPair[] = [];
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    const [first, second] = [pairs[index], pairs[index + 1]];
    if (first === undefined || second === undefined) continue;
    twins.push({ a: readTime(first.a, load), b: readTime(second.a, load) });
    twins.push({ a: readTime(second.b, load), b: readTime(first.b, load) });
  }
  return twins.length < 10 || !twins.every(isMeasured)
    ? null
    : decide(twins, { measure: 'A against itself', confidence: canaryConfidence });
}

function judgePairs(pairs: readonly Pair[], load: LoadShape): Fault[] {
  const faults = pairs
    .flatMap(({ a, b }) => [a, b])
    .flatMap((run) => judgeRun(run, load, mostErrors))
    // Pairs are there to make up for short blocks.
    .filter(({ kind }) => kind !== 'samples');
  return faults.filter(
    (fault, index) =>
      faults.findIndex(({ kind, weight }) => kind === fault.kind && weight === fault.weight) === index,
  );
}

function statusOf({ changes, faults }: CompareResult): ExitStatus {
  if (faults.some(({ weight }) => weight === 'invalid')) return exitStatus.notDelivered;
  if (faults.some(({ kind }) => kind === 'canary')) return exitStatus.unstable;
  const verdict = changes[0]?.verdict;
  if (verdict === 'slower') return exitStatus.regression;
  return verdict === undefined || verdict === "can't tell" ? exitStatus.unstable : exitStatus.ok;
}
