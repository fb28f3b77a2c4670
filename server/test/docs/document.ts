/** Reads the repository's own documents, for the tests that hold them against the code. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const repository = new URL('../../../', import.meta.url);

/** @param path from the root of the repository */
export function readDocument(path: string): string {
  return readFileSync(new URL(path, repository), 'utf8');
}

/** The text under a heading up to the next one of the same or a higher level. */
export function sectionOf(document: string, heading: string): string {
  const lines = document.split('\n');
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading);
  assert.notEqual(start, -1, `there is no heading "${heading}"`);
  const level = levelOf(lines[start] ?? '');
  const length = lines.slice(start + 1).findIndex((line) => levelOf(line) > 0 && levelOf(line) <= level);
  return lines.slice(start, length === -1 ? undefined : start + 1 + length).join('\n');
}

function levelOf(line: string): number {
  return /^(#+) /.exec(line)?.[1]?.length ?? 0;
}

/** The rows of every table whose first column has this title, each as its cells. */
export function tableRows(text: string, firstColumn: string): string[][] {
  const rows: string[][] = [];
  let isWanted = false;
  let isInTable = false;
  for (const line of text.split('\n')) {
    if (!line.startsWith('|')) {
      isInTable = false;
      continue;
    }
    const cells = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    if (!isInTable) isWanted = cells[0] === firstColumn;
    else if (isWanted && !/^-+$/.test(cells[0] ?? '')) rows.push(cells);
    isInTable = true;
  }
  assert.ok(rows.length > 0, `there is no table whose first column is "${firstColumn}"`);
  return rows;
}

/** `code` becomes code; any other text is returned as it is. */
export function plain(cell: string | undefined): string {
  return /^`([^`]*)`$/.exec(cell ?? '')?.[1] ?? cell ?? '';
}

/** The fenced examples in one language, in order. */
export function examplesIn(document: string, language: string): string[] {
  return [...document.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(
    ([, text = '']) => text,
  );
}
