/** The `format`s that the contract's strings name. Each is linear in the length of the text. */
import { isEmail } from '../email.ts';

/** What a password that a person chooses must have, each with the sentence for when it has not. */
const passwordRules: readonly [RegExp, string][] = [
  [/\p{Ll}/u, 'a lower-case letter'],
  [/\p{Lu}/u, 'an upper-case letter'],
  [/\p{Nd}/u, 'a digit'],
  [/[^\p{Ll}\p{Lu}\p{Nd}]/u, 'a character that is neither a letter of those nor a digit'],
];

export function missingFromPassword(password: string): string[] {
  return passwordRules.filter(([pattern]) => !pattern.test(password)).map(([, what]) => what);
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const zonedInstant =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

/** RFC 3339 with a zone; refuses 31 February as well as hour 24. */
function isZonedInstant(text: string): boolean {
  const match = zonedInstant.exec(text);
  if (match === null) return false;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map((digits) => Number(digits ?? 0));
  // Date.UTC rolls over what is out of range, so whatever comes back changed was no date.
  const date = new Date(Date.UTC(year, month - 1, day));
  return (
    year >= 1 &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60 &&
    hasFourDigitYear(Date.parse(text))
  );
}

/** With its zone applied a time can fall out of the years 1 to 9999, and PostgreSQL reads no others that we write. */
function hasFourDigitYear(instantMs: number): boolean {
  return (
    instantMs >= Date.parse('0001-01-01T00:00:00Z') && instantMs <= Date.parse('9999-12-31T23:59:59.999Z')
  );
}

/** `''`, or http or https with a host; no white space or control character, which a URL parser would drop. */
function isWebAddressOrNothing(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text === '' || (/^https?:\/\/[^\s\u0000-\u001f\u007f]+$/i.test(text) && URL.canParse(text));
}

export const formats = {
  email: isEmail,
  'web-address-or-nothing': isWebAddressOrNothing,
  uuid: (text: string) => uuid.test(text),
  'new-password': (text: string) => missingFromPassword(text).length === 0,
  'date-time-with-zone': isZonedInstant,
  // Only in what leaves, which this program made itself.
  'date-time': isZonedInstant,
} as const;
