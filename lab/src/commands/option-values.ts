/** Reads numbers, durations and lists from the command line, with one sentence for each way they can be wrong. */
import { exitStatus, LabError } from '../exit-status.ts';
import type { OptionValues } from './lab-command.ts';

/** The text of an option given at most once. */
export function readText(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export function readFlag(values: OptionValues, name: string): boolean {
  return values[name] === true;
}

/** Every value of an option that may be repeated. */
export function readTexts(values: OptionValues, name: string): string[] {
  const value = values[name];
  if (Array.isArray(value)) return value.filter((item) => typeof item === 'string');
  return typeof value === 'string' ? [value] : [];
}

interface NumberRange {
  /** Smallest value let through. */
  least: number;
  most: number;
  whole?: boolean;
  /** What it is counted in, for the sentence. */
  unit: string;
}

/** @throws LabError naming the option and its range */
export function readNumber(values: OptionValues, name: string, range: NumberRange): number | undefined {
  const text = readText(values, name);
  if (text === undefined) return undefined;
  const number = text.trim() === '' ? Number.NaN : Number(text);
  const fits = number >= range.least && number <= range.most;
  if (!fits || (range.whole === true && !Number.isInteger(number))) {
    const kind = range.whole === true ? 'a whole number' : 'a number';
    throw new LabError(
      exitStatus.tool,
      `--${name} takes ${kind} of ${range.unit} from ${range.least} to ${range.most}, not ${JSON.stringify(text)}.`,
    );
  }
  return number;
}

const secondsPerUnit: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, '': 1 };

/**
 * A duration as "500ms", "10s", "2m" or plain seconds.
 *
 * @returns seconds
 * @throws LabError naming the option
 */
export function readSeconds(
  values: OptionValues,
  name: string,
  range: { least: number; most: number },
): number | undefined {
  const text = readText(values, name);
  if (text === undefined) return undefined;
  const [, digits, unit] = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h|)$/.exec(text.trim()) ?? [];
  const seconds = Number(digits) * (secondsPerUnit[unit ?? ''] ?? Number.NaN);
  if (!(seconds >= range.least && seconds <= range.most)) {
    throw new LabError(
      exitStatus.tool,
      `--${name} takes a duration from ${range.least} to ${range.most} seconds, such as 500ms, 10s or 2m, not ${JSON.stringify(text)}.`,
    );
  }
  return seconds;
}

/** Headers as "Name: value". @throws LabError for anything else, or what could not be sent as it is */
export function readHeaders(values: OptionValues, name: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of readTexts(values, name)) {
    const [, field, value] =
      /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (field === undefined || value === undefined) {
      throw new LabError(
        exitStatus.tool,
        `--${name} takes "Name: value" without control characters. One of those given is not of that form.`,
      );
    }
    headers[field.toLowerCase()] = value.trimEnd();
  }
  return headers;
}

/**
 * Words separated by commas, each one of those that are known.
 *
 * @param otherwise what is meant without the option; all of them unless told
 */
export function readChoices(
  values: OptionValues,
  name: string,
  known: readonly string[],
  otherwise: readonly string[] = known,
): string[] {
  const given = readText(values, name)?.split(',');
  if (given === undefined) return [...otherwise];
  const unknown = given.find((word) => !known.includes(word));
  if (unknown !== undefined) {
    throw new LabError(
      exitStatus.tool,
      `--${name} knows no ${unknown || 'empty name'}: ${known.join(', ')}.`,
    );
  }
  return [...new Set(given)];
}
