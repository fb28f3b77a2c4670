/** The drawings of the report as SVG files: bars with their intervals, and flame graphs that need no script. */
import { formatTick } from '../report/format-figures.ts';
import { escapeXml } from '../report/markup.ts';
import { type Axis, drawAxes, type Frame, niceTicks, placeX, wrapSvg } from '../report/svg-plot.ts';
import type { FlameNode } from '../result/result.ts';

export interface Bar {
  label: string;
  value: number;
  /** Drawn as a whisker. */
  low?: number;
  high?: number;
  /** Stands out: our own server. */
  isOwn: boolean;
}

const rowHeight = 26;

/** One bar a variant, from zero. */
export function drawBars(title: string, unit: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value, high }) => Math.max(value, high ?? 0)), 1e-9) * 1.05;
  const frame: Frame = {
    width: 720,
    height: 76 + bars.length * rowHeight,
    left: 190,
    right: 24,
    top: 28,
    bottom: 42,
  };
  const x: Axis = { label: unit, min: 0, max: most, ticks: niceTicks(0, most) };
  const toX = placeX(frame, x);
  const rows = bars.map(({ label, value, low, high, isOwn }, index) => {
    const y = frame.top + 6 + index * rowHeight;
    const style = isOwn ? 's2' : 's1';
    const whisker =
      low === undefined || high === undefined
        ? ''
        : `<line class="axis" x1="${toX(Math.max(0, low))}" x2="${toX(high)}" y1="${y + 8}" y2="${y + 8}" stroke-width="2"/>`;
    return `<text class="ink" x="${frame.left - 8}" y="${y + 13}" text-anchor="end">${escapeXml(label)}</text><rect class="${style}" x="${toX(0)}" y="${y}" width="${Math.max(1, toX(value) - toX(0))}" height="16" opacity="0.75"><title>${escapeXml(`${label}: ${formatTick(value)} ${unit}`)}</title></rect>${whisker}`;
  });
  const heading = `<text class="title" x="0" y="14">${escapeXml(title)}</text>`;
  const spoken = bars.map(({ label, value }) => `${label} ${formatTick(value)}`).join('; ');
  return wrapSvg(frame, `${title}, ${unit}: ${spoken}`, heading + drawAxes(frame, x) + rows.join(''), {
    standalone: true,
  });
}

const flameWidth = 960;
const frameHeight = 17;
/** Narrower frames could not be seen. */
const leastPixels = 1.5;
const mostDepth = 26;
const pixelsPerLetter = 6.6;
const warmColours = ['#f4c27a', '#f2b36a', '#efa65b', '#f0bd8a', '#e8a86f'];
const threadColour = '#9fc3ea';
const nativeColour = '#c3c9d1';

/** Callers above, what they call below; the wider, the more CPU. */
export function drawFlame(title: string, flame: FlameNode): string {
  const depth = Math.min(mostDepth, depthOf(flame, flame.totalUs));
  const height = 28 + depth * frameHeight;
  const scale = flameWidth / Math.max(1, flame.totalUs);
  const parts: string[] = [];
  const draw = (node: FlameNode, x: number, level: number): void => {
    const width = node.totalUs * scale;
    if (width < leastPixels || level >= depth) return;
    const y = 24 + level * frameHeight;
    const share = ((node.totalUs / Math.max(1, flame.totalUs)) * 100).toFixed(1);
    const letters = Math.floor((width - 6) / pixelsPerLetter);
    const name =
      node.name.length <= letters ? node.name : `${node.name.slice(0, Math.max(0, letters - 1))}\u2026`;
    const text =
      letters < 3
        ? ''
        : `<text x="${round(x + 3)}" y="${y + 12}" font-size="11" fill="#1c2127">${escapeXml(name)}</text>`;
    parts.push(
      `<g><rect x="${round(x)}" y="${y}" width="${round(width - 0.5)}" height="${frameHeight - 1}" fill="${colourOf(node)}"><title>${escapeXml(`${node.name} ${node.where} ${share} %`)}</title></rect>${text}</g>`,
    );
    let at = x;
    for (const child of node.children) {
      draw(child, at, level + 1);
      at += child.totalUs * scale;
    }
  };
  draw(flame, 0, 0);
  const frame: Frame = { width: flameWidth, height, left: 0, right: 0, top: 0, bottom: 0 };
  const heading = `<text class="title" x="0" y="14">${escapeXml(title)}</text>`;
  return wrapSvg(frame, title, heading + parts.join(''), { standalone: true });
}

function depthOf(node: FlameNode, allUs: number): number {
  const visible = node.children.filter(
    ({ totalUs }) => (totalUs / Math.max(1, allUs)) * flameWidth >= leastPixels,
  );
  return 1 + Math.max(0, ...visible.map((child) => depthOf(child, allUs)));
}

/** By name, so that a function has one colour in every graph. */
function colourOf({ name, where }: FlameNode): string {
  if (where === 'thread') return threadColour;
  if (where === 'native' || where === '') return nativeColour;
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 9973;
  return warmColours[sum % warmColours.length] ?? nativeColour;
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
