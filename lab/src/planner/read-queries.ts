/** Reads a file of named SQL statements: each begins with a line "-- name: what it is called". */
import { readFileSync } from 'node:fs';
import { exitStatus, LabError } from '../exit-status.ts';

export interface NamedQuery {
  name: string;
  text: string;
}

/** @throws LabError when the file is missing, names nothing, or a statement could change something */
export function readQueries(path: string): NamedQuery[] {
  let file: string;
  try {
    file = readFileSync(path, 'utf8');
  } catch (error) {
    throw new LabError(exitStatus.tool, `The file of queries ${path} cannot be read.`, { cause: error });
  }
  const queries = file
    .split(/^-- name:/m)
    .slice(1)
    .map((chunk) => {
      const [name = '', ...lines] = chunk.split('\n');
      return { name: name.trim(), text: lines.join('\n').trim().replace(/;$/, '') };
    });
  if (queries.length === 0) {
    throw new LabError(exitStatus.tool, `${path} has no query; begin each with a line "-- name: ...".`);
  }
  for (const { name, text } of queries) {
    if (!/^(?:\s|--[^\n]*\n)*(?:select|with|values|table)\b/i.test(text)) {
      throw new LabError(exitStatus.tool, `The query "${name}" is no SELECT; only those are studied.`);
    }
  }
  return queries;
}
