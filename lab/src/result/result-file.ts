/** Result files on disk: written whole or not at all, and read with suspicion. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { exitStatus, LabError } from '../exit-status.ts';
import { BenchResult, CompareResult, KneeResult, type Result, RunResult, resultVersion } from './result.ts';

const schemas: ReadonlyMap<unknown, TSchema> = new Map<unknown, TSchema>([
  ['run', RunResult],
  ['bench', BenchResult],
  ['compare', CompareResult],
  ['knee', KneeResult],
]);

/**
 * Writes beside the place and renames, so that a reader, or a crash, never meets half a file. Missing folders are made.
 *
 * @throws LabError when it cannot be written
 */
export function writeResult(path: string, result: Result): void {
  const unfinished = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(unfinished, `${JSON.stringify(result)}\n`, { flush: true });
    renameSync(unfinished, path);
  } catch (error) {
    // rmSync forgives a missing file, but not a folder on the way that is a file.
    if (existsSync(unfinished)) rmSync(unfinished);
    const reason = `The result could not be written to ${path} (${readCode(error)})`;
    throw new LabError(exitStatus.tool, `${reason}; choose a place that can be written.`, { cause: error });
  }
}

/** What the file of another version of the lab is answered with, apart from all else that can be wrong with one. */
export class OtherVersion extends LabError {
  constructor(path: string, version: unknown) {
    const found = typeof version === 'number' ? `version ${version}` : 'an unknown version';
    const remedy = 'measure again with this lab, or read it with the lab that wrote it';
    super(exitStatus.tool, `${path} is of ${found}, and this lab reads version ${resultVersion}; ${remedy}.`);
  }
}

/**
 * Reads and checks a result file of any kind.
 *
 * @throws OtherVersion for a file of another version
 * @throws LabError with one sentence for a file that is missing, cut short, not JSON, or no result of the lab
 */
export function readResult(path: string): Result {
  const value = parse(path, readText(path));
  const isResult =
    typeof value === 'object' && value !== null && Reflect.get(value, 'format') === 'irontrack-lab';
  if (!isResult)
    throw fail(`${path} is not a result of irontrack-lab; name a file that --out or save wrote.`);
  const version: unknown = Reflect.get(value, 'version');
  if (version !== resultVersion) throw new OtherVersion(path, version);
  const kind: unknown = Reflect.get(value, 'kind');
  const schema = schemas.get(kind);
  if (schema === undefined) {
    throw fail(`${path} holds an unknown kind of result (${JSON.stringify(kind)}); measure again.`);
  }
  if (!isOf(schema, value)) {
    const where = Value.Errors(schema, value).First()?.path ?? '';
    throw fail(
      `${path} is damaged: what is at ${where} does not fit a ${String(kind)} result; measure again.`,
    );
  }
  return value;
}

function isOf(schema: TSchema, value: object): value is Result {
  return Value.Check(schema, value);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = readCode(error);
    if (code === 'ENOENT') throw fail(`There is no file ${path}; check its name, or measure first.`, error);
    if (code === 'EISDIR') throw fail(`${path} is a folder; name a result file in it.`, error);
    throw fail(`${path} cannot be read (${code}); check who may read it.`, error);
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const isCut = text.trimStart().startsWith('{') && !text.trimEnd().endsWith('}');
    if (isCut || text.trim() === '')
      throw fail(`${path} is cut short; measure again or copy it anew.`, error);
    throw fail(`${path} is not JSON; name a result file of irontrack-lab.`, error);
  }
}

function fail(sentence: string, cause?: unknown): LabError {
  return new LabError(exitStatus.tool, sentence, { cause });
}

function readCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
