/** Sessions on a noisy shared machine, simulated: what the rules of verdict.ts are tried on. */
import type { Verdict } from '../result/result.ts';
import { bootstrapMedian } from './bootstrap.ts';
import { createRandom, drawNormal } from './random.ts';
import { decide, findNextLook, type MeasuredPair } from './verdict.ts';

/**
 * All shares are standard deviations of the logarithm, so 0.1 is about 10 %. A session is one sitting at the machine;
 * it is made of blocks, one measurement of one side each, in the order AB BA AB BA ...
 */
export interface NoiseModel {
  /** Of the whole session: why a baseline of yesterday says little. */
  sessionDrift: number;
  /** Of the slow noise (neighbours, heat), an AR(1) process over the blocks. */
  slowNoise: number;
  /** How much of the slow noise is left in the next block, 0 to 1. */
  slowMemory: number;
  /** Of each block by itself. */
  blockNoise: number;
  /** Share of the blocks hit by a burst, which slows them by 10 to 60 %. */
  burstShare: number;
}

/** As measured on a 2-core shared machine: sessions 10 % apart, 8 % slow noise, 3 % from block to block. */
export const sharedMachine: NoiseModel = {
  sessionDrift: 0.1,
  slowNoise: 0.08,
  slowMemory: 0.8,
  blockNoise: 0.03,
  burstShare: 0,
};

/** The same with one block in 20 hit by a neighbour's burst: the case for the median. */
export const burstyMachine: NoiseModel = { ...sharedMachine, burstShare: 0.05 };

export interface SimulatedSession {
  /** The next pair of measurements, times of one request; without end. */
  nextPair(): MeasuredPair;
}

/**
 * @param change true change of B against A: 0.1 is 10 % slower
 * @param seed one number, one session
 */
export function simulateSession(model: NoiseModel, change: number, seed: number): SimulatedSession {
  const random = createRandom(seed);
  const session = drawNormal(random) * model.sessionDrift;
  let slow = drawNormal(random) * model.slowNoise;
  let pairs = 0;
  const measure = (effect: number): number => {
    // The step that keeps the variance of the slow noise where it is.
    const step = Math.sqrt(1 - model.slowMemory ** 2) * model.slowNoise;
    slow = slow * model.slowMemory + drawNormal(random) * step;
    const burst = random() < model.burstShare ? Math.log(1.1 + random() * 0.5) : 0;
    return Math.exp(session + slow + drawNormal(random) * model.blockNoise + burst) * effect;
  };
  return {
    nextPair() {
      pairs += 1;
      if (pairs % 2 === 1) {
        const a = measure(1);
        return { a, b: measure(1 + change) };
      }
      const b = measure(1 + change);
      return { a: measure(1), b };
    },
  };
}

/** Shares of the sessions, 0 to 1. */
export interface DecisionRates {
  /** "slower" or "faster": false alarms when there is no change. */
  found: number;
  foundAtFirstLook: number;
  /** The wrong one of the two, when there is a change. */
  foundWrongWay: number;
  same: number;
  undecided: number;
  meanPairs: number;
}

type DecideOnce = (pairs: readonly MeasuredPair[], confidence: number) => Verdict;

/** Plays whole sessions, extended by every look while nobody can tell, and counts how they end. */
export function simulateDecisions(options: {
  model: NoiseModel;
  change: number;
  sessions: number;
  confidence?: number;
  seed?: number;
  /** The rule to try; that of verdict.ts unless told. */
  decideOnce?: DecideOnce;
}): DecisionRates {
  const { model, change, sessions, confidence = 0.99, seed = 1, decideOnce = decideByRanks } = options;
  const counts = { found: 0, foundAtFirstLook: 0, foundWrongWay: 0, same: 0, undecided: 0, meanPairs: 0 };
  for (let index = 0; index < sessions; index += 1) {
    const session = simulateSession(model, change, seed + index * 7_919);
    const pairs: MeasuredPair[] = [];
    let verdict: Verdict = "can't tell";
    for (let look = findNextLook(0); look !== undefined; look = findNextLook(look)) {
      while (pairs.length < look) pairs.push(session.nextPair());
      verdict = decideOnce(pairs, confidence);
      if (verdict !== "can't tell") break;
    }
    counts.meanPairs += pairs.length;
    if (verdict === 'same') counts.same += 1;
    else if (verdict === "can't tell") counts.undecided += 1;
    else {
      counts.found += 1;
      if (findNextLook(0) === pairs.length) counts.foundAtFirstLook += 1;
      if (change !== 0 && (verdict === 'slower') !== change > 0) counts.foundWrongWay += 1;
    }
  }
  return {
    found: counts.found / sessions,
    foundAtFirstLook: counts.foundAtFirstLook / sessions,
    foundWrongWay: counts.foundWrongWay / sessions,
    same: counts.same / sessions,
    undecided: counts.undecided / sessions,
    meanPairs: counts.meanPairs / sessions,
  };
}

const decideByRanks: DecideOnce = (pairs, confidence) =>
  decide(pairs, { measure: 'simulated', confidence }).verdict;

/** The rule that was tried first and lost: the bootstrap interval at full confidence at every look. */
export const decidePlainly: DecideOnce = (pairs, confidence) => {
  const ratios = pairs.map(({ a, b }) => Math.log(b / a));
  const { low, high } = bootstrapMedian(ratios, confidence, { resamples: 2_000, seed: pairs.length });
  const band = Math.log1p(0.03);
  if (low > -band && high < band) return 'same';
  if (low > 0) return 'slower';
  return high < 0 ? 'faster' : "can't tell";
};
