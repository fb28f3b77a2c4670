/** Reads the JSON of free-exercise-db (https://github.com/yuhonas/free-exercise-db) into system exercises of ours. */
import { exitStatus, StartupError } from '../../startup-error.ts';
import { createRowReader } from './free-exercise-row.ts';
import { quote } from './quote.ts';
import type { SystemExercise } from './system-exercises.ts';

export interface RefusedRow {
  /** The first is 1. */
  row: number;
  /** As it stands in the file, quoted; undefined when it has none. */
  id?: string;
  /** Continues the words "Row 3: ". */
  reason: string;
}

interface ReadExercises {
  rows: number;
  exercises: readonly SystemExercise[];
  refused: readonly RefusedRow[];
}

/** The real file has fewer than a thousand. */
const mostRows = 100_000;

/** @throws StartupError when the file as a whole is not of the format */
export function readFreeExercises(bytes: Uint8Array, makeId: () => string): ReadExercises {
  const rows = parse(bytes);
  if (!Array.isArray(rows)) throw refuse('is not a list of exercises: it must begin with [');
  if (rows.length > mostRows) throw refuse(`has ${rows.length} rows, and at most ${mostRows} are read`);
  const readRow = createRowReader();
  const exercises: SystemExercise[] = [];
  const refused: RefusedRow[] = [];
  for (const [index, value] of rows.entries()) {
    const result = readRow(value, index + 1, makeId);
    if ('exercise' in result) exercises.push(result.exercise);
    else refused.push({ row: index + 1, reason: result.reason, ...idOf(value) });
  }
  return { rows: rows.length, exercises, refused };
}

function parse(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse('is not text in UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw refuse('is not JSON');
  }
}

function refuse(fault: string): StartupError {
  return new StartupError(
    exitStatus.wrongUsage,
    `The file ${fault}. Nothing was imported; docs/exercise-data.md describes the format.`,
  );
}

function idOf(value: unknown): { id?: string } {
  if (typeof value !== 'object' || value === null || !('id' in value) || typeof value.id !== 'string')
    return {};
  return { id: quote(value.id) };
}
