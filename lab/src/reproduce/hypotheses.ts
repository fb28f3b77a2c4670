/**
 * The study's hypotheses, held against what was measured. A verdict is computed from the figures by the rule that stands
 * beside it; what is missing or too uncertain is "cannot tell".
 */
import { formatShare } from '../report/format-figures.ts';
import type { Figures } from './figures.ts';
import type { Finding } from './finding.ts';
import { judgeBlocking, judgeLanes, judgeSigning } from './judge-passwords.ts';
import { judgeLog, judgeSerialisation, judgeStatements, judgeVerifying, nothing } from './judge-requests.ts';

export function judgeHypotheses(figures: Figures): Finding[] {
  return [
    {
      number: 1,
      title: 'A password hash on the event loop blocks it',
      study:
        'Stalls of about 150 ms a sign-up and 350 to 400 ms a sign-in. Moved to threads, the mean stayed as it was (663 and 657 ms) and the loop was free.',
      rule: 'The baseline has stalls of 20 ms and more in a hash; and without it on the loop less than half of the time is spent in stalls, and a ping beside sign-ups waits less than half as long at P99 (whole interval; of 1,500 pings or more). In part when only the first is true.',
      ...judgeBlocking(figures),
    },
    {
      number: 2,
      title: 'RSA-2048 signatures dominate sign-in',
      study: 'About 66 % of the CPU of a sign-in went to two signatures, 10 to 12 % to the password.',
      rule: 'In the profile of the baseline signing takes more CPU than the password, by more than so many samples vary; in part when it takes 10 % or more.',
      ...judgeSigning(figures),
    },
    {
      number: 3,
      title: 'Ed25519 verifies slower than RSA-2048, and keeping verified tokens removes that',
      study:
        'Verifying went from 10 to 12 % of the CPU of /me to 20 to 22 %, and to none with verified tokens kept; the endpoint ended 33 to 35 % below its first CPU. An earlier report of it credits Ed25519 with 47 % more answers a second on /me (1,613 and 2,384), which had come together with a cache in the process.',
      rule: 'Alone, verifying takes over 1.1 times as long as RSA; and keeping tokens lowers the CPU of a request, by more than half of what verifying takes alone (whole interval), and leaves it under 1 % of the profile. In part when only one is true.',
      ...judgeVerifying(figures),
    },
    {
      number: 4,
      title: 'The generic first pass dominates serialisation',
      study:
        'With a walk over all values before the JSON writer a list of 50 broke down at 600/s (about 150/s was its limit); written from its schema it took 12 % of a core.',
      rule: 'The first pass takes more than half of both (45 to 55 % is too near), and compiled JSON lowers the CPU of a request (whole interval); in part when only one is true.',
      ...judgeSerialisation(figures),
    },
    {
      number: 5,
      title: 'A request log costs the same for every request, and much of a cheap one',
      study:
        '58 to 64 % more CPU on a ping at 1,000/s; the same absolute cost expected everywhere, so under 1 % of a slow request.',
      rule: 'The log costs CPU on /ping (whole interval), and on /me between half and twice as much (whole interval); in part when only the first is true.',
      ...judgeLog(figures),
    },
    {
      number: 6,
      title: 'Under load one Argon2 lane is better than four',
      study:
        'Four lanes start four threads a hash; one lane was chosen to spare the machine the switching between them. The study did not measure it.',
      rule: 'At the limit four lanes give fewer sign-ins a second, or take more CPU each (whole interval, and not within 5 %). It does not hold when they give more, or when both are the same (whole interval within 5 %; of the CPU alone where no core has room, since that is then the limit).',
      ...judgeLanes(figures),
    },
    {
      number: 7,
      title: 'Pipelining and parallel input and output do not help',
      study:
        'Of an event service, also FastAPI: two look-ups in Redis in one pipeline gave 219 instead of 288 requests a second, a commit and a queue awaited at once 487 instead of 368 ms. Here the two statements of /me stand for them.',
      rule: `Neither way gives over ${formatShare(nothing)} more answers a second at the limit (whole interval below); it does not hold when one does (whole interval above).`,
      ...judgeStatements(figures),
    },
  ];
}
