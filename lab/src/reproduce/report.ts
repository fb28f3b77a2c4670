/** The report of `reproduce` as parts that Markdown and the page are written from. */
import { steps } from '../../experiments/auth/steps.ts';
import { formatCount, formatUs } from '../report/format-figures.ts';
import type { Figures } from './figures.ts';
import type { Finding } from './finding.ts';
import type { Plan } from './plan.ts';
import { describeGroup } from './report-groups.ts';
import type { Part } from './report-part.ts';
import { describeProfiles } from './report-profiles.ts';
import { describeStudy } from './report-study.ts';

export interface ReportInput {
  figures: Figures;
  findings: readonly Finding[];
  /** What makes this report again. */
  command: string;
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
    ...describeStudy(figures),
    { kind: 'heading', level: 2, text: 'The scorecards' },
    {
      kind: 'text',
      text: 'Times are counted from when a request was due. Over all rounds together; what stands in brackets is the 95 % interval over the rounds. "CPU" is the share of one core that the service took; "core" how busy a core of its own was with everything on it. What is said "against" is a ratio taken within each round. One interval in twenty misses by chance. A P99 in brackets has under 1,500 samples and may be chance.',
    },
    {
      kind: 'text',
      text: 'To the limit means a closed loop: each connection asks again as soon as it is answered. The times are then those of an overload, and the rate counts: right answers before the time was over. What was under way then is done in part, which widens the interval of a ratio where there are few.',
    },
    { kind: 'text', text: describeFailures(figures) },
    ...figures.plan.groups.flatMap((group) => describeGroup(figures, group)),
    ...describePieces(figures),
    { kind: 'heading', level: 2, text: 'Where the CPU goes' },
    {
      kind: 'text',
      text: 'From a pass of its own, since a profile costs CPU itself. In the columns are the pieces with all they call, and whose code used most by itself. "Seen" is how much of the CPU of the main thread the samples saw: the sampler is a thread that waits for a core like any other, and where it shares one, it comes late to short work. What it missed is in "native I/O", and every other share is too small by as much. Each drawing has a page beside it that can be searched and zoomed.',
    },
    ...figures.plan.groups.flatMap((group) => describeProfiles(figures, group)),
  ];
}

function describeFailures({ requests: { due, failed } }: Figures): string {
  return failed === 0
    ? `Not one of ${formatCount(due)} requests failed.`
    : `${formatCount(failed)} of ${formatCount(due)} requests failed; where it was more than a few it stands below the table.`;
}

function describeProtocol({ rounds, runS, groups, warmupS, settleS }: Plan): string {
  const longer = groups.flatMap(({ title, longer: times = 1 }) =>
    times === 1 ? [] : [`${times} times that for "${title}"`],
  );
  return [
    `${rounds} rounds, each variant once a round in alternating order, the others halted meanwhile`,
    `runs of ${runS.other} s, of ${runS.hashing} s where passwords are hashed${longer.length === 0 ? '' : `, ${longer.join(', ')}`}`,
    `${warmupS} s of load before the first, ${settleS} s before each`,
  ].join('; ');
}

function describeRun({ figures, command }: ReportInput): Part[] {
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
        ['measured', `${head.startedAt} to ${figures.measuredUntil}`],
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
        ['protocol', describeProtocol(plan)],
      ],
    },
    { kind: 'list', items: steps.map(({ title, change }, step) => `${step} ${title}: ${change}`) },
    {
      kind: 'text',
      text: 'Our own server is no step but the last row: it is measured as it is, with its request log, metrics and revocation checks on, where the steps have no log unless told; only its limits on attempts and its delivery of webhooks are off. It hashes with another library (Argon2id in Rust), which takes less CPU than the one of OpenSSL in Node; it answers /ping and /me before Fastify sees them, and /me from what it keeps in memory; its list is a page of its catalog, kept as bytes, for those who are signed in.',
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
