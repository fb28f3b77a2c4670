/** The report of `reproduce` as parts that Markdown and the page are written from. */
import { steps } from '../../experiments/auth/steps.ts';
import { formatCount, formatShare, formatShort, formatUs } from '../report/format-figures.ts';
import { measureFacts } from '../report/measures.ts';
import { judgeSamples } from '../stats/stability.ts';
import { type Bar, drawBars, drawFlame } from './charts.ts';
import {
  type Cell,
  cpuOf,
  type Figures,
  longestStallMs,
  rateOf,
  type Spread,
  shareOfFunction,
} from './figures.ts';
import type { Finding } from './hypotheses.ts';
import type { Group, Variant } from './plan.ts';
import type { ProfileLine } from './state.ts';

export type Part =
  | { kind: 'heading'; level: 1 | 2 | 3; text: string }
  | { kind: 'text'; text: string }
  | { kind: 'list'; items: readonly string[] }
  | { kind: 'code'; text: string }
  /** The first column is text, the others figures, unless `isText`. */
  | { kind: 'table'; columns: readonly string[]; rows: readonly (readonly string[])[]; isText?: boolean }
  | { kind: 'chart'; name: string; title: string; svg: string }
  | { kind: 'link'; href: string; text: string };

export interface ReportInput {
  figures: Figures;
  findings: readonly Finding[];
  /** What makes this report again. */
  command: string;
  finishedAt: string;
}

export function makeReport(input: ReportInput): Part[] {
  const { figures, findings } = input;
  return [
    { kind: 'heading', level: 1, text: 'The experiment, reproduced' },
    ...describeRun(input),
    { kind: 'heading', level: 2, text: 'What holds here' },
    {
      kind: 'table',
      isText: true,
      columns: ['', 'hypothesis of the study', 'here'],
      rows: findings.map(({ number, title, verdict }) => [String(number), title, verdict]),
    },
    ...findings.flatMap(describeFinding),
    { kind: 'heading', level: 2, text: 'The scorecards' },
    {
      kind: 'text',
      text: 'Times are counted from when a request was due. Over all rounds together; what stands in brackets is the 95 % interval over the rounds. "CPU" is the share of one core that the service took, "core" how busy its core was with everything on it. A P99 in brackets has under 1,500 samples and may be chance.',
    },
    ...figures.plan.groups.flatMap((group) => describeGroup(figures, group)),
    ...describePieces(figures),
    { kind: 'heading', level: 2, text: 'Where the CPU goes' },
    {
      kind: 'text',
      text: 'From a pass of its own, since a profile costs CPU itself. In the columns are the pieces with all they call, and whose code used most by itself. Each drawing has a page beside it that can be searched and zoomed.',
    },
    ...figures.plan.groups.flatMap((group) => describeProfiles(figures, group)),
  ];
}

function describeRun({ figures, command, finishedAt }: ReportInput): Part[] {
  const { head, plan } = figures;
  const { machine, versions } = head;
  const cores = (list: string | null) => (list === null ? 'not pinned' : `core ${list}`);
  const source =
    head.source === null
      ? 'unknown'
      : `${head.source.sha.slice(0, 12)}${head.source.dirty ? ', changed' : ''}`;
  return [
    {
      kind: 'text',
      text: 'A FastAPI service was studied earlier: hypothesis, baseline, one change, the same load, a scorecard. This is the same course with a small Fastify service, each step one change, and our own server as the last one.',
    },
    ...(plan.isQuick
      ? [
          {
            kind: 'text' as const,
            text: 'This is a quick run: few and short rounds, and steps that cannot touch a load are left out. It shows the direction; quote the full one.',
          },
        ]
      : []),
    { kind: 'code', text: command },
    {
      kind: 'table',
      isText: true,
      columns: ['', ''],
      rows: [
        ['measured', `${head.startedAt} to ${finishedAt}`],
        [
          'machine',
          `${machine.cpu}, ${machine.cores} cores, ${formatCount(machine.memoryMb)} MB, ${machine.os} ${machine.kernel}`,
        ],
        [
          'versions',
          Object.entries({ ...versions, PostgreSQL: figures.postgresVersion })
            .map(([name, version]) => `${name} ${version}`)
            .join(', '),
        ],
        ['commit', source],
        [
          'placed',
          `service on ${cores(head.serverCores)}, PostgreSQL on ${cores(head.databaseCores)}, load on ${cores(head.generatorCores)}`,
        ],
        [
          'protocol',
          `${plan.rounds} rounds, each variant once a round in alternating order, the others halted meanwhile; runs of ${plan.runS.other} s, of ${plan.runS.hashing} s where passwords are hashed`,
        ],
      ],
    },
    { kind: 'list', items: steps.map(({ title, change }, step) => `${step} ${title}: ${change}`) },
    {
      kind: 'text',
      text: 'Our own server is measured as it is, with its request log, metrics and revocation checks on, where the steps have no log unless told.',
    },
  ];
}

function describeFinding({ number, title, study, rule, measured, verdict, why }: Finding): Part[] {
  return [
    { kind: 'heading', level: 3, text: `${number}. ${title}: ${verdict}` },
    {
      kind: 'list',
      items: [
        `The study: ${study}`,
        ...measured.map((sentence) => `Here: ${sentence}`),
        `It holds when: ${rule}`,
        ...(why === null ? [] : [`Why it differs: ${why}`]),
      ],
    },
  ];
}

const columns = [
  '',
  'mean',
  'P90',
  'P99',
  'stddev',
  'max',
  'answers/s',
  'CPU',
  'core',
  'CPU a request',
  'CPU against the first',
  'not valid',
];

function describeGroup(figures: Figures, group: Group): Part[] {
  const measured = group.variants.flatMap((variant) => {
    const cell = figures.cell(group.id, variant.id);
    return cell === undefined ? [] : [{ variant, cell }];
  });
  const [first] = measured;
  if (first === undefined) return [];
  const serverCore = Number.parseInt(figures.head.serverCores ?? '', 10);
  const rows = measured.map(({ variant, cell }) =>
    describeCell(figures, group, variant, cell, first.variant, serverCore),
  );
  return [
    { kind: 'heading', level: 3, text: group.title },
    { kind: 'table', columns, rows },
    ...chartsOf(group, measured),
    ...(group.id === 'bystander' ? describeBystanders(figures, group) : []),
  ];
}

function describeCell(
  figures: Figures,
  group: Group,
  variant: Variant,
  cell: Cell,
  first: Variant,
  serverCore: number,
): string[] {
  const { measures, cpuUs, serviceCpu, cores, faults } = cell;
  const time = (name: 'mean' | 'p90' | 'p99' | 'stddev' | 'max') => formatUs(measures[name]);
  const samples = cell.runs.reduce((sum, { ok }) => sum + ok, 0);
  const change = figures.ratio(group.id, first.id, variant.id, group.ratePerS === null ? perAnswer : cpuOf);
  const core = Number.isNaN(serverCore) ? undefined : cores[serverCore];
  return [
    variant.label,
    time('mean'),
    time('p90'),
    judgeSamples(samples).enough ? time('p99') : `(${time('p99')})`,
    time('stddev'),
    time('max'),
    measureFacts.rate.write(measures.rate ?? 0).replace('/s', ''),
    serviceCpu === null ? '-' : formatShare(serviceCpu),
    core === undefined ? '-' : formatShare(core),
    cpuUs === undefined ? '-' : `${formatUs(cpuUs.mean)}${bracket(cpuUs)}`,
    change === undefined || variant.id === first.id
      ? '-'
      : `${formatShort(change.mean)} (${formatShort(change.low)} to ${formatShort(change.high)})`,
    faults.map(({ sentence }) => sentence).join(' '),
  ];
}

const perAnswer: typeof cpuOf = (run) => cpuOf(run) || 1 / Math.max(rateOf(run), 1e-9);

function bracket({ low, high }: Spread): string {
  return low === undefined || high === undefined
    ? ''
    : ` (${formatUs(Math.max(0, low))} to ${formatUs(high)})`;
}

function chartsOf(group: Group, measured: readonly { variant: Variant; cell: Cell }[]): Part[] {
  const bars = (read: (cell: Cell) => Spread | undefined, scale: number): Bar[] =>
    measured.flatMap(({ variant, cell }) => {
      const spread = read(cell);
      if (spread === undefined) return [];
      const { mean, low, high } = spread;
      const whisker = low === undefined || high === undefined ? {} : { low: low / scale, high: high / scale };
      return [{ label: variant.label, value: mean / scale, ...whisker, isOwn: variant.options === null }];
    });
  const cpu = bars(({ cpuUs }) => cpuUs, group.isHashing ? 1000 : 1);
  const rate = group.ratePerS === null ? bars(({ ratePerS }) => ratePerS, 1) : [];
  const unit = group.isHashing ? 'CPU a request, ms' : 'CPU a request, \u00b5s';
  return [
    ...(cpu.length === 0
      ? []
      : [
          {
            kind: 'chart' as const,
            name: `${group.id}-cpu.svg`,
            title: `${group.title}: CPU a request`,
            svg: drawBars(group.title, unit, cpu),
          },
        ]),
    ...(rate.length === 0
      ? []
      : [
          {
            kind: 'chart' as const,
            name: `${group.id}-rate.svg`,
            title: `${group.title}: answers a second`,
            svg: drawBars(group.title, 'answers a second', rate),
          },
        ]),
  ];
}

function describeBystanders(figures: Figures, { id, variants }: Group): Part[] {
  const rows = variants.flatMap(({ id: variant, label }) => {
    const ping = figures.stepLatency(id, variant, 'ping');
    return ping === undefined
      ? []
      : [[label, formatUs(ping.meanUs), formatUs(ping.p99Us), formatUs(ping.maxUs)]];
  });
  return [
    { kind: 'text', text: 'The pings among them alone:' },
    { kind: 'table', columns: ['', 'mean', 'P99', 'max'], rows },
  ];
}

function describePieces({ head, piecesOf }: Figures): Part[] {
  const rows = piecesOf().map(({ name, medianUs, iqrUs, minUs, rounds }) => [
    name,
    formatUs(medianUs),
    formatUs(iqrUs),
    formatUs(minUs),
    formatCount(rounds),
  ]);
  if (rows.length === 0) return [];
  return [
    { kind: 'heading', level: 3, text: 'The pieces alone' },
    { kind: 'text', text: `One call after the other on Node ${head.machine.node}, without a server.` },
    { kind: 'table', columns: ['', 'median', 'quartiles apart', 'least', 'rounds'], rows },
  ];
}

function describeProfiles(figures: Figures, group: Group): Part[] {
  const profiled = group.variants.flatMap((variant) => {
    const profile = figures.profile(group.id, variant.id);
    return profile === undefined ? [] : [{ variant, profile }];
  });
  if (profiled.length === 0) return [];
  const shares = profiled.map(({ profile }) => readShares(profile));
  const names = [...new Set(shares.flatMap((share) => [...share.keys()]))].slice(0, mostShares);
  return [
    { kind: 'heading', level: 3, text: group.title },
    {
      kind: 'table',
      columns: ['', ...names, 'stalls of 20 ms', 'longest', 'time in stalls'],
      rows: profiled.map(({ variant, profile }, index) => [
        variant.label,
        ...names.map((name) => formatOptional(shares[index]?.get(name))),
        formatCount(profile.stalls.length),
        profile.stalls.length === 0 ? '-' : `${longestStallMs(profile).toFixed(0)} ms`,
        formatShare(profile.blockedShare),
      ]),
    },
    ...profiled.flatMap(({ variant, profile }): Part[] => {
      const stem = `${group.id}-${variant.id}`;
      const title = `${group.title}: ${variant.label}`;
      return [
        { kind: 'chart', name: `flame-${stem}.svg`, title, svg: drawFlame(title, profile.flame) },
        { kind: 'link', href: `flames/${stem}.html`, text: `${title}, to search and zoom` },
      ];
    }),
  ];
}

/** What the steps exchange, by the names of its functions. */
const pieceFunctions: ReadonlyMap<string, string> = new Map([
  ['hashOnLoop', 'hash on the loop'],
  ['signToken', 'signing'],
  ['verifyToken', 'verifying'],
  ['walkToPlain', 'first pass'],
  ['writeJson', 'second pass'],
]);
/** Of the packages the widest; more columns nobody reads. */
const mostPackages = 4;
const mostShares = 12;

/** The pieces with all they call, then who used most by itself. */
function readShares(profile: ProfileLine): Map<string, number> {
  const shares = new Map<string, number>();
  for (const [name, label] of pieceFunctions) {
    const share = shareOfFunction(profile, name);
    if (share > 0) shares.set(label, share);
  }
  for (const { name, self } of profile.table.packages.slice(0, mostPackages)) shares.set(name, self);
  return shares;
}

function formatOptional(share: number | undefined): string {
  return share === undefined ? '-' : formatShare(share);
}
