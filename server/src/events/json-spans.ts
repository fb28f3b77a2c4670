/**
 * Finds where the members of a JSON object stand in its text, so that a payload can be kept byte for byte. It reads
 * structure alone: what it says holds for text that `JSON.parse` accepts, and for no other.
 */

export interface Span {
  /** The key as it is written, without its quotation marks. */
  readonly key: string;
  readonly start: number;
  /** Past the last character. */
  readonly end: number;
}

export class TooDeep extends Error {
  override readonly name = 'TooDeep';
}

/** @returns undefined when the text is not an object
 * @throws TooDeep beyond `deepest` levels, the object itself being the first */
export function findMembers(text: string, deepest: number): Span[] | undefined {
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== openBrace) return undefined;
  const spans: Span[] = [];
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) === quote) {
    const keyEnd = endOfString(text, at);
    const key = text.slice(at + 1, keyEnd - 1);
    const colon = skipSpace(text, keyEnd);
    const start = skipSpace(text, colon + 1);
    const end = endOfValue(text, start, deepest - 1);
    spans.push({ key, start, end });
    at = skipSpace(text, skipSpace(text, end) + 1);
  }
  return spans;
}

/** The items of the array that begins at `from`; each is checked for depth by whoever reads it. */
export function findItems(text: string, from: number): { start: number; end: number }[] {
  const items: { start: number; end: number }[] = [];
  let at = skipSpace(text, from + 1);
  while (at < text.length && text.charCodeAt(at) !== closeBracket) {
    const end = endOfValue(text, at, Number.POSITIVE_INFINITY);
    items.push({ start: at, end });
    const next = skipSpace(text, end);
    at = text.charCodeAt(next) === comma ? skipSpace(text, next + 1) : next;
    if (at === items.at(-1)?.start) break;
  }
  return items;
}

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

function skipSpace(text: string, from: number): number {
  let at = from;
  // Every character up to the space: others than white space do not survive JSON.parse.
  while (text.charCodeAt(at) <= 0x20) at += 1;
  return at;
}

function endOfValue(text: string, start: number, deepest: number): number {
  const first = text.charCodeAt(start);
  if (first === quote) return endOfString(text, start);
  if (first !== openBrace && first !== openBracket) return endOfWord(text, start);
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at);
      continue;
    }
    at += 1;
    if (code === openBrace || code === openBracket) {
      depth += 1;
      if (depth > deepest) throw new TooDeep();
    } else if (code === closeBrace || code === closeBracket) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return at;
}

/** Past a number, true, false or null. */
function endOfWord(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === comma || code === closeBrace || code === closeBracket || code <= 0x20) break;
    at += 1;
  }
  return at;
}

/** Past the closing quotation mark of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end + 1;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === backslash) before -= 1;
  return (at - before) % 2 === 0;
}
