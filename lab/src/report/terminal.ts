/** The report on a terminal: fits the width, colour only where it is wanted, plain ASCII where nothing else is sure. */
import type { Result } from '../result/result.ts';
import { type Cell, makeDocument, type ReportDocument, type ReportTable } from './report-document.ts';
import { toneSymbols } from './validity.ts';
import { type Tone, writeHeadline } from './verdict-sentence.ts';

export interface TerminalLook {
  /** Columns; lines of tables wider than this lose their last columns, text wraps. */
  width: number;
  colour: boolean;
  /** False where the locale says nothing of UTF-8. */
  unicode: boolean;
}

/**
 * Reads the look off the stream and the environment: NO_COLOR (no-color.org), FORCE_COLOR, TERM=dumb, and LC_ALL,
 * LC_CTYPE or LANG for UTF-8.
 */
export function readTerminalLook(
  stream: { isTTY?: boolean; columns?: number },
  environment: Readonly<Record<string, string | undefined>>,
): TerminalLook {
  const isTerminal = stream.isTTY === true && environment.TERM !== 'dumb';
  const refused = environment.NO_COLOR !== undefined && environment.NO_COLOR !== '';
  const forced = environment.FORCE_COLOR !== undefined && !['', '0'].includes(environment.FORCE_COLOR);
  const locale = environment.LC_ALL || environment.LC_CTYPE || environment.LANG || '';
  return {
    width: Math.max(50, stream.columns ?? 100),
    colour: !refused && (isTerminal || forced),
    unicode: /utf-?8/i.test(locale),
  };
}

const colours: Readonly<Record<Tone, string>> = { good: '32', bad: '31', doubt: '33', plain: '0' };
/** Columns that the name and the word of a validity mark take. */
const markWidth = 29;
const arrows = { up: '\u2191', down: '\u2193', level: '=' };
const asciiOf: Readonly<Record<string, string>> = {
  '\u00b5': 'u',
  '\u2713': '+',
  '\u2717': 'x',
  '\u2013': '-',
  '\u2191': '^',
  '\u2193': 'v',
  '\u2026': '...',
};

/** The report of one result on the terminal of a command. */
export function renderTerminal(
  result: Result,
  context: {
    stdout: { isTTY?: boolean; columns?: number };
    environment: Readonly<Record<string, string | undefined>>;
  },
): string {
  return drawTerminal(makeDocument(result), readTerminalLook(context.stdout, context.environment));
}

/** @returns lines ending in a newline */
export function drawTerminal(report: ReportDocument, look: TerminalLook): string {
  const lines: string[] = [];
  const paint = (text: string, code: string) =>
    look.colour && code !== '0' ? `\x1b[${code}m${text}\x1b[0m` : text;
  const tone = (text: string, name: Tone) => paint(text, colours[name]);
  const add = (text: string, indent = '') => {
    lines.push(
      ...wrap(clean(text), look.width - indent.length).map((line, index) =>
        index === 0 ? line : indent + line,
      ),
    );
  };
  const { verdict } = report;
  const [head = '', ...more] = wrap(
    `${toneSymbols[verdict.tone]} ${clean(writeHeadline(verdict))}`,
    look.width - 2,
  );
  lines.push(paint(head, `1${verdict.tone === 'plain' ? '' : `;${colours[verdict.tone]}`}`));
  for (const line of more) lines.push(paint(`  ${line}`, '1'));
  for (const note of report.notes) add(`  ${toneSymbols[note.tone]} ${note.text}`, '    ');
  lines.push('');
  add(`${report.title}: ${report.subtitle}`);
  for (const strip of report.strips) {
    lines.push('');
    if (strip.label !== '') lines.push(paint(clean(strip.label), '1'));
    for (const mark of strip.marks) {
      const start = `  ${tone(`${toneSymbols[mark.tone]} ${mark.name.padEnd(10)}${mark.word.padEnd(15)}`, mark.tone)}`;
      const [detail = '', ...rest] = wrap(clean(mark.detail), Math.max(10, look.width - markWidth));
      lines.push(`${start}${detail}`, ...rest.map((line) => ' '.repeat(markWidth) + line));
    }
  }
  for (const table of report.tables)
    lines.push('', paint(clean(table.title), '1'), ...drawTable(table, look, tone));
  for (const { title, facts } of report.facts) {
    lines.push('', paint(title, '1'));
    const width = Math.max(...facts.map((fact) => fact.label.length)) + 4;
    for (const fact of facts) {
      const [first = '', ...rest] = wrap(clean(fact.text), Math.max(10, look.width - width));
      lines.push(
        `  ${fact.label.padEnd(width - 2)}${first}`,
        ...rest.map((line) => ' '.repeat(width) + line),
      );
    }
  }
  lines.push('', paint('Again', '1'));
  lines.push(`  ${clean(report.reproduce)}`);
  const text = `${lines.join('\n')}\n`;
  return look.unicode ? text : text.replace(/\P{ASCII}/gu, (character) => asciiOf[character] ?? '?');
}

/** Names come from files: an escape sequence in one must not reach the terminal. */
function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');
}

function drawTable(
  table: ReportTable,
  look: TerminalLook,
  tone: (text: string, name: Tone) => string,
): string[] {
  const longest = Math.max(16, Math.floor(look.width / 2));
  const write = (cell: Cell) => {
    const arrow = cell.direction === undefined || cell.text === '-' ? '' : `${arrows[cell.direction]} `;
    return shorten(clean(arrow + cell.text), longest);
  };
  const texts = table.rows.map((row) => row.map(write));
  const widths = table.columns.map((column, index) =>
    Math.max(column.label.length, ...texts.map((row) => row[index]?.length ?? 0)),
  );
  // Whole columns from the left as far as they fit: half a figure would be a wrong one.
  let used = 0;
  const shown = widths.filter((width) => {
    used += width + 2;
    return used <= look.width;
  }).length;
  const pad = (text: string, index: number) => {
    const width = widths[index] ?? 0;
    return table.columns[index]?.numeric === true ? text.padStart(width) : text.padEnd(width);
  };
  const join = (cells: string[]) => `  ${cells.join('  ')}`.trimEnd();
  const rows = texts.map((row, number) =>
    join(
      row
        .slice(0, shown)
        .map((text, index) => tone(pad(text, index), table.rows[number]?.[index]?.tone ?? 'plain')),
    ),
  );
  const hidden = widths.length - shown;
  return [
    join(table.columns.slice(0, shown).map((column, index) => pad(clean(column.label), index))),
    ...rows,
    ...(hidden > 0 ? [`  (${hidden} more columns need a wider terminal)`] : []),
  ];
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}\u2026`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S) /)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
