/** The hypotheses about requests that hash nothing: verifying, JSON, the log, statements at once. */
import { pieceNames } from '../../experiments/auth/piece-names.ts';
import { formatShare, formatShort, formatUs } from '../report/format-figures.ts';
import type { MeanInterval } from '../stats/mean-interval.ts';
import { cpuOf, type Figures, rateOf, shareOfFunction, shareSeen } from './figures.ts';
import {
  both,
  type Clause,
  describeRatio,
  isAbove,
  isBelow,
  isLess,
  type Judged,
  unknown,
  type VerdictWord,
  weigh,
} from './finding.ts';
import type { ProfileLine } from './state.ts';

/** A gain that is less than this is none. */
export const nothing = 0.03;

/** Samples of a profile that saw less than this of the CPU prove the absence of nothing. */
const leastSeen = 0.5;

export function judgeVerifying(figures: Figures): Judged {
  const rsa = figures.piece(pieceNames.rsaVerify)?.medianUs;
  const ed25519 = figures.piece(pieceNames.ed25519Verify)?.medianUs;
  const cached = figures.profile('me', 'step-5');
  const change = figures.ratio('me', 'step-4', 'step-5', cpuOf);
  const saved = figures.difference('me', 'step-5', 'step-4', cpuOf);
  if (rsa === undefined || ed25519 === undefined || cached === undefined || change === undefined)
    return unknown('The pieces or the profile of /me with tokens kept are missing.');
  const slower: Clause = ed25519 / rsa > 1.1 ? 'yes' : 'no';
  const left = shareOfFunction(cached, 'verifyToken');
  const gone: Clause = left >= 0.01 ? 'no' : 'yes';
  const removed = both(gone, both(isLess(change), isAbove(saved, ed25519 / 2)));
  const shareAt = (variant: string, us: number) => {
    const cell = figures.cell('me', variant);
    return cell?.cpuUs === undefined ? '-' : formatShare(us / cell.cpuUs.mean);
  };
  return {
    measured: [
      `Verifying alone: RSA ${formatUs(rsa)}, Ed25519 ${formatUs(ed25519)} (${formatShort(ed25519 / rsa)} times).`,
      `Of the CPU of /me that is ${shareAt('step-0', rsa)} in the baseline and ${shareAt('step-4', ed25519)} with Ed25519 and users kept.`,
      describeSamples(figures, [
        ['step-0', 'in the baseline'],
        ['step-4', 'with Ed25519 and users kept'],
        ['step-5', 'with tokens kept'],
      ]),
      ...describeRatio('CPU of /me with tokens kept', change),
      ...(saved === undefined ? [] : [`Keeping tokens saves ${writeInterval(saved)} of CPU a request.`]),
      ...describeSigningAlone(figures),
    ],
    verdict: weigh(slower, removed),
    why: explainVerifying(slower, removed),
  };
}

/** Of the claim that the signature made /me faster; what a quick plan leaves out before it is nothing that /me uses. */
function describeSigningAlone(figures: Figures): string[] {
  const before = ['step-1', 'step-0'].find((variant) => figures.cell('me-max', variant) !== undefined);
  const alone = before === undefined ? undefined : figures.ratio('me-max', before, 'step-2', rateOf);
  return [
    ...describeRatio(
      'Answers a second of /me to the limit with Ed25519 instead of RSA, nothing else that it uses changed',
      alone,
    ),
    ...(isBelow(alone, 1) === 'yes'
      ? ['So the gain that the earlier report of the study gives Ed25519 was that of its cache.']
      : []),
  ];
}

function explainVerifying(slower: Clause, removed: Clause): string | null {
  if (slower === 'no') return 'This OpenSSL verifies Ed25519 as fast as RSA on this processor.';
  return removed === 'no'
    ? 'Keeping tokens saved less than half of what a verification takes alone, or verifying went on.'
    : null;
}

/** In a profile short work is easily missed, so how much of the CPU the samples saw stands beside it. */
function describeSamples(figures: Figures, variants: readonly [string, string][]): string {
  const parts = variants.flatMap(([variant, words]) => {
    const profile = figures.profile('me', variant);
    return profile === undefined
      ? []
      : [`${formatShare(shareOfFunction(profile, 'verifyToken'))} ${words}${describeSeen(profile)}`];
  });
  return `In the profiles: ${parts.join(', ')}.`;
}

function describeSeen(profile: ProfileLine): string {
  const seen = shareSeen(profile);
  return seen >= leastSeen ? '' : ` (the samples saw only ${formatShare(seen)} of the CPU)`;
}

export function judgeSerialisation(figures: Figures): Judged {
  const walk = figures.piece(pieceNames.listWalk)?.medianUs;
  const write = figures.piece(pieceNames.listStringify)?.medianUs;
  const compiled = figures.piece(pieceNames.listCompiled)?.medianUs;
  const change = figures.ratio('list', 'step-5', 'step-6', cpuOf);
  if (walk === undefined || write === undefined || compiled === undefined || change === undefined)
    return unknown('The pieces or the list were not measured.');
  const profile = figures.profile('list', 'step-5');
  const cpuUs = figures.cell('list', 'step-5')?.cpuUs?.mean;
  const share = walk / (walk + write);
  const dominates: Clause = share > 0.55 ? 'yes' : share < 0.45 ? 'no' : 'unknown';
  const helps = isLess(change);
  return {
    measured: [
      `Alone, the first pass over 50 exercises takes ${formatUs(walk)} and the second ${formatUs(write)}; compiled code takes ${formatUs(compiled)} for both.`,
      ...(cpuUs === undefined
        ? []
        : [
            `Of the CPU of the list, ${formatUs(cpuUs)} a request, that is ${formatShare(walk / cpuUs)} and ${formatShare(write / cpuUs)}.`,
          ]),
      ...(profile === undefined
        ? []
        : [
            `In the profile: ${formatShare(shareOfFunction(profile, 'walkToPlain'))} and ${formatShare(shareOfFunction(profile, 'writeJson'))}${describeSeen(profile)}.`,
          ]),
      ...describeRatio('CPU of the list with compiled JSON', change),
    ],
    verdict: weigh(dominates, helps),
    why:
      dominates === 'no'
        ? 'The second pass takes longer here: V8 walks a tree of objects in compiled code, where the study had an interpreter.'
        : helps === 'no'
          ? 'Compiled code is no faster than both passes: V8 writes plain objects in native code, and compiled JavaScript has to beat that.'
          : null,
  };
}

export function judgeLog(figures: Figures): Judged {
  const ping = figures.difference('ping', 'quiet', 'logged', cpuOf);
  const me = figures.difference('me', 'step-6', 'me-logged', cpuOf);
  const share = figures.ratio('ping', 'quiet', 'logged', cpuOf);
  const ours = figures.ratio('ping', 'own-quiet', 'own', cpuOf);
  if (ping === undefined) return unknown('Ping was not measured with and without the log.');
  const slow = figures.cell('signin', 'step-0')?.cpuUs?.mean;
  const costs: Clause = ping.low > 0 ? 'yes' : ping.high < 0 ? 'no' : 'unknown';
  const isFixed: Clause =
    me === undefined ? 'unknown' : both(isAbove(me, ping.mean / 2), isBelow(me, ping.mean * 2));
  const verdict: VerdictWord =
    costs === 'unknown' ? 'cannot tell' : costs === 'no' ? 'does not hold' : weigh(costs, isFixed);
  return {
    measured: [
      `The log of a request costs ${writeInterval(ping)} of CPU on /ping${me === undefined ? '' : ` and ${writeInterval(me)} on /me`}.`,
      ...(slow === undefined
        ? []
        : [
            `Of a sign-in, ${formatUs(slow)} of CPU, the log of a ping would be ${formatShare(ping.mean / slow)}.`,
          ]),
      ...describeRatio('CPU of a ping with the log', share),
      ...describeRatio('The same of our own server', ours),
    ],
    verdict,
    why:
      verdict === 'does not hold'
        ? 'Writing a line costs nothing that this run can see beside what else varies.'
        : verdict === 'holds in part'
          ? 'On /me the log costs less than half or more than twice as much: what is written there, or when, differs.'
          : null,
  };
}

function writeInterval({ mean, low, high }: MeanInterval): string {
  return `${formatShort(mean)} \u00b5s (${formatShort(low)} to ${formatShort(high)})`;
}

export function judgeStatements(figures: Figures): Judged {
  const ways = [
    { name: 'Pipelined on one connection', variant: 'pipelined' },
    { name: 'Parallel on two connections', variant: 'parallel' },
  ].map((way) => ({ ...way, ratio: figures.ratio('statements', 'one-by-one', way.variant, rateOf) }));
  const ratios = ways.flatMap(({ ratio }) => ratio ?? []);
  if (ratios.length < ways.length)
    return unknown('The three ways were not all measured in two rounds that were answered.');
  const helps = ratios.map((ratio) => isAbove(ratio, 1 + nothing));
  const narrow = figures.ratio('me-max', 'step-2', 'step-3', rateOf);
  return {
    measured: [
      ...ways.flatMap(({ name, ratio }) => describeRatio(`${name}, answers a second`, ratio)),
      ...describeRatio('For comparison, one narrow statement instead of two (step 3)', narrow),
      'Besides sending at once, both ways read the role by a join, since its number is not known yet; and the pipelined one has one connection for all requests, where the others have a pool of ten.',
    ],
    verdict: helps.includes('yes')
      ? 'does not hold'
      : helps.every((clause) => clause === 'no')
        ? 'holds'
        : 'cannot tell',
    why: helps.includes('yes')
      ? 'The study names the overhead of the pipeline and of its event loop as the reasons. Here one wait for PostgreSQL and one turn of the loop are saved, and that is more than sending both at once costs.'
      : null,
  };
}
