/** Reads an event from the bytes it came in: checked, with its payload as it was written. */
import { isAscii } from 'node:buffer';
import { hash } from 'node:crypto';
import { mostPayloadBytes } from '@irontrack/contract/events.ts';
import type { ValidationDetail } from '@irontrack/contract/problem-body.ts';
import { unusableText } from '../http/json-body.ts';
import { Problem, ValidationProblem } from '../problem.ts';
import { findItems, findMembers, type Span, TooDeep } from './json-spans.ts';

export interface EventInput {
  type: string;
  /** JSON text of an object, byte for byte as it came. */
  payload: string;
  dedupId: string | null;
}

/** Levels of a payload; the most that common parsers take without being told (System.Text.Json: 64). */
const deepestPayload = 64;
const longestText = 255;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** @throws Problem `validation-failed` or `payload-too-large` */
export function readEvent(bytes: unknown, idempotencyKey: string | undefined): EventInput {
  return readEventText(decode(bytes), idempotencyKey);
}

/**
 * The texts of the events of a batch, each still to be read on its own.
 *
 * @throws ValidationProblem when the whole is no `{events: [...]}` of an allowed length
 */
export function readBatch(bytes: unknown, most: number): string[] {
  const text = decode(bytes);
  const value = parse(text);
  const members = findMembers(text, Number.POSITIVE_INFINITY);
  if (members === undefined) throw refuse('object_type', 'body', 'Should be a valid object');
  const found = members.filter(({ key }) => readKey(key) === 'events');
  const unknown = members.find(({ key }) => readKey(key) !== 'events');
  if (unknown !== undefined) throw new ValidationProblem([unknownField(unknown.key)]);
  const [span] = found;
  if (span === undefined) throw refuse('missing', 'events', 'Field required');
  if (found.length > 1) throw new ValidationProblem([repeated('events')]);
  if (!isRecord(value) || !Array.isArray(value.events)) {
    throw refuse('array_type', 'events', 'Should be a valid array');
  }
  if (value.events.length === 0) throw refuse('too_short', 'events', 'Should have at least 1 item');
  if (value.events.length > most) throw refuse('too_long', 'events', `Should have at most ${most} items`);
  return findItems(text, span.start).map(({ start, end }) => text.slice(start, end));
}

/** @param text of one event; whatever is wrong with it is said here, also that it is no JSON */
export function readEventText(text: string, idempotencyKey: string | undefined): EventInput {
  const members = findMembersOf(text);
  const value = parse(text);
  if (members === undefined || !isRecord(value)) {
    throw refuse('object_type', 'body', 'Should be a valid object');
  }
  const faults: ValidationDetail[] = [];
  const payload = takeMembers(members, faults);
  const { type, dedup_id: dedup } = value;
  const dedupId = dedup ?? idempotencyKey ?? null;
  checkText(type, 'type', faults);
  if (dedupId !== null) checkText(dedupId, 'dedup_id', faults);
  if (payload === undefined) faults.push(fault('missing', 'payload', 'Field required'));
  else checkPayload(text, payload, value[payload.key], faults);
  if (faults.length > 0) throw new ValidationProblem(faults);
  if (typeof type !== 'string' || payload === undefined || typeof dedupId === 'number') {
    throw new Error('An event without faults has a type and a payload.');
  }
  return {
    type,
    payload: text.slice(payload.start, payload.end),
    dedupId: dedupId === null ? null : String(dedupId),
  };
}

/** Tells two events of one dedup_id apart. @returns SHA-256 in hex */
export function hashContent({ type, payload }: EventInput): string {
  return hash('sha256', `${type}\0${payload}`, 'hex');
}

function findMembersOf(text: string): Span[] | undefined {
  try {
    return findMembers(text, deepestPayload + 1);
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error;
    // Text that is no JSON at all may look deep; parsing says which it is, and minds no depth.
    parse(text);
    throw refuse('json_invalid', 'payload', `Nested deeper than ${deepestPayload} levels`);
  }
}

/** Notes what is unknown or given twice. @returns where the payload is, under the name it was given */
function takeMembers(members: readonly Span[], faults: ValidationDetail[]): Span | undefined {
  let payload: Span | undefined;
  let seen = '';
  for (const span of members) {
    const key = readKey(span.key);
    if (key === 'payload' || key === 'data') {
      if (payload !== undefined) faults.push(repeated('payload'));
      payload = { key, start: span.start, end: span.end };
    } else if (key === 'type' || key === 'dedup_id') {
      if (seen.includes(key)) faults.push(repeated(key));
      seen += key;
    } else {
      faults.push(unknownField(span.key));
    }
  }
  return payload;
}

function checkPayload(text: string, span: Span, value: unknown, faults: ValidationDetail[]): void {
  const { start, end, key } = span;
  if (!isRecord(value)) {
    faults.push(fault('object_type', key, 'Should be a valid object'));
    return;
  }
  // A character is at most three bytes of UTF-8 for each unit of the string.
  if ((end - start) * 3 > mostPayloadBytes) {
    const bytes = Buffer.byteLength(text.slice(start, end));
    if (bytes > mostPayloadBytes) {
      throw new Problem(
        'payload-too-large',
        `The payload has ${bytes} bytes, and at most ${mostPayloadBytes} are taken.`,
      );
    }
  }
  // What came as UTF-8 is well-formed but where an escape says otherwise.
  const escapeAt = text.indexOf('\\u', start);
  if (escapeAt === -1 || escapeAt >= end) return;
  const reason = findUnusable(value);
  if (reason !== undefined) faults.push(fault('string_unicode', key, reason));
}

function findUnusable(value: unknown): string | undefined {
  if (typeof value === 'string') return unusableText(value);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const reason = unusableText(name) ?? findUnusable(member);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function checkText(value: unknown, field: string, faults: ValidationDetail[]): void {
  if (value === undefined) {
    faults.push(fault('missing', field, 'Field required'));
  } else if (typeof value !== 'string') {
    faults.push(fault('string_type', field, 'Should be a valid string'));
  } else if (value === '') {
    faults.push(fault('string_too_short', field, 'Should have at least 1 character'));
  } else if (value.length > longestText && [...value].length > longestText) {
    faults.push(fault('string_too_long', field, `Should have at most ${longestText} characters`));
  } else {
    const reason = unusableText(value);
    if (reason !== undefined) faults.push(fault('string_unicode', field, reason));
  }
}

/** A key may be written with escapes, and then is the one it stands for. */
function readKey(written: string): string {
  return written.includes('\\') ? String(JSON.parse(`"${written}"`)) : written;
}

function decode(bytes: unknown): string {
  if (!Buffer.isBuffer(bytes)) throw refuse('object_type', 'body', 'Should be a valid object');
  // Most bodies are, and a string of them is half the size and twice as fast to search.
  if (isAscii(bytes)) return bytes.toString('latin1');
  try {
    return decoder.decode(bytes);
  } catch {
    throw refuse('json_invalid', 'body', 'Not valid UTF-8');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refuse('json_invalid', 'body', 'Not valid JSON');
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function repeated(field: string): ValidationDetail {
  return fault('json_invalid', field, 'A field appears twice');
}

function unknownField(written: string): ValidationDetail {
  const field = readKey(written).toWellFormed().replaceAll('\0', '').slice(0, 100);
  return fault('extra_forbidden', field, 'This field is not known here');
}

function fault(type: string, field: string, message: string): ValidationDetail {
  return { type, field, message };
}

function refuse(type: string, field: string, message: string): ValidationProblem {
  return new ValidationProblem([fault(type, field, message)]);
}
