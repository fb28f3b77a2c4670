/** Pages in ASCII, so that they can lie in a repository that asks for it: what is beyond is written as a reference. */

const dataBegin = '<script type="application/json"';
const scriptEnd = '</script>';

/** Within the data of a page as JSON escapes it, elsewhere as HTML does; scripts and styles hold none. */
export function writeAscii(page: string): string {
  const begin = page.indexOf(dataBegin);
  const end = begin < 0 ? -1 : page.indexOf(scriptEnd, begin);
  if (end < 0) return asReferences(page);
  return (
    asReferences(page.slice(0, begin)) + asEscapes(page.slice(begin, end)) + asReferences(page.slice(end))
  );
}

function asReferences(text: string): string {
  return text.replace(/[^\t\n\r\x20-\x7e]/gu, (character) => `&#${character.codePointAt(0)};`);
}

function asEscapes(text: string): string {
  return text.replace(
    /[^\t\n\r\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
