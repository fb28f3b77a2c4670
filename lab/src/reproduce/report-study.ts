/** The part of the report that puts the study's before and after beside ours, and says why they differ. */
import { pieceNames } from '../../experiments/auth/piece-names.ts';
import { formatChange, formatUs } from '../report/format-figures.ts';
import type { MeanInterval } from '../stats/mean-interval.ts';
import { cpuOf, type Figures, meanTimeOf } from './figures.ts';
import type { Part } from './report-part.ts';

interface Row {
  title: string;
  group: string;
  /** From the study's final scorecard: baseline to final. */
  mean: number;
  cpu: number;
  /** Said beside it, from this run's figures. */
  why(figures: Figures): string;
}

const rows: readonly Row[] = [
  {
    title: 'Sign-up, 5/s',
    group: 'signup',
    mean: -0.0926,
    cpu: -0.0363,
    why: () =>
      "the study's service read each new user back and had slow JSON; what is left to both is the hash, which no step makes cheaper.",
  },
  {
    title: 'Sign-in, 3/s',
    group: 'signin',
    mean: -0.392,
    cpu: -0.433,
    why: ({ piece }) =>
      `most of what the study gained were its two RSA tokens; here a signature takes ${formatUs(piece(pieceNames.rsaSign)?.medianUs)} and the hash ${formatUs(piece(pieceNames.hashOneLane)?.medianUs)}, so that there is next to nothing to gain (see 2).`,
  },
  {
    title: 'Me, 600/s',
    group: 'me',
    mean: -0.365,
    cpu: -0.351,
    why: () =>
      "the study's baseline kept users in a cache already, and what went was mostly its verifying; here two statements go as well.",
  },
];

/** Nothing when none of these loads was measured. */
export function describeStudy(figures: Figures): Part[] {
  const described = rows.flatMap((row) => {
    const { variants = [] } = figures.plan.groups.find(({ id }) => id === row.group) ?? {};
    const first = variants[0]?.id;
    // The last step that was measured; what follows it is our own server.
    const last = variants.findLast(({ id }) => id.startsWith('step-'));
    if (first === undefined || last === undefined) return [];
    const change = (to: string, read: typeof cpuOf) => writeChange(figures.ratio(row.group, first, to, read));
    const line = (what: string, study: number, read: typeof cpuOf) => [
      `${row.title}: ${what}`,
      formatChange(study),
      change(last.id, read),
      change('own', read),
    ];
    const cells = [line('mean', row.mean, meanTimeOf), line('CPU', row.cpu, cpuOf)];
    const isMeasured = cells.some((columns) => columns.slice(2).some((cell) => cell !== notMeasured));
    return isMeasured ? [{ cells, why: `${row.title}: ${row.why(figures)}` }] : [];
  });
  if (described.length === 0) return [];
  return [
    { kind: 'heading', level: 2, text: "The study's gains beside ours" },
    {
      kind: 'text',
      text: "From the baseline to the study's final state, and here to the last step that a load was measured with and to our own server; ratios within a round with their 95 % interval. The study has its CPU as the load of a core at the same rate.",
    },
    {
      kind: 'table',
      columns: ['', 'the study', 'here, last step', 'our server'],
      rows: described.flatMap(({ cells }) => cells),
    },
    { kind: 'list', items: described.map(({ why }) => why) },
  ];
}

const notMeasured = '-';

function writeChange(ratio: MeanInterval | undefined): string {
  if (ratio === undefined) return notMeasured;
  const { mean, low, high } = ratio;
  return `${formatChange(mean - 1)} (${formatChange(low - 1)} to ${formatChange(high - 1)})`;
}
