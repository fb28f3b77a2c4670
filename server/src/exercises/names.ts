/** How the names of exercises and of the reference lists are stored, compared and turned into slugs. */

/** As it is stored: composed (NFC), trimmed, runs of white space made one. */
export function tidyName(name: string): string {
  return name.normalize('NFC').replaceAll(/\s+/g, ' ').trim();
}

/** As it is compared, searched and ordered: tidied and in lower case. Also how reference lists store their names. */
export function nameKey(name: string): string {
  return tidyName(name).toLowerCase().normalize('NFC');
}

/**
 * Letters and digits in lower case without their accents, everything between made one hyphen: `A/B`, `A B` and `A-B`
 * are all `a-b`. Empty when the name has neither a letter nor a digit.
 */
export function slugOf(name: string): string {
  return name
    .normalize('NFKD')
    .replaceAll(/\p{M}+/gu, '')
    .toLowerCase()
    .normalize('NFC')
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-|-$/g, '');
}

/** A part of a name as it is looked for: white space at its ends counts. */
export function searchKey(searchString: string): string {
  return searchString.normalize('NFC').toLowerCase().normalize('NFC').replaceAll(/\s+/g, ' ');
}

/** A pattern for `name_key like`: any part of the name, with `%`, `_` and the backslash as plain text. */
export function containing(searchString: string): string {
  return `%${searchKey(searchString).replaceAll(/[\\%_]/g, '\\$&')}%`;
}
