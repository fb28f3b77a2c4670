/** The flame graph in the page: drawn as one element per visible frame, so that text, zoom, print and screen readers work. */
import type { FlameData, PackedFrame } from '../flame-data.ts';

interface Frame {
  name: string;
  where: string;
  kind: string;
  totalUs: number;
  selfUs: number;
  beforeTotalUs: number;
  beforeSelfUs: number;
  parent: Frame | null;
  children: Frame[];
  depth: number;
  shade: number;
}

const rowPx = 22;
const up = '\u25b2';
const down = '\u25bc';

function find(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

const data: FlameData = JSON.parse(find('flame-data').textContent ?? '');
const graph = find('graph');
const detail = find('detail');
const tip = find('tip');
const crumbs = find('crumbs');
const matches = find('matches');
const search = document.querySelector('input');
const scalePick = document.querySelector<HTMLSelectElement>('#scale');
const widthPick = document.querySelector<HTMLSelectElement>('#width');

const root = unpack(data.root, null, 0);
let zoomed = root;
let current = root;
let pattern: ((frame: Frame) => boolean) | null = null;
let scale = data.scales?.[0] ?? {
  label: 'of CPU',
  unit: 'share',
  before: 1,
  after: Math.max(1, root.totalUs),
};
let widthOf: 'after' | 'before' = 'after';
const elements = new Map<Frame, HTMLElement>();

function unpack(packed: PackedFrame, parent: Frame | null, depth: number): Frame {
  const [name, where, kind, totalUs, selfUs, children, beforeTotalUs = 0, beforeSelfUs = 0] = packed;
  const frame: Frame = {
    name: data.strings[name] ?? '',
    where: data.strings[where] ?? '',
    kind: data.kinds[kind] ?? 'app',
    totalUs,
    selfUs,
    beforeTotalUs,
    beforeSelfUs,
    parent,
    children: [],
    depth,
    shade: 0,
  };
  frame.shade = [...frame.name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 7) % 3;
  frame.children = children.map((child) => unpack(child, frame, depth + 1));
  return frame;
}

function timeOf(frame: Frame): number {
  return widthOf === 'after' ? frame.totalUs : frame.beforeTotalUs;
}

function show(amount: number): string {
  if (scale.unit === 'share') return `${(amount * 100).toFixed(amount < 0.0995 ? 2 : 1)} %`;
  const digits = Math.abs(amount) < 10 ? 2 : Math.abs(amount) < 100 ? 1 : 0;
  const unit = scale.unit === 'us' ? '\u00b5s' : 'ms';
  return `${amount.toFixed(digits)} ${unit}`;
}

function changeOf(frame: Frame): number {
  return frame.totalUs / scale.after - frame.beforeTotalUs / scale.before;
}

/** Change against all CPU of the profile before, so that what matters little stays pale. */
function heatOf(frame: Frame): number {
  return changeOf(frame) / (root.beforeTotalUs / scale.before || 1);
}

function showChange(frame: Frame): string {
  if (frame.beforeTotalUs === 0) return `${up} new`;
  if (frame.totalUs === 0) return `${down} gone`;
  const heat = heatOf(frame);
  if (Math.abs(heat) < 0.001) return '= same';
  const percent = (frame.totalUs / scale.after / (frame.beforeTotalUs / scale.before) - 1) * 100;
  return `${heat > 0 ? `${up} +` : `${down} \u2212`}${Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 1 : 0)} %`;
}

function describe(frame: Frame): string {
  const total = frame.totalUs / scale.after;
  const parts = [`${show(total)} ${scale.label}`, `${show(frame.selfUs / scale.after)} itself`];
  if (data.scales !== null) {
    const change = changeOf(frame);
    const word = Math.abs(heatOf(frame)) < 0.001 ? 'no change' : change > 0 ? 'more' : 'less';
    const by = word === 'no change' ? '' : `${show(Math.abs(change))} `;
    parts.push(`before: ${show(frame.beforeTotalUs / scale.before)}`, `${showChange(frame)} (${by}${word})`);
  } else parts.push(`${(frame.totalUs / 1000).toFixed(1)} ms`);
  return parts.join('  \u00b7  ');
}

/** Draws the zoomed frame over the full width, its callers above it, and all below that is a pixel wide. */
function draw(): void {
  elements.clear();
  const fragment = document.createDocumentFragment();
  const leastShare = 1 / Math.max(graph.clientWidth, 320);
  let deepest = 0;
  for (let frame: Frame | null = zoomed.parent; frame !== null; frame = frame.parent) {
    fragment.prepend(place(frame, 0, 1, true));
  }
  const all = timeOf(zoomed) || 1;
  const below = (frame: Frame, left: number): void => {
    const width = timeOf(frame) / all;
    if (width < leastShare) return;
    deepest = Math.max(deepest, frame.depth);
    fragment.append(place(frame, left, width, false));
    let at = left;
    for (const child of frame.children) {
      below(child, at);
      at += timeOf(child) / all;
    }
  };
  below(zoomed, 0);
  graph.replaceChildren(fragment);
  graph.style.height = `${(deepest + 1) * rowPx}px`;
  drawCrumbs();
  if (!elements.has(current)) current = zoomed;
  elements.get(current)?.setAttribute('tabindex', '0');
  tell(current);
}

function place(frame: Frame, left: number, width: number, isCaller: boolean): HTMLElement {
  const element = document.createElement('div');
  element.className = `frame ${data.scales === null ? `k-${frame.kind} s${frame.shade}` : 'change'}`;
  if (isCaller) element.classList.add('caller');
  element.style.left = `${left * 100}%`;
  element.style.width = `${width * 100}%`;
  element.style.top = `${frame.depth * rowPx}px`;
  const isWide = width * Math.max(graph.clientWidth, 320) > 24;
  if (isWide) element.textContent = frame.name;
  if (data.scales !== null) {
    const heat = heatOf(frame);
    element.classList.add(heat > 0 ? 'more' : 'less');
    element.style.setProperty(
      '--heat',
      `${Math.min(100, Math.sqrt(Math.min(1, Math.abs(heat) / 0.2)) * 100)}%`,
    );
    if (isWide && Math.abs(heat) >= 0.001) element.textContent = `${showChange(frame)} ${frame.name}`;
  }
  if (pattern !== null) element.classList.add(pattern(frame) ? 'match' : 'other');
  element.setAttribute('role', 'treeitem');
  element.setAttribute('aria-level', String(frame.depth + 1));
  element.setAttribute('aria-selected', String(frame === zoomed));
  element.setAttribute('aria-label', `${frame.name} ${frame.where}, ${describe(frame)}`);
  element.setAttribute('tabindex', '-1');
  elements.set(frame, element);
  frames.set(element, frame);
  return element;
}

const frames = new WeakMap<Element, Frame>();

function drawCrumbs(): void {
  const path: Frame[] = [];
  for (let frame: Frame | null = zoomed; frame !== null; frame = frame.parent) path.unshift(frame);
  const last = path.slice(-4);
  crumbs.replaceChildren(
    ...last.map((frame) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = frame.name;
      button.disabled = frame === zoomed;
      button.addEventListener('click', () => zoom(frame));
      return button;
    }),
  );
  find('reset').toggleAttribute('disabled', zoomed === root);
}

function zoom(frame: Frame): void {
  zoomed = frame;
  current = frame;
  tip.hidden = true;
  draw();
  elements.get(frame)?.focus({ preventScroll: true });
}

function tell(frame: Frame): void {
  const name = document.createElement('b');
  name.textContent = frame.name;
  const where = document.createElement('span');
  where.className = 'where';
  where.textContent = ['native', 'thread'].includes(frame.where) ? '' : frame.where;
  const figures = document.createElement('span');
  figures.className = 'figures';
  figures.textContent = describe(frame);
  detail.replaceChildren(name, where, figures);
}

function focus(frame: Frame | undefined): void {
  const element = frame === undefined ? undefined : elements.get(frame);
  if (frame === undefined || element === undefined) return;
  elements.get(current)?.setAttribute('tabindex', '-1');
  current = frame;
  element.setAttribute('tabindex', '0');
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: 'nearest' });
}

/** The next frame on the same row, whoever called it. */
function neighbour(step: 1 | -1): Frame | undefined {
  const row = [...elements.keys()].filter((frame) => frame.depth === current.depth);
  return row[row.indexOf(current) + step];
}

function widest(list: readonly Frame[]): Frame | undefined {
  return [...list].sort((a, b) => timeOf(b) - timeOf(a)).find((frame) => elements.has(frame));
}

graph.addEventListener('keydown', (event) => {
  const moves: Record<string, () => void> = {
    ArrowUp: () => focus(current.parent ?? undefined),
    ArrowDown: () => focus(widest(current.children)),
    ArrowLeft: () => focus(neighbour(-1)),
    ArrowRight: () => focus(neighbour(1)),
    Home: () => focus(root),
    Enter: () => zoom(current),
    ' ': () => zoom(current),
    Escape: () => zoom(root),
  };
  const move = moves[event.key];
  if (move === undefined) return;
  event.preventDefault();
  move();
});

function frameAt(event: Event): Frame | undefined {
  return event.target instanceof Element ? frames.get(event.target) : undefined;
}

graph.addEventListener('focusin', (event) => {
  const frame = frameAt(event);
  if (frame !== undefined) tell(frame);
});
graph.addEventListener('click', (event) => {
  const frame = frameAt(event);
  if (frame !== undefined) zoom(frame);
});
graph.addEventListener('pointermove', (event) => {
  const frame = frameAt(event);
  tip.hidden = frame === undefined || event.pointerType === 'touch';
  if (frame === undefined) return;
  tell(frame);
  tip.replaceChildren(...[...detail.childNodes].map((node) => node.cloneNode(true)));
  const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  const isLow = event.clientY + tip.offsetHeight + 24 > window.innerHeight;
  tip.style.top = `${isLow ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18}px`;
});
graph.addEventListener('pointerleave', () => {
  tip.hidden = true;
  tell(current);
});

function runSearch(): void {
  const text = search?.value.trim().toLowerCase() ?? '';
  pattern = text === '' ? null : (frame) => `${frame.name} ${frame.where}`.toLowerCase().includes(text);
  const found: Frame[] = [];
  let totalUs = 0;
  const walk = (frame: Frame, isInside: boolean): void => {
    const isMatch = pattern?.(frame) === true;
    if (isMatch) found.push(frame);
    // A match inside a match is counted with it already.
    if (isMatch && !isInside) totalUs += timeOf(frame);
    for (const child of frame.children) walk(child, isInside || isMatch);
  };
  walk(root, false);
  const share = ((totalUs / (timeOf(root) || 1)) * 100).toFixed(1);
  const count = `${found.length} ${found.length === 1 ? 'frame' : 'frames'}`;
  matches.textContent =
    pattern === null ? '' : found.length === 0 ? 'no match' : `${share} % of CPU in ${count}`;
  draw();
}

search?.addEventListener('input', runSearch);
search?.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') focus(widest([...elements.keys()].filter((frame) => pattern?.(frame) === true)));
  if (event.key !== 'Escape' || search === null) return;
  search.value = '';
  runSearch();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target === search) return;
  event.preventDefault();
  search?.focus();
});
find('reset').addEventListener('click', () => zoom(root));
scalePick?.addEventListener('change', () => {
  scale = data.scales?.[Number(scalePick.value)] ?? scale;
  draw();
});
widthPick?.addEventListener('change', () => {
  widthOf = widthPick.value === 'before' ? 'before' : 'after';
  runSearch();
});
for (const button of document.querySelectorAll<HTMLElement>('button.name')) {
  button.addEventListener('click', () => {
    if (search === null) return;
    search.value = button.dataset.search ?? '';
    zoomed = root;
    runSearch();
    search.scrollIntoView({ block: 'center', behavior: 'smooth' });
  });
}
new ResizeObserver(() => draw()).observe(graph.parentElement ?? graph);
draw();
