/** The report as Markdown for a pull request or a wiki; GitHub strips inline SVG, so the charts are files beside it. */
import { drawKnee, drawOverTime, drawPairs, drawPercentiles, drawRunDots } from './drawings.ts';
import type { Cell, ReportDocument, ReportTable } from './report-document.ts';
import { toneSymbols } from './validity.ts';
import { writeHeadline } from './verdict-sentence.ts';

export interface MarkdownReport {
  text: string;
  /** To be written beside the text under these names. */
  charts: readonly { name: string; svg: string }[];
}

const arrows = { up: '\u2191', down: '\u2193', level: '=' };

/** @param stem how the chart files begin: "me" makes me-percentiles.svg; null leaves the charts out */
export function renderMarkdown(report: ReportDocument, stem: string | null): MarkdownReport {
  const charts = stem === null ? [] : drawCharts(report, stem);
  const lines = [
    `# ${toneSymbols[report.verdict.tone]} ${escapeMarkdown(writeHeadline(report.verdict))}`,
    '',
  ];
  lines.push(`**${escapeMarkdown(report.title)}**: ${escapeMarkdown(report.subtitle)}`, '');
  for (const note of report.notes)
    lines.push(`> ${toneSymbols[note.tone]} ${escapeMarkdown(note.text)}`, '>');
  if (report.notes.length > 0) lines.push('');
  lines.push(...drawStrips(report));
  for (const table of report.tables) lines.push(...drawTable(table));
  for (const { name, title } of charts) lines.push(`![${escapeMarkdown(title)}](${encodeURI(name)})`, '');
  for (const { title, facts } of report.facts) {
    lines.push(`## ${escapeMarkdown(title)}`, '', row(['', '']), row(['---', '---']));
    for (const fact of facts) lines.push(row([escapeMarkdown(fact.label), escapeMarkdown(fact.text)]));
    lines.push('');
  }
  lines.push('## Measure it again', '', ...fence(report.reproduce), '');
  return { text: lines.join('\n'), charts };
}

function drawCharts(report: ReportDocument, stem: string): { name: string; title: string; svg: string }[] {
  const { page, sides, result } = report;
  const options = { standalone: true };
  const charts: { name: string; title: string; svg: string }[] = [];
  const add = (id: string, title: string, svg: string) =>
    charts.push({ name: `${stem}-${id}.svg`, title, svg });
  if (page.knee !== null) add('knee', 'Latency against rate', drawKnee(page.knee, options));
  if (page.sides.length > 0) {
    add('percentiles', 'Response time by percentile', drawPercentiles(page.sides, options));
    if (page.sides.some((side) => side.series.second.length > 1))
      add('time', 'Latency over time', drawOverTime(page.sides, options));
  }
  if (result.kind === 'compare' && result.pairs.length > 0)
    add('pairs', 'Change of every pair', drawPairs(result, options));
  else if (sides.some((side) => side.runs.length > 1))
    add('runs', 'P99 of every run', drawRunDots(sides, 'p99', options));
  return charts;
}

/** One row for each result. */
function drawStrips({ strips }: ReportDocument): string[] {
  const [first] = strips;
  if (first === undefined) return [];
  const names = ['', ...first.marks.map((mark) => escapeMarkdown(mark.name))];
  const rows = strips.map(({ label, marks }) => {
    const words = marks.map(
      (mark) =>
        `${toneSymbols[mark.tone]} **${escapeMarkdown(mark.word)}**<br>${escapeMarkdown(mark.detail)}`,
    );
    return row([escapeMarkdown(label), ...words]);
  });
  return [row(names), row(names.map(() => '---')), ...rows, ''];
}

function drawTable(table: ReportTable): string[] {
  const write = ({ text, direction, tone }: Cell) => {
    const arrow = direction === undefined || text === '-' ? '' : `${arrows[direction]} `;
    const words = escapeMarkdown(arrow + text);
    return tone === 'good' || tone === 'bad' ? `**${words}**` : words;
  };
  const body = [
    row(table.columns.map((column) => escapeMarkdown(column.label))),
    row(table.columns.map((column) => (column.numeric ? '---:' : '---'))),
    ...table.rows.map((cells) => row(cells.map(write))),
  ];
  const note = table.note === undefined ? [] : [escapeMarkdown(table.note), ''];
  if (table.folded !== true) return [`## ${escapeMarkdown(table.title)}`, '', ...note, ...body, ''];
  return [
    '<details>',
    `<summary>${escapeMarkdown(table.title)}</summary>`,
    '',
    ...note,
    ...body,
    '',
    '</details>',
    '',
  ];
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** A fence longer than any run of backticks in the text. */
function fence(text: string): string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = '`'.repeat(longest + 1);
  return [`${ticks}sh`, text.replace(/[\r\n]+/g, ' '), ticks];
}

/** Nothing in a name is markup, a link, a mention or a cell of its own. */
function escapeMarkdown(text: string): string {
  return text
    .replace(/[\r\n\u2028\u2029]+/g, ' ')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/[\\`*_{}[\]|~#@!]/g, (character) => `&#${character.charCodeAt(0)};`);
}
