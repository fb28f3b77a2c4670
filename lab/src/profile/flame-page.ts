/** Writes a profile as one self-contained page: the sentence, the flame graph, the share tables, the stalls. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatShare, formatShort } from '../report/format-figures.ts';
import { escapeHtml, escapeJson } from '../report/markup.ts';
import type { CpuShare, FlameNode, ProfileTable, Stall } from '../result/result.ts';
import { readBrowserFile, readBrowserScript } from './browser-script.ts';
import { type FlameData, packFlame } from './flame-data.ts';
import { percent, renderChanges, renderCharged, renderShares, renderStalls } from './flame-tables.ts';
import { findOwner, type OwnerKind, ownerKinds } from './frame-names.ts';
import { chargeCallers } from './share-table.ts';

/** A profile as recordProfile gives it, or as read from a file, then without stalls. */
export interface PageProfile {
  table: ProfileTable;
  flame: FlameNode;
  /** Absent when it comes from a file. */
  stalls?: readonly Stall[];
  loop?: { blockedShare: number; utilization: number };
  profile: { context: { requests: number | null } };
}

export interface FlamePage {
  title: string;
  recorded: PageProfile;
  /** A profile to compare with; the graph then shows what changed. */
  before?: { name: string; recorded: PageProfile };
}

/** Writes the page into a file, its folder made when missing. */
export async function renderFlamePage(
  path: string,
  recorded: PageProfile,
  title: string,
  before?: FlamePage['before'],
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, makeFlamePage({ title, recorded, ...(before === undefined ? {} : { before }) }));
}

const kindNames: Readonly<Record<OwnerKind, string>> = {
  app: 'application',
  package: 'packages',
  node: 'Node',
  v8: 'V8 built-ins',
  gc: 'garbage collector',
  native: 'native I/O',
  thread: 'other threads',
  lab: 'the lab itself',
};

/** The page as text. It may load nothing: its policy allows its own script and style, by their digests, and no network. */
export function makeFlamePage(page: FlamePage): string {
  const { title, recorded, before } = page;
  const data = packFlame(basisOf(recorded), before === undefined ? null : basisOf(before.recorded));
  const style = readBrowserFile('flame-page.css');
  const script = readBrowserScript('flame-page.ts');
  const policy = [
    "default-src 'none'",
    `script-src '${digest(script)}'`,
    `style-src '${digest(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const kinds = shareByKind(recorded.flame);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}: where the CPU goes</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="sentence">${escapeHtml(before === undefined ? sumUp(recorded) : sumUpChange(data, before.name))}</p>
${renderFacts(recorded)}
${before === undefined ? renderKinds(kinds) : renderChangeLegend()}
${renderToolbar(data, before?.name)}
<div id="detail" aria-live="off"></div>
<div class="holder"><div id="graph" role="tree" aria-label="Flame graph: callers above, what they call below"></div></div>
<p class="hint keys">Click or <kbd>Enter</kbd> zooms, <kbd>Esc</kbd> goes back, arrow keys walk, <kbd>/</kbd> searches. The wider, the more CPU; what a frame calls is below it.</p>
<div id="tip" hidden></div>
<div class="tables">
<section>${renderFunctions(recorded, data)}</section>
<section><h2>By package</h2>${renderShares(recorded.table.packages.slice(0, 25), 'Package or folder', false)}
<h2>Charged to who asked for it</h2>${renderCharged(chargeCallers(recorded.flame).slice(0, 20))}</section>
</div>
${renderStalls(recorded.stalls, recorded.table.wallS)}
<footer>Shares are of the CPU that the process used by /proc, without the threads of the profiler, so that the rest
adds up to 100 %. Native I/O is what the main thread spent outside JavaScript (sockets, HTTP parser, TLS), part of which
V8 calls idle. Made by irontrack-lab.</footer>
</main>
<script type="application/json" id="flame-data">${escapeJson(data)}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

function basisOf({ flame, table, profile }: PageProfile) {
  return { flame, wallS: table.wallS, requests: profile.context.requests };
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/**
 * One sentence: "34 % of the CPU went to burnTheCpu (app.ts:4), 12 % to the garbage collector; the event loop stood
 * still for 3 % of the time."
 */
export function sumUp({ flame, loop, stalls }: PageProfile): string {
  const [first, second] = chargeCallers(flame);
  if (first === undefined || flame.totalUs === 0) return 'The process used no CPU that a profile could see.';
  const name = (row: CpuShare): string => (/:\d/.test(row.where) ? `${row.name} (${row.where})` : row.name);
  const parts = [`${formatShare(first.self)} of the CPU went to ${name(first)}`];
  if (second !== undefined) parts.push(`${formatShare(second.self)} to ${name(second)}`);
  const text = parts.join(', ');
  if (loop === undefined) return `${text}.`;
  const [longest] = [...(stalls ?? [])].sort((a, b) => b.lengthMs - a.lengthMs);
  if (longest === undefined) return `${text}; the event loop never stood still for 20 ms.`;
  const blocked = formatShare(loop.blockedShare);
  return `${text}; the event loop stood still for ${blocked} of the time, at most ${longest.lengthMs.toFixed(0)} ms at a stretch.`;
}

function sumUpChange({ root, scales }: FlameData, beforeName: string): string {
  const [, , , afterUs, , , beforeUs = 0] = root;
  const [scale] = scales ?? [];
  if (scale === undefined || beforeUs === 0) return 'There is nothing to compare with.';
  const change = afterUs / scale.after / (beforeUs / scale.before) - 1;
  const how =
    Math.abs(change) < 0.005 ? 'as much' : `${formatShare(Math.abs(change))} ${change > 0 ? 'more' : 'less'}`;
  return `${how} CPU ${scale.label} ${how === 'as much' ? 'as' : 'than'} in ${beforeName}. One profile each shows where to look; only compare decides.`.replace(
    /^a/,
    'A',
  );
}

function renderFunctions({ table }: PageProfile, data: FlameData): string {
  const byShare = `<h2>By function</h2>${renderShares(table.functions.slice(0, data.scales === null ? 40 : 15), 'Function', true)}`;
  return data.scales === null
    ? byShare
    : `<h2>What changed most, by the function itself</h2>${renderChanges(data)}${byShare}`;
}

function renderFacts({ table, loop, profile, stalls }: PageProfile): string {
  const facts: [string, string][] = [
    ['profiled', `${formatShort(table.wallS)} s`],
    ['CPU', `${formatShort(table.cpuS)} s, ${formatShort(table.cpuS / Math.max(table.wallS, 0.001))} cores`],
  ];
  const { requests } = profile.context;
  if (requests !== null && requests > 0) {
    facts.push(['answers', String(requests)]);
    facts.push(['CPU per answer', `${formatShort((table.cpuS * 1e6) / requests)} \u00b5s`]);
  }
  if (loop !== undefined) {
    facts.push(['event loop active', formatShare(loop.utilization)]);
    facts.push([
      'standing still',
      `${formatShare(loop.blockedShare)}, ${stalls?.length === 1 ? '1 stall' : `${stalls?.length ?? 0} stalls`}`,
    ]);
  }
  const rows = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`);
  return `<dl class="facts">${rows.join('')}</dl>`;
}

function shareByKind(flame: FlameNode): [OwnerKind, number][] {
  const sums = new Map<OwnerKind, number>();
  const walk = (node: FlameNode): void => {
    const { kind } = findOwner(node);
    sums.set(kind, (sums.get(kind) ?? 0) + node.selfUs);
    for (const child of node.children) walk(child);
  };
  walk(flame);
  const all = Math.max(1, flame.totalUs);
  return ownerKinds
    .map((kind): [OwnerKind, number] => [kind, (sums.get(kind) ?? 0) / all])
    .filter(([, share]) => share > 0.0005);
}

/** Widths as attributes of SVG: the policy of the page forbids style attributes. */
function renderKinds(kinds: readonly [OwnerKind, number][]): string {
  let at = 0;
  const bars = kinds.map(([kind, share]) => {
    const bar = `<rect class="k-${kind}" x="${percent(at)}" width="${percent(share)}" height="100%"/>`;
    at += share;
    return bar;
  });
  const items = kinds.map(
    ([kind, share]) => `<li><i class="k-${kind}"></i>${kindNames[kind]} <b>${formatShare(share)}</b></li>`,
  );
  return `<svg class="kinds" aria-hidden="true">${bars.join('')}</svg><ul class="legend">${items.join('')}</ul>`;
}

function renderChangeLegend(): string {
  const items = [
    ['more', '\u25b2 uses more CPU than before'],
    ['less', '\u25bc uses less, or is gone'],
    ['same', '= no change that matters'],
  ].map(([kind, text]) => `<li><i class="${kind}"></i>${text}</li>`);
  return `<p></p><ul class="legend">${items.join('')}</ul>`;
}

function renderToolbar({ scales }: FlameData, beforeName: string | undefined): string {
  const options = scales?.map((scale, index) => `<option value="${index}">CPU ${scale.label}</option>`) ?? [];
  const picks =
    scales === null
      ? ''
      : `<select id="scale" aria-label="Compare by">${options.join('')}</select>
<select id="width" aria-label="Width of the frames"><option value="after">width: now</option><option value="before">width: ${escapeHtml(beforeName ?? 'before')}</option></select>`;
  return `<div class="toolbar">
<input type="search" placeholder="Search function, file, package" aria-label="Search the frames">
<output id="matches" aria-live="polite"></output>
${picks}
<button type="button" id="reset">Whole graph</button>
<nav id="crumbs" aria-label="Zoomed into"></nav>
</div>`;
}
