/** The hypotheses about sign-up and sign-in: the hash on the loop, the signatures, the lanes. */
import { pieceNames } from '../../experiments/auth/piece-names.ts';
import { parseCores } from '../load/pinning.ts';
import { formatCount, formatShare, formatShort, formatUs } from '../report/format-figures.ts';
import { findIdleShare } from '../stats/busy-cores.ts';
import type { MeanInterval } from '../stats/mean-interval.ts';
import { fewestSamplesForP99 } from '../stats/stability.ts';
import { cpuOf, type Figures, longestStallMs, rateOf, shareOfFunction, tailOfStep } from './figures.ts';
import {
  both,
  type Clause,
  describeRatio,
  isAbove,
  isBelow,
  isLevel,
  type Judged,
  unknown,
  type VerdictWord,
} from './finding.ts';

const leastStallMs = 20;

export function judgeBlocking(figures: Figures): Judged {
  const [before, after] = [figures.profile('signup', 'step-0'), figures.profile('signup', 'step-1')];
  const pingBefore = figures.stepLatency('bystander', 'step-0', 'ping');
  const pingAfter = figures.stepLatency('bystander', 'step-1', 'ping');
  if (before === undefined || after === undefined || pingBefore === undefined || pingAfter === undefined)
    return unknown('Sign-up was not profiled, or no ping measured beside it.');
  const means = [figures.cell('signup', 'step-0'), figures.cell('signup', 'step-1')].map(
    (cell) => cell?.measures.mean ?? null,
  );
  const tail = figures.ratio('bystander', 'step-0', 'step-1', tailOfStep('ping'));
  const hasTails = Math.min(pingBefore.count, pingAfter.count) >= fewestSamplesForP99;
  // A stall of anything else proves nothing about the hash.
  const ofHash = longestStallMs(before, 'hashOnLoop');
  const blocks: Clause = ofHash >= leastStallMs ? 'yes' : before.answered === 0 ? 'unknown' : 'no';
  const isLoopFree: Clause =
    after.answered === 0 ? 'unknown' : after.blockedShare < before.blockedShare / 2 ? 'yes' : 'no';
  const isFree = both(isLoopFree, hasTails ? isBelow(tail, 0.5) : 'unknown');
  const verdict: VerdictWord =
    blocks === 'no'
      ? 'does not hold'
      : blocks === 'unknown' || isFree === 'unknown'
        ? 'cannot tell'
        : isFree === 'yes'
          ? 'holds'
          : 'holds in part';
  return {
    measured: [
      `The loop stood still for ${formatShare(before.blockedShare)} of the time (at most ${ofHash.toFixed(0)} ms in a hash) with the hash on it, for ${formatShare(after.blockedShare)} (at most ${longestStallMs(after).toFixed(0)} ms) without.`,
      `P99 of a ping beside sign-ups: ${formatUs(pingBefore.p99Us)}, then ${formatUs(pingAfter.p99Us)}, of ${formatCount(pingBefore.count)} and ${formatCount(pingAfter.count)} pings.`,
      ...describeRatio('The same within a round', tail),
      `Mean of a sign-up: ${formatUs(means[0])}, then ${formatUs(means[1])}.`,
    ],
    verdict,
    why:
      verdict === 'does not hold'
        ? `No hash kept the loop for ${leastStallMs} ms in ${before.answered} sign-ups.`
        : verdict === 'holds in part'
          ? 'The loop is not free enough without the hash on it: where both have one core, the hash still takes it from the loop. Threads free a loop, not a machine.'
          : null,
  };
}

/** A profile has a sample a millisecond; shares that are nearer than what so many can tell are not told apart. */
function errorOfShares(first: number, second: number, cpuS: number): number {
  return 2 * Math.sqrt((first + second) / Math.max(1, cpuS * 1000));
}

export function judgeSigning(figures: Figures): Judged {
  const profile = figures.profile('signin', 'step-0');
  if (profile === undefined) return unknown('Sign-in was not profiled.');
  const signing = shareOfFunction(profile, 'signToken');
  const hashing = shareOfFunction(profile, 'hashOnLoop');
  const change = figures.ratio('signin', 'step-1', 'step-2', cpuOf);
  const measured = [
    `${formatShare(signing)} of the CPU of a sign-in went to two RSA signatures, ${formatShare(hashing)} to the password.`,
    ...describeRatio('CPU of a sign-in with Ed25519 instead of RSA', change),
  ];
  if (hashing === 0) return { ...unknown('The profile shows no password hash.'), measured };
  if (Math.abs(signing - hashing) < errorOfShares(signing, hashing, profile.table.cpuS))
    return { measured, verdict: 'cannot tell', why: null };
  const verdict = signing > hashing ? 'holds' : signing >= 0.1 ? 'holds in part' : 'does not hold';
  return { measured, verdict, why: verdict === 'holds' ? null : explainSigning(figures) };
}

/**
 * PyJWT that is handed its key as text reads the key anew for each token, and reading it tests its primes:
 * https://github.com/jpadilla/pyjwt/issues/733, and why that is slow https://github.com/pyca/cryptography/issues/7236.
 */
function explainSigning({ piece }: Figures): string {
  const sign = piece(pieceNames.rsaSign)?.medianUs;
  const pem = piece(pieceNames.rsaSignPem)?.medianUs;
  const hash = piece(pieceNames.hashOneLane)?.medianUs;
  if (sign === undefined || pem === undefined || hash === undefined) return 'The pieces were not measured.';
  return `A signature takes ${formatUs(sign)} here and the hash ${formatUs(hash)}, ${formatShort(hash / sign)} times as much. The study spent some 125 ms on each token, and its profile has them in preparing the private key: PyJWT, given the key as text, reads it for every token, and its library tests the primes of an RSA key each time it reads one: by itself, on the machine that docs/benchmarks was measured on, 42 ms a token against 0.40 with the key read once (lab/experiments/auth/pyjwt-key.py). So what dominated there was not the signature but reading the key. Node reads a key without that test (read for each signature: ${formatUs(pem)} here), and this service reads it once.`;
}

export function judgeLanes(figures: Figures): Judged {
  const rate = figures.ratio('lanes', 'lanes-1', 'lanes-4', rateOf);
  const cpu = figures.ratio('lanes', 'lanes-1', 'lanes-4', cpuOf);
  const switches = ['lanes-1', 'lanes-4'].map((variant) => {
    const lane = figures.cell('lanes', variant)?.runs.flatMap(({ lanes = [] }) => lanes);
    return lane === undefined || lane.length === 0
      ? '-'
      : formatShort(
          lane.reduce((sum, { involuntarySwitchesPerS }) => sum + involuntarySwitchesPerS, 0) / lane.length,
        );
  });
  if (rate === undefined || cpu === undefined)
    return unknown('Sign-in was not measured with one lane and four in two rounds that were both answered.');
  const one = figures.piece(pieceNames.hashOneLane)?.medianUs;
  const four = figures.piece(pieceNames.hashFourLanes)?.medianUs;
  const beyond = (clause: Clause, ratio: MeanInterval) => clause === 'yes' && !isLevel(ratio);
  const isBetter = beyond(isAbove(rate, 1), rate);
  const isWorse = beyond(isBelow(rate, 1), rate) || beyond(isAbove(cpu, 1), cpu);
  // Where no core has room, what a sign-in takes of it is how many there can be.
  const isSame = isLevel(cpu) && (isLevel(rate) || isSaturated(figures, ['lanes-1', 'lanes-4']));
  return {
    measured: [
      ...describeRatio('Sign-ins a second with four lanes', rate),
      ...describeRatio('CPU of a sign-in with four lanes', cpu),
      `Switches that took the core away from a thread: ${switches[0]} a second with one lane, ${switches[1]} with four, where those of threads that begin and end with a hash are hardly seen.`,
      `One hash by itself, with all cores free: ${formatUs(one)} with one lane, ${formatUs(four)} with four.`,
    ],
    verdict: isBetter ? 'does not hold' : isWorse ? 'holds' : isSame ? 'does not hold' : 'cannot tell',
    why: isBetter ? explainMoreLanes(figures) : !isWorse && isSame ? sameWork : null,
  };
}

function isSaturated({ head, cell }: Figures, variants: readonly string[]): boolean {
  const cores = parseCores(head.serverCores ?? '');
  return (
    cores.length > 0 &&
    variants.every((variant) => {
      const lanes = cell('lanes', variant)?.runs.flatMap(({ lanes: readings = [] }) => readings) ?? [];
      return lanes.length > 0 && findIdleShare(lanes, cores) === undefined;
    })
  );
}

const sameWork =
  'Four lanes make four threads of one hash, but the work is the same, and on a busy core switching between few threads costs next to nothing beside it.';

function explainMoreLanes({ head, cell }: Figures): string {
  const cores = parseCores(head.serverCores ?? '').length;
  const busy = cell('lanes', 'lanes-1')?.serviceCpu;
  return cores > 1
    ? `The service has ${cores} cores here, which four lanes of a hash use at once${busy === null || busy === undefined ? '' : `; with one lane they took ${formatShort(busy)} of them`}.`
    : 'The service has one core here, so no lane ran beside another: that four were ahead is nothing the lanes explain.';
}
