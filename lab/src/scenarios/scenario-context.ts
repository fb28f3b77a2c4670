/** What a scenario gets for its untimed phases: clients, rows of data files and repeatable randomness. */
import { readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { exitStatus, LabError } from '../exit-status.ts';
import { createRandom } from '../stats/random.ts';
import type { ScenarioContext, UntimedClient } from './scenario.ts';

type Row = Readonly<Record<string, string>>;

export function createScenarioContext(options: {
  url: URL;
  scenarioPath: string;
  seed: number;
  newClient: () => UntimedClient;
}): ScenarioContext {
  const read = new Map<string, readonly Row[]>();
  return {
    url: new URL(options.url),
    newClient: options.newClient,
    random: createRandom(options.seed),
    readRows(path) {
      const file = resolve(dirname(options.scenarioPath), path);
      const rows = read.get(file) ?? readDataFile(file);
      read.set(file, rows);
      return rows;
    },
  };
}

/**
 * A JSON array of objects, JSON lines (.jsonl, .ndjson) or CSV with a header (RFC 4180). Values become strings.
 *
 * @throws LabError when the file cannot be read or has no rows
 */
export function readDataFile(file: string): readonly Row[] {
  let rows: readonly Row[];
  try {
    const text = readFileSync(file, 'utf8').replace(/^\ufeff/, '');
    const ending = extname(file).toLowerCase();
    if (ending === '.json') rows = toRows(JSON.parse(text));
    else if (ending === '.jsonl' || ending === '.ndjson') {
      rows = toRows(
        text
          .split('\n')
          .filter((line) => line.trim() !== '')
          .map((line): unknown => JSON.parse(line)),
      );
    } else rows = parseCsv(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LabError(exitStatus.tool, `The data file ${file} cannot be read: ${reason}`, { cause: error });
  }
  if (rows.length === 0) throw new LabError(exitStatus.tool, `The data file ${file} has no rows.`);
  return rows;
}

function toRows(value: unknown): Row[] {
  if (!Array.isArray(value)) throw new SyntaxError('it is no array of objects');
  return value.map((row: unknown) => {
    if (typeof row !== 'object' || row === null) throw new SyntaxError('a row is no object');
    return Object.fromEntries(
      Object.entries(row).map(([name, field]) => [
        name,
        typeof field === 'string' ? field : (JSON.stringify(field) ?? ''),
      ]),
    );
  });
}

function parseCsv(text: string): Row[] {
  const records: string[][] = [];
  let record: string[] = [];
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|$)/gy;
  while (field.lastIndex < text.length) {
    const match = field.exec(text);
    if (match === null) throw new SyntaxError(`record ${records.length + 1} has a stray quote`);
    const [, value = '', separator] = match;
    record.push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (separator === ',') {
      // A comma at the very end leaves one more empty field, which no match will find.
      if (field.lastIndex < text.length) continue;
      record.push('');
    }
    if (record.length > 1 || record[0] !== '') records.push(record);
    record = [];
  }
  const [names = [], ...rows] = records;
  return rows.map((row, index) => {
    if (row.length !== names.length) {
      throw new SyntaxError(`row ${index + 1} has ${row.length} fields, the header ${names.length}`);
    }
    return Object.fromEntries(names.map((name, column) => [name, row[column] ?? '']));
  });
}
