/**
 * Baselines on disk: `<folder>/<platform>/0001_<name>.json`, numbered, never overwritten. This repository keeps them out
 * of git: they belong to one machine, and CI makes its own from the main branch. A project whose runners are all alike
 * may commit them; on another machine they are judged by the gate alone.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { exitStatus, LabError } from '../exit-status.ts';
import type { BenchResult } from '../result/result.ts';
import { OtherVersion, readResult, writeResult } from '../result/result-file.ts';

export const defaultFolder = '.benchmarks';

/** @returns the path of the baseline with the highest number of this platform; undefined without any */
export function findNewestBaseline(folder: string, platform: string): string | undefined {
  const newest = listBaselines(folder, platform).at(-1);
  return newest === undefined ? undefined : join(folder, platform, newest.file);
}

/**
 * Keeps a result under the next number.
 *
 * @param folder such as `.benchmarks`
 * @returns the path
 */
export function saveBaseline(folder: string, result: BenchResult): string {
  const { platform } = result.machine;
  const number = (listBaselines(folder, platform).at(-1)?.number ?? 0) + 1;
  // What a file system might take for something else becomes a dash.
  const name = result.name.replace(/[^\w.-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '') || 'baseline';
  const path = join(folder, platform, `${String(number).padStart(4, '0')}_${name}.json`);
  writeResult(path, result);
  return path;
}

/**
 * @throws LabError with status noBaseline for a file that this lab cannot compare with: missing, damaged, of another
 *   version or of another kind. The sentence of a damaged one says which file to remove.
 */
export function readBaseline(path: string): BenchResult {
  try {
    const result = readResult(path);
    if (result.kind === 'bench') return result;
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const remedy = error instanceof OtherVersion ? '' : ' Remove it or save a new baseline.';
    throw new LabError(exitStatus.noBaseline, `The baseline is of no use: ${error.message}${remedy}`, {
      cause: error,
    });
  }
  const sentence = `${path} holds no benchmarks; name a file that irontrack-lab save wrote.`;
  throw new LabError(exitStatus.noBaseline, sentence);
}

function listBaselines(folder: string, platform: string): { number: number; file: string }[] {
  return readNames(join(folder, platform))
    .flatMap((file) => {
      const digits = /^(\d{4,})_.+\.json$/.exec(file)?.[1];
      return digits === undefined ? [] : [{ number: Number(digits), file }];
    })
    .toSorted((left, right) => left.number - right.number);
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    const sentence = `The folder of the baselines, ${folder}, cannot be read; choose another with --dir.`;
    throw new LabError(exitStatus.tool, sentence, { cause: error });
  }
}
