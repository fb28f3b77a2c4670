/** The report as one page in one file: needs no network, works in light and dark, on a phone, by keyboard and on paper. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Result } from '../result/result.ts';
import { drawPairs, drawRunDots } from './drawings.ts';
import { escapeHtml, escapeJson } from './markup.ts';
import { readPageFiles } from './page-files.ts';
import { type Cell, makeDocument, type ReportDocument, type ReportTable } from './report-document.ts';
import { toneSymbols } from './validity.ts';
import { type Tone, writeHeadline } from './verdict-sentence.ts';

const arrows = { up: '\u2191', down: '\u2193', level: '=' };
/** Narrow, so that the text in them can still be read on a phone. */
const narrow = { standalone: false, width: 440 };
/** Tables that come before the charts; the rest follow what they explain. */
const openingTables = new Set(['scorecard', 'changes', 'benchmarks', 'rates']);

/** Writes the page of one result into a file, its folder made when missing. */
export async function writePage(path: string, result: Result): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, renderHtml(makeDocument(result)));
}

/** @returns a complete HTML document */
export function renderHtml(report: ReportDocument): string {
  const { style, scripts, license, policy } = readPageFiles();
  const { verdict, profile } = report;
  const pick = (...ids: string[]) =>
    report.tables
      .filter((table) => ids.includes(table.id))
      .map(drawTable)
      .join('');
  const body = [
    `<header class="bar"><span><strong>${escapeHtml(report.title)}</strong></span><button id="theme" type="button" hidden>Theme: auto</button></header>`,
    '<main>',
    `<p class="badge ${verdict.tone}"><span aria-hidden="true">${symbol(verdict.tone)}</span>${escapeHtml(verdict.word)}</p>`,
    `<h1 id="verdict">${escapeHtml(writeHeadline(verdict))}</h1>`,
    `<p class="lead">${escapeHtml(report.subtitle)}</p>`,
    drawNotes(report),
    drawStrips(report),
    report.tables
      .filter((table) => openingTables.has(table.id))
      .map(drawTable)
      .join(''),
    drawKneeSection(report),
    beside(pick('figures'), drawPercentileSection(report, pick('percentiles'))),
    pick('failures'),
    drawTimeSection(report, pick('stalls')),
    pick('steps'),
    drawProfileSection(report, pick('cpu-packages', 'cpu-functions'), profile?.flamePage),
    drawSpread(report, pick('runs')),
    drawFacts(report),
    '</main>',
    `<footer>Made by irontrack-lab ${escapeHtml(report.result.labVersion)} from one result file. Charts by uPlot.<details><summary>Licence of uPlot</summary><pre>${escapeHtml(license)}</pre></details></footer>`,
  ];
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="referrer" content="no-referrer">',
    `<title>${escapeHtml(`${report.title}: ${verdict.word}`)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    ...body,
    `<script id="data" type="application/json">${escapeJson(report.page)}</script>`,
    ...scripts.map((script) => `<script>${script}</script>`),
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function symbol(tone: Tone): string {
  return toneSymbols[tone];
}

function section(id: string, title: string, note: string | undefined, inside: string, style = ''): string {
  const says = note === undefined ? '' : `<p class="note">${escapeHtml(note)}</p>`;
  return `<section${style === '' ? '' : ` class="${style}"`} aria-labelledby="h-${id}"><h2 id="h-${id}">${escapeHtml(title)}</h2>${says}${inside}</section>`;
}

/** Two sections side by side where there is room; the second alone without the first. */
function beside(first: string, second: string): string {
  return first === '' || second === '' ? first + second : `<div class="split">${first}${second}</div>`;
}

function drawNotes({ notes }: ReportDocument): string {
  if (notes.length === 0) return '';
  const items = notes.map(({ tone, text }) => `<li class="${tone}"><span>${escapeHtml(text)}</span></li>`);
  return `<ul class="notes">${items.join('')}</ul>`;
}

function drawStrips({ strips }: ReportDocument): string {
  return strips
    .map(({ label, marks }) => {
      const cells = marks.map(
        ({ name, tone, word, detail }) =>
          `<li><span class="name">${escapeHtml(name)}</span><span class="word ${tone}"><span aria-hidden="true">${symbol(tone)}</span> ${escapeHtml(word)}</span><span class="detail">${escapeHtml(detail)}</span></li>`,
      );
      const heading = label === '' ? '' : `<p class="strip-name">${escapeHtml(label)}</p>`;
      return `${heading}<ul class="strip" aria-label="Validity${label === '' ? '' : `, ${escapeHtml(label)}`}">${cells.join('')}</ul>`;
    })
    .join('');
}

function drawTable(table: ReportTable): string {
  const grid = drawGrid(table);
  if (table.folded === true)
    return `<details><summary>${escapeHtml(table.title)}, as a table</summary>${grid}</details>`;
  const isLong = table.rows.length > 14 ? 'long' : '';
  return section(table.id, table.title, table.note, grid, isLong);
}

function drawGrid({ columns, rows, title }: ReportTable): string {
  const head = columns.map(({ label, numeric }) => {
    return label === '' ? '' : `<th scope="col"${numeric ? ' class="n"' : ''}>${escapeHtml(label)}</th>`;
  });
  const body = rows.map((row) => {
    // A word in a column without a name belongs to the figure before it, so that a phone keeps them together.
    const cells = row.map((cell, index) =>
      columns[index]?.label === ''
        ? ''
        : drawCell(
            cell,
            index,
            columns[index]?.numeric === true,
            columns[index + 1]?.label === '' ? row[index + 1]?.text : undefined,
          ),
    );
    return `<tr>${cells.join('')}</tr>`;
  });
  const narrow = columns.length <= 3 ? ' narrow' : '';
  return `<div class="scroll${narrow}" role="region" aria-label="${escapeHtml(title)}" tabindex="0"><table><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

function drawCell(
  { text, tone, direction, share }: Cell,
  index: number,
  numeric: boolean,
  word?: string,
): string {
  const arrow =
    direction === undefined || text === '-' ? '' : `<span aria-hidden="true">${arrows[direction]}</span> `;
  const inside = `${share === undefined ? '' : drawShare(share)}${arrow}${escapeHtml(text)}${word === undefined ? '' : ` <span class="word">${escapeHtml(word)}</span>`}`;
  const classes = [numeric ? 'n' : tone === undefined ? '' : 'word', tone ?? ''].filter(
    (name) => name !== '',
  );
  const attribute = classes.length === 0 ? '' : ` class="${classes.join(' ')}"`;
  return index === 0 ? `<th scope="row"${attribute}>${inside}</th>` : `<td${attribute}>${inside}</td>`;
}

function drawShare(share: number): string {
  const width = Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10;
  return `<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="rest" width="100" height="10"/><rect width="${width}" height="10"/></svg>`;
}

function chart(id: string, label: string): string {
  return `<div class="chart" id="chart-${id}" role="group" aria-label="${escapeHtml(label)}; arrow keys read it point by point"></div>`;
}

function drawPercentileSection({ page }: ReportDocument, table: string): string {
  if (page.sides.length === 0) return '';
  const note =
    page.sides.length === 1
      ? 'Response counts from when the request was due, service from when it was written: the gap is waiting. Each step to the right is one nine more.'
      : 'Response time from when the request was due. Each step to the right is one nine more.';
  return section(
    'percentiles',
    'Percentiles by nines',
    note,
    chart('percentiles', 'Latency by percentile') + table,
  );
}

function drawTimeSection({ page, result }: ReportDocument, stalls: string): string {
  if (page.sides.every((side) => side.series.second.length === 0)) return '';
  const hasLanes = page.sides.some((side) => side.lanes !== null);
  const hasStalls = (page.sides.at(-1)?.stalls.length ?? 0) > 0;
  const of = result.kind === 'compare' ? ' The first pair.' : result.kind === 'knee' ? ' At the knee.' : '';
  const note = `Each second by when its requests were due.${of}${hasStalls ? ' Shaded: the event loop was stalled.' : ''}${hasLanes ? '' : ' The machine was not sampled.'}`;
  const lanes = hasLanes
    ? [
        '<p class="caption">CPU of the server and of the machine</p>',
        chart('cpu', 'CPU over time'),
        '<p class="caption">Run queue: time the server\'s threads waited for a core</p>',
        chart('queue', 'Run queue over time'),
      ].join('')
    : '';
  return (
    section('time', 'Latency over time', note, chart('time', 'Latency over time') + lanes, 'long') + stalls
  );
}

function drawKneeSection({ page: { knee } }: ReportDocument): string {
  if (knee === null) return '';
  const note =
    'Dots met the limit, crosses did not; the dashed lines are the limit and the highest rate that met it. What is far above the limit is drawn at the top edge.';
  return section('knee', 'Latency against rate', note, chart('knee', 'Latency against rate'));
}

function drawProfileSection(report: ReportDocument, tables: string, flamePage: string | undefined): string {
  if (report.profile === undefined) return '';
  const link =
    flamePage === undefined
      ? ''
      : `<p><a href="${escapeHtml(relativeLink(flamePage))}">Open the flame graph</a> of the same load.</p>`;
  return tables + link;
}

/** A file beside the page, whatever its name: a name such as "javascript:x" stays a name. */
function relativeLink(path: string): string {
  const names = path.split(/[\\/]/).filter((name) => name !== '');
  return `./${names.map(encodeURIComponent).join('/')}`;
}

function drawSpread(report: ReportDocument, table: string): string {
  const { result, sides } = report;
  if (result.kind === 'compare' && result.pairs.length > 0)
    return section(
      'pairs',
      'Every pair',
      'Change of B against A in each pair, filled where A went first. The line is the typical change, the band its interval; below zero B took less.',
      `<div class="draw">${drawPairs(result, narrow)}</div>`,
    );
  if (!sides.some((side) => side.runs.length > 1)) return '';
  const note = 'One dot a run, the reported one filled. Dots that lie apart are runs that differ.';
  return section(
    'dots',
    'Every run',
    note,
    `<div class="pair draw">${drawRunDots(sides, 'mean', narrow)}${drawRunDots(sides, 'p99', narrow)}</div>${table}`,
  );
}

function drawFacts({ facts, reproduce, result }: ReportDocument): string {
  const lists = facts.map(({ title, facts: items }) => {
    const rows = items.map(({ label, text }) => `<dt>${escapeHtml(label)}</dt><dd>${escapeHtml(text)}</dd>`);
    return `<div>${`<h2>${escapeHtml(title)}</h2>`}<dl>${rows.join('')}</dl></div>`;
  });
  const where = result.source === null ? '' : ` at commit ${result.source.sha.slice(0, 12)}`;
  return `<div class="pair">${lists.join('')}</div>${section('again', 'Measure it again', `The command that made this${where}.`, `<pre>${escapeHtml(reproduce)}</pre>`)}`;
}
