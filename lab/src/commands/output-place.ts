/** Looks at the places of the files to write before anything is measured: minutes of load should not end in a typo. */
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { exitStatus, LabError } from '../exit-status.ts';
import type { OptionValues } from './lab-command.ts';
import { readText } from './option-values.ts';

const outputOptions = ['out', 'html', 'cpuprofile'];

/** @throws LabError when what an option names cannot become a file; nothing is made yet */
export function checkOutputPlaces(values: OptionValues, cwd: string): void {
  for (const name of outputOptions) {
    const given = readText(values, name);
    if (given === undefined) continue;
    const path = resolve(cwd, given);
    if (isFolder(path)) throw wrong(`--${name} ${given} is a folder; name a file in it.`);
    const ancestor = findExisting(path);
    if (!mayWrite(ancestor) || (ancestor !== path && !isFolder(ancestor)))
      throw cannotWrite(name, given, ancestor);
  }
}

/**
 * For folders that a command fills.
 *
 * @throws LabError when what one of the options names cannot become a folder; nothing is made yet
 */
export function checkFolderPlaces(values: OptionValues, cwd: string, names: readonly string[]): void {
  for (const name of names) {
    const given = readText(values, name);
    if (given === undefined) continue;
    const ancestor = findExisting(resolve(cwd, given));
    if (!mayWrite(ancestor) || !isFolder(ancestor)) throw cannotWrite(name, given, ancestor);
  }
}

function cannotWrite(name: string, given: string, ancestor: string): LabError {
  return wrong(`--${name} ${given} cannot be written there (${ancestor}); choose another place.`);
}

/** The path itself, or the nearest folder above it that is there. */
function findExisting(path: string): string {
  const above = dirname(path);
  return above === path || look(path) !== undefined ? path : findExisting(above);
}

function isFolder(path: string): boolean {
  return look(path)?.isDirectory() === true;
}

/** Undefined also for what is in a folder that is not ours to look into. */
function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function wrong(sentence: string): LabError {
  return new LabError(exitStatus.tool, sentence);
}
