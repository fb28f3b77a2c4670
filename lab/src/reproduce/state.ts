/** What `reproduce` has measured so far: one JSON line a measurement, so that an interruption loses at most one. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { exitStatus, LabError } from '../exit-status.ts';
import { Machine, MicroRow, ProfileTable, RunMeasurement, Source, Stall } from '../result/result.ts';

/** Raised when a line changes its meaning. */
const stateVersion = 1;

export const Head = Type.Object({
  kind: Type.Literal('head'),
  version: Type.Literal(stateVersion),
  labVersion: Type.String(),
  startedAt: Type.String(),
  /** Digest of the plan, the cores and the place of the database. */
  configHash: Type.String(),
  isQuick: Type.Boolean(),
  machine: Machine,
  source: Type.Union([Source, Type.Null()]),
  serverCores: Type.Union([Type.String(), Type.Null()]),
  generatorCores: Type.Union([Type.String(), Type.Null()]),
  databaseCores: Type.Union([Type.String(), Type.Null()]),
  /** By name: Node, OpenSSL, Fastify; PostgreSQL is known later. */
  versions: Type.Record(Type.String(), Type.String()),
});
export type Head = Static<typeof Head>;

const RunLine = Type.Object({
  kind: Type.Literal('run'),
  group: Type.String(),
  variant: Type.String(),
  round: Type.Integer(),
  run: RunMeasurement,
});
export type RunLine = Static<typeof RunLine>;

/** A FlameNode. Not Type.Unsafe, which Value.Check refuses: then nothing with a profile in it could be read again. */
const Flame = Type.Recursive((This) =>
  Type.Object({
    name: Type.String(),
    where: Type.String(),
    totalUs: Type.Number(),
    selfUs: Type.Number(),
    children: Type.Array(This),
  }),
);

const ProfileLine = Type.Object({
  kind: Type.Literal('profile'),
  group: Type.String(),
  variant: Type.String(),
  table: ProfileTable,
  stalls: Type.Array(Stall),
  blockedShare: Type.Number(),
  answered: Type.Integer(),
  flame: Flame,
});
export type ProfileLine = Static<typeof ProfileLine>;

const PiecesLine = Type.Object({ kind: Type.Literal('pieces'), rows: Type.Array(MicroRow) });
export type PiecesLine = Static<typeof PiecesLine>;

const PostgresLine = Type.Object({ kind: Type.Literal('postgres'), version: Type.String() });

const Line = Type.Union([RunLine, ProfileLine, PiecesLine, PostgresLine]);
type Line = Static<typeof Line>;

export interface State {
  readonly head: Head;
  /**
   * What is another one now than when it was measured: the commit, say. A report may still be written, nothing may be
   * added.
   */
  readonly differsIn: string | undefined;
  readonly runs: readonly RunLine[];
  readonly profiles: readonly ProfileLine[];
  readonly pieces: readonly MicroRow[];
  postgresVersion(): string;
  hasRun(group: string, variant: string, round: number): boolean;
  hasProfile(group: string, variant: string): boolean;
  /** On disk when it returns. */
  add(line: Line): void;
}

/**
 * Goes on with what is there, or begins.
 *
 * @throws LabError when what is there was measured by another plan, or is no state
 */
export function openState(path: string, head: Head, { isFresh }: { isFresh: boolean }): State {
  const kept = isFresh || !existsSync(path) ? undefined : readLines(path);
  if (kept === undefined) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(head)}\n`);
    return createState(path, head, [], undefined);
  }
  if (kept.head.configHash !== head.configHash) {
    throw fail(refuse(path, 'plan (--quick, --rounds, --duration, --only, --pin or --database)'));
  }
  // Half a line is what a kill in the middle of a write leaves.
  truncateSync(path, kept.goodBytes);
  const differsIn = findDifference(kept.head, head);
  return createState(path, kept.head, kept.lines, differsIn);
}

/** @throws LabError when what is measured now would not belong to what is there */
export function checkMayAdd({ differsIn }: State, path: string): void {
  if (differsIn !== undefined) throw fail(refuse(path, differsIn));
}

function refuse(path: string, what: string): string {
  return `${path} was measured with another ${what}; use --fresh to begin again, or another --folder.`;
}

function createState(path: string, head: Head, lines: readonly Line[], differsIn: string | undefined): State {
  const runs: RunLine[] = [];
  const profiles: ProfileLine[] = [];
  const pieces: MicroRow[] = [];
  const found = { postgres: 'unknown' };
  const take = (line: Line): void => {
    if (line.kind === 'run') runs.push(line);
    else if (line.kind === 'profile') profiles.push(line);
    else if (line.kind === 'pieces') pieces.splice(0, pieces.length, ...line.rows);
    else found.postgres = line.version;
  };
  for (const line of lines) take(line);
  return {
    head,
    differsIn,
    runs,
    profiles,
    pieces,
    postgresVersion: () => found.postgres,
    hasRun: (group, variant, round) =>
      runs.some((line) => line.group === group && line.variant === variant && line.round === round),
    hasProfile: (group, variant) => profiles.some((line) => line.group === group && line.variant === variant),
    add(line) {
      appendFileSync(path, `${JSON.stringify(line)}\n`);
      take(line);
    },
  };
}

/** What makes two measurements no parts of one experiment. */
function findDifference(kept: Head, now: Head): string | undefined {
  if (kept.labVersion !== now.labVersion) return 'version of the lab';
  if (kept.machine.fingerprint !== now.machine.fingerprint) return 'machine';
  if (kept.machine.node !== now.machine.node) return 'Node';
  return kept.source?.sha === now.source?.sha ? undefined : 'commit';
}

/** Undefined when it was killed before its first line was whole. */
function readLines(path: string): { head: Head; lines: Line[]; goodBytes: number } | undefined {
  const text = readFileSync(path, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole === '' && '{"kind":"head",'.startsWith(text.slice(0, 15))) return undefined;
  const [first, ...rest] = whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseLine(path, line));
  if (!Value.Check(Head, first)) {
    throw fail(`${path} is no state of irontrack-lab reproduce; use --fresh to begin again.`);
  }
  const lines: Line[] = [];
  for (const line of rest) {
    if (!Value.Check(Line, line)) throw fail(`${path} is damaged; use --fresh to begin again.`);
    lines.push(line);
  }
  return { head: first, lines, goodBytes: Buffer.byteLength(whole) };
}

function parseLine(path: string, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new LabError(exitStatus.tool, `${path} is damaged; use --fresh to begin again.`, { cause: error });
  }
}

function fail(sentence: string): LabError {
  return new LabError(exitStatus.tool, sentence);
}

/** Head with what this plan has, for openState. */
export function makeHead(head: Omit<Head, 'kind' | 'version'>): Head {
  return { kind: 'head', version: stateVersion, ...head };
}
