/** Flame graphs of the report as SVG files that need no script. */
import { escapeXml } from '../report/markup.ts';
import { type Frame, wrapSvg } from '../report/svg-plot.ts';
import type { FlameNode } from '../result/result.ts';

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
