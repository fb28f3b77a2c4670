/** The tables of the flame graph page: shares, changes, stalls. */
import { formatChange, formatShare, formatShort } from '../report/format-figures.ts';
import { escapeHtml } from '../report/markup.ts';
import type { CpuShare, Stall } from '../result/result.ts';
import type { FlameData, PackedFrame } from './flame-data.ts';
import { findOwner } from './frame-names.ts';

/** A width for SVG, as an attribute: the policy of the page forbids style attributes. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}

/** Rows with a bar: dark is its own time, pale what it calls. */
export function renderShares(rows: readonly CpuShare[], heading: string, isByFunction: boolean): string {
  const lines = rows.map((row) => {
    const { kind } = isByFunction ? findOwner(row) : { kind: row.where };
    const where = isByFunction && !['native', 'thread', 'node:', ''].includes(row.where) ? row.where : '';
    const name = isByFunction
      ? `<button type="button" class="name" data-search="${escapeHtml(`${row.name} ${where}`.trim())}">${escapeHtml(row.name)}</button>`
      : escapeHtml(row.name);
    return `<tr><td>${name}${where === '' ? '' : `<span class="where">${escapeHtml(where)}</span>`}</td>
<td class="share k-${escapeHtml(kind)}"><svg aria-hidden="true"><rect class="total" width="${percent(row.total)}" height="100%" rx="2"/><rect class="self" width="${percent(row.self)}" height="100%" rx="2"/></svg></td>
<td class="number">${formatShare(row.self)}</td><td class="number">${formatShare(row.total)}</td></tr>`;
  });
  return `<table><thead><tr><th>${heading}</th><th></th><th class="number">itself</th><th class="number">with calls</th></tr></thead>
<tbody>${lines.join('\n')}</tbody></table>`;
}

/** What built-ins and Node itself used, charged to the function of the application or a package that called them. */
export function renderCharged(rows: readonly CpuShare[]): string {
  const shown = rows.filter((row) => row.self >= 0.001);
  return renderShares(shown, 'Function, with the built-ins it calls', true).replaceAll(
    /<(td|th) class="number">[^<]*<\/\1><\/tr>/g,
    '</tr>',
  );
}

/** A strip of time and the longest, with their stacks; nothing when none were looked for. */
export function renderStalls(stalls: readonly Stall[] | undefined, seconds: number): string {
  if (stalls === undefined) return '';
  if (stalls.length === 0) {
    return '<h2>Stalls of the event loop</h2><p>None: it never stood still for 20 ms or more.</p>';
  }
  const wallS = Math.max(seconds, 0.001);
  const bars = stalls.map(
    ({ startS, lengthMs }) =>
      `<rect x="${percent(startS / wallS)}" width="${percent(Math.max(0.0015, lengthMs / 1000 / wallS))}" height="100%"/>`,
  );
  const worst = [...stalls].sort((a, b) => b.lengthMs - a.lengthMs).slice(0, 15);
  const rows = worst.map((stall) => {
    const frames = stall.stack.slice(0, 8).map((frame) => `<li>${escapeHtml(frame)}</li>`);
    const stack =
      frames.length === 0
        ? 'no JavaScript ran: the thread waited for a core, or slept in a call'
        : `<ul class="stack">${frames.join('')}</ul>`;
    return `<tr><td class="number">${stall.startS.toFixed(2)} s</td><td class="number">${stall.lengthMs.toFixed(0)} ms</td>
<td class="number">${stall.requestsHurt ?? '-'}</td><td>${stack}</td></tr>`;
  });
  return `<h2>Stalls of the event loop</h2>
<svg class="strip" role="img" aria-label="${stalls.length} stalls along ${formatShort(wallS)} seconds">${bars.join('')}</svg>
<table><thead><tr><th class="number">at</th><th class="number">length</th><th class="number">hurt</th><th>what ran most, innermost first</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`;
}

interface Changed {
  name: string;
  where: string;
  before: number;
  after: number;
}

/** Self time by function in both profiles, by how much it changed; the first scale says in what. */
export function renderChanges({ root, strings, scales }: FlameData): string {
  const [scale] = scales ?? [];
  if (scale === undefined) return '';
  const rows = new Map<string, Changed>();
  const walk = ([name, where, , , selfUs, children, , beforeSelfUs = 0]: PackedFrame): void => {
    const key = `${name}\n${where}`;
    const row = rows.get(key) ?? {
      name: strings[name] ?? '',
      where: strings[where] ?? '',
      before: 0,
      after: 0,
    };
    row.after += selfUs / scale.after;
    row.before += beforeSelfUs / scale.before;
    rows.set(key, row);
    for (const child of children) walk(child);
  };
  walk(root);
  const unit = scale.unit === 'us' ? '\u00b5s' : scale.unit === 'ms' ? 'ms' : '';
  const lines = [...rows.values()]
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before))
    .slice(0, 15)
    .filter(({ before, after }) => before !== after)
    .map(({ name, where, before, after }) => {
      const arrow = after > before ? '\u25b2' : '\u25bc';
      const change = before === 0 ? 'new' : after === 0 ? 'gone' : formatChange(after / before - 1);
      const place = ['native', 'thread', ''].includes(where)
        ? ''
        : `<span class="where">${escapeHtml(where)}</span>`;
      return `<tr><td><b>${escapeHtml(name)}</b>${place}</td><td class="number">${formatShort(before)}</td>
<td class="number">${formatShort(after)}</td><td class="number">${arrow} ${change}</td></tr>`;
    });
  return `<table><thead><tr><th>${unit} ${scale.label}</th><th class="number">before</th><th class="number">now</th><th class="number">change</th></tr></thead>
<tbody>${lines.join('\n')}</tbody></table>`;
}
