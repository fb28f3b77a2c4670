/** What the generator can do on this machine, kept for a day so that every report can quote it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { readMachine } from '../result/machine.ts';
import { Doctor } from '../result/result.ts';

const longestAgeMs = 24 * 3600 * 1000;
const place = '.irontrack-lab/doctor.json';
const Kept = Type.Object({ fingerprint: Type.String(), facts: Doctor });

export function keepDoctor(cwd: string, facts: Doctor): string {
  const path = resolve(cwd, place);
  mkdirSync(dirname(path), { recursive: true });
  const kept: Static<typeof Kept> = { fingerprint: readMachine().fingerprint, facts };
  writeFileSync(path, `${JSON.stringify(kept, undefined, 2)}\n`);
  return path;
}

/** @returns what `doctor` found here within the last day; null otherwise, which a report says */
export function findDoctor(cwd: string, now: number): Doctor | null {
  const kept = readKept(resolve(cwd, place));
  if (kept === undefined || kept.fingerprint !== readMachine().fingerprint) return null;
  return now - Date.parse(kept.facts.measuredAt) < longestAgeMs ? kept.facts : null;
}

function readKept(path: string): Static<typeof Kept> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Value.Check(Kept, value) ? value : undefined;
  } catch {
    // None was kept, or somebody cut it short: it is measured again when asked for.
    return undefined;
  }
}
