/**
 * The study's hypotheses, held against what was measured. A verdict is computed from the figures by the rule that stands
 * beside it; what is missing or too uncertain is "cannot tell".
 */
import { pieceNames } from '../../experiments/auth/piece-names.ts';
import { formatShare, formatShort, formatUs } from '../report/format-figures.ts';
import type { MeanInterval } from '../stats/mean-interval.ts';
import { cpuOf, type Figures, longestStallMs, rateOf, shareOfFunction } from './figures.ts';

export const verdictWords = ['holds', 'holds in part', 'does not hold', 'cannot tell'] as const;
export type VerdictWord = (typeof verdictWords)[number];

export interface Finding {
  number: number;
  title: string;
  /** What the study says, with its figures. */
  study: string;
  /** When it holds here. */
  rule: string;
  measured: readonly string[];
  verdict: VerdictWord;
  /** Where it differs from the study: why, from this run's figures. */
  why: string | null;
}

type Judged = Pick<Finding, 'measured' | 'verdict' | 'why'>;

const unknown = (what: string): Judged => ({ measured: [what], verdict: 'cannot tell', why: null });

/** A gain that is less than this is none. */
const nothing = 0.03;
/** Two ways whose ratio lies within this either way are the same. */
const levelWithin = 0.05;

function isLevel({ low, high }: MeanInterval): boolean {
  return low > 1 - levelWithin && high < 1 + levelWithin;
}

export function judgeHypotheses(figures: Figures): Finding[] {
  return [
    {
      number: 1,
      title: 'A password hash on the event loop blocks it',
      study:
        'Stalls of about 150 ms a sign-up and 350 to 400 ms a sign-in. Moved to threads, the mean stayed as it was (663 and 657 ms) and the loop was free.',
      rule: 'Baseline has stalls of 20 ms and more, and without the hash on the loop less than half of the time is spent in them, and a ping beside sign-ups waits less than half as long at P99.',
      ...judgeBlocking(figures),
    },
    {
      number: 2,
      title: 'RSA-2048 signatures dominate sign-in',
      study: 'About 66 % of the CPU of a sign-in went to two signatures, 10 to 12 % to the password.',
      rule: 'In the profile of the baseline signing takes more CPU than the password; in part when it takes 10 % or more.',
      ...judgeSigning(figures),
    },
    {
      number: 3,
      title: 'Ed25519 verifies slower than RSA-2048, and keeping verified tokens removes that',
      study:
        'Verifying went from 10 to 12 % of the CPU of /me to 20 to 22 %, and to none with verified tokens kept; the endpoint ended 33 to 35 % below its first CPU.',
      rule: 'Alone, verifying takes over 1.1 times as long as RSA; and keeping tokens leaves it less than 1 % of the CPU of /me and lowers the CPU of a request (whole interval).',
      ...judgeVerifying(figures),
    },
    {
      number: 4,
      title: 'The generic first pass dominates serialisation',
      study:
        'With a walk over all values before the JSON writer a list of 50 broke down at 600/s (about 150/s was its limit); written from its schema it took 12 % of a core.',
      rule: 'The first pass takes more than half of both, and compiled JSON lowers the CPU of a request (whole interval); in part when only one is true.',
      ...judgeSerialisation(figures),
    },
    {
      number: 5,
      title: 'A request log costs the same for every request, and much of a cheap one',
      study:
        '58 to 64 % more CPU on a ping at 1,000/s; the same absolute cost expected everywhere, so under 1 % of a slow request.',
      rule: 'The log costs CPU on /ping (whole interval), and on /me between half and twice as much; in part when only the first is true.',
      ...judgeLog(figures),
    },
    {
      number: 6,
      title: 'Under load one Argon2 lane is better than four',
      study:
        'Four lanes start four threads a hash; one lane was chosen to spare the machine the switching between them.',
      rule: 'At the limit four lanes give fewer sign-ins a second, or take more CPU each (whole interval); it does not hold when they give more, or both are the same (whole interval within 5 %).',
      ...judgeLanes(figures),
    },
    {
      number: 7,
      title: 'Pipelining and parallel input and output do not help',
      study: 'Sending the reads of one request at once, over one connection or several, brought nothing.',
      rule: `Neither way gives over ${formatShare(nothing)} more answers a second at the limit (whole interval below); it does not hold when one does (whole interval above).`,
      ...judgeStatements(figures),
    },
  ];
}

function judgeBlocking(figures: Figures): Judged {
  const [before, after] = [figures.profile('signup', 'step-0'), figures.profile('signup', 'step-1')];
  const pingBefore = figures.stepLatency('bystander', 'step-0', 'ping');
  const pingAfter = figures.stepLatency('bystander', 'step-1', 'ping');
  if (before === undefined || after === undefined || pingBefore === undefined || pingAfter === undefined)
    return unknown('Sign-up was not profiled, or no ping measured beside it.');
  const means = [figures.cell('signup', 'step-0'), figures.cell('signup', 'step-1')].map(
    (cell) => cell?.measures.mean ?? null,
  );
  const blocks = longestStallMs(before) >= 20;
  const isFree = after.blockedShare < before.blockedShare / 2 && pingAfter.p99Us < pingBefore.p99Us / 2;
  return {
    measured: [
      `The loop stood still for ${formatShare(before.blockedShare)} of the time (at most ${longestStallMs(before).toFixed(0)} ms) with the hash on it, for ${formatShare(after.blockedShare)} (at most ${longestStallMs(after).toFixed(0)} ms) without.`,
      `P99 of a ping beside sign-ups: ${formatUs(pingBefore.p99Us)}, then ${formatUs(pingAfter.p99Us)}.`,
      `Mean of a sign-up: ${formatUs(means[0])}, then ${formatUs(means[1])}.`,
    ],
    verdict: blocks && isFree ? 'holds' : blocks ? 'holds in part' : 'does not hold',
    why: !blocks
      ? 'No stall reached 20 ms: a hash takes less than that here, or no sign-up fell into the profile.'
      : isFree
        ? null
        : 'The hash still takes the core from the loop when both have only one: threads free a loop, not a machine.',
  };
}

function judgeSigning(figures: Figures): Judged {
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
  const verdict = signing > hashing ? 'holds' : signing >= 0.1 ? 'holds in part' : 'does not hold';
  return { measured, verdict, why: verdict === 'holds' ? null : explainSigning(figures) };
}

function explainSigning({ piece }: Figures): string {
  const sign = piece(pieceNames.rsaSign)?.medianUs;
  const pem = piece(pieceNames.rsaSignPem)?.medianUs;
  const hash = piece(pieceNames.hashOneLane)?.medianUs;
  if (sign === undefined || pem === undefined || hash === undefined) return 'The pieces were not measured.';
  return `A signature takes ${formatUs(sign)} here and the hash ${formatUs(hash)}, ${formatShort(hash / sign)} times as much. The study spent some 125 ms on each token, and its profile shows the private key being prepared anew for every one, on a slower processor; Node reads the key once (reading it for each signature takes ${formatUs(pem)} here).`;
}

function judgeVerifying(figures: Figures): Judged {
  const rsa = figures.piece(pieceNames.rsaVerify)?.medianUs;
  const ed25519 = figures.piece(pieceNames.ed25519Verify)?.medianUs;
  const [atRsa, atEd25519, cached] = ['step-0', 'step-4', 'step-5'].map((step) =>
    figures.profile('me', step),
  );
  const change = figures.ratio('me', 'step-4', 'step-5', cpuOf);
  if (rsa === undefined || ed25519 === undefined || cached === undefined || change === undefined)
    return unknown('The pieces or the profile of /me with tokens kept are missing.');
  const slower = ed25519 / rsa > 1.1;
  const left = shareOfFunction(cached, 'verifyToken');
  const removed = left < 0.01 && change.high < 1;
  const share = (profile: typeof cached | undefined) =>
    profile === undefined ? '-' : formatShare(shareOfFunction(profile, 'verifyToken'));
  return {
    measured: [
      `Verifying alone: RSA ${formatUs(rsa)}, Ed25519 ${formatUs(ed25519)} (${formatShort(ed25519 / rsa)} times).`,
      `Its share of the CPU of /me: ${share(atRsa)} in the baseline, ${share(atEd25519)} with Ed25519 and users kept, ${share(cached)} with tokens kept.`,
      ...describeRatio('CPU of /me with tokens kept', change),
    ],
    verdict: slower && removed ? 'holds' : slower || removed ? 'holds in part' : 'does not hold',
    why: slower
      ? removed
        ? null
        : 'Keeping tokens saved less than this run can tell from chance.'
      : 'This OpenSSL verifies Ed25519 as fast as RSA on this processor.',
  };
}

function judgeSerialisation(figures: Figures): Judged {
  const walk = figures.piece(pieceNames.listWalk)?.medianUs;
  const write = figures.piece(pieceNames.listStringify)?.medianUs;
  const compiled = figures.piece(pieceNames.listCompiled)?.medianUs;
  const change = figures.ratio('list', 'step-5', 'step-6', cpuOf);
  if (walk === undefined || write === undefined || compiled === undefined || change === undefined)
    return unknown('The pieces or the list were not measured.');
  const profile = figures.profile('list', 'step-5');
  const dominates = walk / (walk + write) > 0.5;
  const helps = change.high < 1;
  return {
    measured: [
      `Alone, the first pass over 50 exercises takes ${formatUs(walk)} and the second ${formatUs(write)}; compiled code takes ${formatUs(compiled)} for both.`,
      ...(profile === undefined
        ? []
        : [
            `Of the CPU of the list ${formatShare(shareOfFunction(profile, 'walkToPlain'))} went to the first pass, ${formatShare(shareOfFunction(profile, 'writeJson'))} to the second.`,
          ]),
      ...describeRatio('CPU of the list with compiled JSON', change),
    ],
    verdict: dominates && helps ? 'holds' : dominates || helps ? 'holds in part' : 'does not hold',
    why:
      dominates && helps
        ? null
        : dominates
          ? 'Compiled code is not faster than both passes by more than this run can tell: V8 writes plain objects in native code, and compiled JavaScript has to beat that.'
          : 'The second pass takes longer here: V8 walks a tree of objects in compiled code, where the study had an interpreter.',
  };
}

function judgeLog(figures: Figures): Judged {
  const ping = figures.difference('ping', 'quiet', 'logged', cpuOf);
  const me = figures.difference('me', 'step-6', 'me-logged', cpuOf);
  const share = figures.ratio('ping', 'quiet', 'logged', cpuOf);
  const ours = figures.ratio('ping', 'own-quiet', 'own', cpuOf);
  if (ping === undefined) return unknown('Ping was not measured with and without the log.');
  const costs = ping.low > 0;
  const isFixed = me !== undefined && me.mean > ping.mean / 2 && me.mean < ping.mean * 2;
  const interval = ({ mean, low, high }: MeanInterval) =>
    `${formatShort(mean)} \u00b5s (${formatShort(low)} to ${formatShort(high)})`;
  return {
    measured: [
      `The log of a request costs ${interval(ping)} of CPU on /ping${me === undefined ? '' : ` and ${interval(me)} on /me`}.`,
      ...describeRatio('CPU of a ping with the log', share),
      ...describeRatio('The same of our own server', ours),
    ],
    verdict: costs ? (isFixed ? 'holds' : 'holds in part') : ping.high < 0 ? 'does not hold' : 'cannot tell',
    why: costs && !isFixed ? 'On /me the cost differs, or is lost in what else varies there.' : null,
  };
}

function judgeLanes(figures: Figures): Judged {
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
  if (rate === undefined)
    return unknown('Sign-in was not measured with one lane and four in two rounds that were both answered.');
  const one = figures.piece(pieceNames.hashOneLane)?.medianUs;
  const four = figures.piece(pieceNames.hashFourLanes)?.medianUs;
  const isWorse = rate.high < 1 || (cpu !== undefined && cpu.low > 1);
  const isSame = isLevel(rate) && cpu !== undefined && isLevel(cpu);
  const verdict = rate.low > 1 || isSame ? 'does not hold' : isWorse ? 'holds' : 'cannot tell';
  const sameWork =
    'Four lanes make four threads of one hash, but the work is the same, and on a busy core switching between few threads costs next to nothing beside it.';
  return {
    measured: [
      ...describeRatio('Sign-ins a second with four lanes', rate),
      ...describeRatio('CPU of a sign-in with four lanes', cpu),
      `Switches that took the core away from a thread: ${switches[0]} a second with one lane, ${switches[1]} with four.`,
      `One hash by itself, with all cores free: ${formatUs(one)} with one lane, ${formatUs(four)} with four.`,
    ],
    verdict,
    why:
      rate.low > 1
        ? 'The service has more cores than hashes at a time here, and four lanes use them.'
        : verdict === 'does not hold'
          ? sameWork
          : null,
  };
}

function judgeStatements(figures: Figures): Judged {
  const ways = [
    { name: 'Pipelined on one connection', variant: 'pipelined' },
    { name: 'Parallel on two connections', variant: 'parallel' },
  ].map((way) => ({ ...way, ratio: figures.ratio('statements', 'one-by-one', way.variant, rateOf) }));
  const ratios = ways.flatMap(({ ratio }) => ratio ?? []);
  if (ratios.length < ways.length)
    return unknown('The three ways were not all measured in two rounds that were answered.');
  const helped = ratios.some(({ low }) => low > 1 + nothing);
  const didNot = ratios.every(({ high }) => high <= 1 + nothing);
  return {
    measured: ways.flatMap(({ name, ratio }) => describeRatio(`${name}, answers a second`, ratio)),
    verdict: helped ? 'does not hold' : didNot ? 'holds' : 'cannot tell',
    why: helped
      ? 'Sending both at once saves the service a turn of its loop and a wait; one narrow statement (step 3) saves more than either.'
      : null,
  };
}

function describeRatio(what: string, ratio: MeanInterval | undefined): string[] {
  if (ratio === undefined) return [];
  const { mean, low, high } = ratio;
  return [`${what}: ${formatShort(mean)} times (95 % interval ${formatShort(low)} to ${formatShort(high)}).`];
}
