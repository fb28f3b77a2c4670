const longest = 60;

/** A value out of a file for a sentence: shortened, in quotes, and with nothing that a terminal would obey. */
export function quote(value: unknown): string {
  const text = JSON.stringify(
    typeof value === 'string' && value.length > longest ? `${value.slice(0, longest)}...` : value,
  );
  if (typeof value !== 'string' && (text === undefined || text.length > longest)) return describeKind(value);
  return text.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What kind of value it is, such as "a list". */
export function describeKind(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  const kinds: Readonly<Record<string, string>> = {
    string: 'text',
    boolean: 'true or false',
    object: 'an object',
  };
  return kinds[typeof value] ?? `a ${typeof value}`;
}
