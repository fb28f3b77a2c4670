/** The report of `reproduce` as parts that Markdown and the page are written from. */
import { steps } from '../../experiments/auth/steps.ts';
import { formatCount, formatUs } from '../report/format-figures.ts';
import type { Figures } from './figures.ts';
import type { Finding } from './hypotheses.ts';
import { describeGroup } from './report-groups.ts';
import type { Part } from './report-part.ts';
import { describeProfiles } from './report-profiles.ts';

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
      text: 'Times are counted from when a request was due. Over all rounds together; what stands in brackets is the 95 % interval over the rounds. "CPU" is the share of one core that the service took; "core" how busy a core of its own was with everything on it. What is said "against" is a ratio taken within each round. At the limit the times are those of an overload: the rate counts there. A P99 in brackets has under 1,500 samples and may be chance.',
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
