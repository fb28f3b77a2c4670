/**
 * JSON that means one thing to every reader (RFC 8259 and I-JSON, RFC 7493): no duplicate keys, no lone surrogates,
 * valid UTF-8, and a bounded depth. NUL characters are refused too, since PostgreSQL text cannot hold them.
 */
import type { ValidationDetail } from '@irontrack/contract/problem-body.ts';
import { mostFaults, ValidationProblem } from '../problem.ts';

const deepest = 32;
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * @returns the parsed value, `undefined` for an empty body
 * @throws ValidationProblem that says what is wrong with it
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  const text = decode(bytes);
  const members = countMembers(text);
  const value = parse(text);
  const found: Findings = { members: 0, faults: [] };
  inspect(value, 'body', found);
  // An object keeps one of several equal keys, so the text then has more members than the value.
  if (found.members !== members) found.faults.push(fault('json_invalid', 'body', 'A field appears twice'));
  if (found.faults.length > 0) throw new ValidationProblem(found.faults);
  return value;
}

/** The same rules for a form (application/x-www-form-urlencoded, WHATWG URL): each field once. */
export function parseFormBody(bytes: Buffer): Record<string, string> {
  const fields = new URLSearchParams(decode(bytes));
  const faults: ValidationDetail[] = [];
  const values = new Map<string, string>();
  for (const [name, value] of fields) {
    if (faults.length >= mostFaults) break;
    if (values.has(name)) faults.push(fault('duplicate', name, 'A field appears twice'));
    values.set(name, value);
    const reason = unusableText(value) ?? unusableText(name);
    if (reason !== undefined) faults.push(fault('string_unicode', name, reason));
  }
  if (faults.length > 0) throw new ValidationProblem(faults);
  return Object.fromEntries(values);
}

function decode(bytes: Buffer): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ValidationProblem([fault('json_invalid', 'body', 'Not valid UTF-8')]);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ValidationProblem([fault('json_invalid', 'body', 'Not valid JSON')]);
  }
}

/** Counts the colons outside strings: as many as the text has object members. Refuses depth before it is parsed. */
function countMembers(text: string): number {
  let members = 0;
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case 0x22: // quotation mark
        index = endOfString(text, index);
        break;
      case 0x3a: // colon
        members += 1;
        break;
      case 0x5b: // opening bracket and brace
      case 0x7b:
        depth += 1;
        if (depth > deepest) {
          throw new ValidationProblem([
            fault('json_invalid', 'body', `Nested deeper than ${deepest} levels`),
          ]);
        }
        break;
      case 0x5d: // closing bracket and brace
      case 0x7d:
        depth -= 1;
        break;
    }
  }
  return members;
}

function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text.charCodeAt(index) !== 0x22) {
    index += text.charCodeAt(index) === 0x5c ? 2 : 1;
  }
  return index;
}

interface Findings {
  members: number;
  faults: ValidationDetail[];
}

function inspect(value: unknown, field: string, found: Findings): void {
  // From here on members go uncounted; that a field appears twice may then be said wrongly, but beyond the bound.
  if (found.faults.length >= mostFaults) return;
  if (typeof value === 'string') {
    const reason = unusableText(value);
    if (reason !== undefined) found.faults.push(fault('string_unicode', field, reason));
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) inspect(item, field, found);
    return;
  }
  for (const [key, member] of Object.entries(value)) {
    found.members += 1;
    const reason = unusableText(key);
    if (reason !== undefined) found.faults.push(fault('string_unicode', field, reason));
    inspect(member, key, found);
  }
}

/** Why PostgreSQL could not keep this text; undefined for any other. */
export function unusableText(text: string): string | undefined {
  if (!text.isWellFormed()) return 'Holds half of a surrogate pair, which is no character';
  return text.includes('\0') ? 'Holds a NUL character' : undefined;
}

function fault(type: string, field: string, message: string): ValidationDetail {
  return { type, field: field.toWellFormed().replaceAll('\0', '').slice(0, 100), message };
}
