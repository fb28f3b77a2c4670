/** Small drawings in SVG, for files beside a Markdown report and for what the page draws without a script. */
import { formatTick } from './format-figures.ts';
import { escapeXml } from './markup.ts';

export interface Axis {
  label: string;
  min: number;
  max: number;
  ticks: readonly { at: number; text: string }[];
}

/** Maps a value to pixels. */
export type Place = (value: number) => number;

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/**
 * Colours for a file that stands alone: on GitHub it lies on a light or a dark page. The page itself sets the same
 * names in its style sheet.
 */
const standaloneStyle = `
  svg { --ink: #1c2127; --muted: #5b6570; --line: #dfe3e8; --before: #6b7785; --after: #1463c2; --hot: #b3530d; --band: #1463c222;
    font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
  @media (prefers-color-scheme: dark) { svg { --ink: #e6e9ed; --muted: #9aa4af; --line: #2d343c; --before: #98a3b0;
    --after: #6cabf7; --hot: #f0a05a; --band: #6cabf730; } }
  .ink { fill: var(--ink); } .muted { fill: var(--muted); } .grid { stroke: var(--line); } .axis { stroke: var(--muted); }
  .title { fill: var(--ink); font-weight: 600; font-size: 13px; }
  .s0 { stroke: var(--before); fill: var(--before); } .s1 { stroke: var(--after); fill: var(--after); }
  .s2 { stroke: var(--hot); fill: var(--hot); } .hollow { fill: none; } .band { fill: var(--band); stroke: none; }
  path.s0, path.s1, path.s2 { fill: none; stroke-width: 1.75; }`;

/** Ticks at 1, 2 or 5 times a power of ten, about `count` of them. */
export function niceTicks(
  min: number,
  max: number,
  count = 5,
  write: (value: number) => string = formatTick,
): { at: number; text: string }[] {
  const span = max - min || Math.abs(max) || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? power * 10;
  const ticks: { at: number; text: string }[] = [];
  for (let index = Math.ceil(min / step - 1e-9); index * step <= max + step * 1e-9; index++)
    ticks.push({
      at: Number((index * step).toPrecision(12)),
      text: write(Number((index * step).toPrecision(12))),
    });
  return ticks;
}

export function placeX(frame: Frame, axis: Axis): Place {
  const width = frame.width - frame.left - frame.right;
  return (value) => fix(frame.left + ((value - axis.min) / (axis.max - axis.min || 1)) * width);
}

export function placeY(frame: Frame, axis: Axis): Place {
  const height = frame.height - frame.top - frame.bottom;
  return (value) =>
    fix(frame.height - frame.bottom - ((value - axis.min) / (axis.max - axis.min || 1)) * height);
}

/** Grid, ticks and axis labels; a vertical axis without a label gets neither grid nor ticks. */
export function drawAxes(frame: Frame, x: Axis, y?: Axis): string {
  const parts: string[] = [];
  const bottom = frame.height - frame.bottom;
  const right = frame.width - frame.right;
  const toX = placeX(frame, x);
  for (const { at, text } of x.ticks)
    parts.push(
      `<line class="grid" x1="${toX(at)}" y1="${frame.top}" x2="${toX(at)}" y2="${bottom}"/>`,
      `<text class="muted" x="${toX(at)}" y="${bottom + 17}" text-anchor="middle">${escapeXml(text)}</text>`,
    );
  parts.push(
    `<text class="muted" x="${right}" y="${frame.height - 4}" text-anchor="end">${escapeXml(x.label)}</text>`,
  );
  if (y === undefined) return parts.join('');
  const toY = placeY(frame, y);
  for (const { at, text } of y.ticks)
    parts.push(
      `<line class="grid" x1="${frame.left}" y1="${toY(at)}" x2="${right}" y2="${toY(at)}"/>`,
      `<text class="muted" x="${frame.left - 8}" y="${toY(at) + 4}" text-anchor="end">${escapeXml(text)}</text>`,
    );
  parts.push(`<text class="muted" x="0" y="${frame.top - 10}">${escapeXml(y.label)}</text>`);
  return parts.join('');
}

/** A line through the points that are there; it breaks where a value is missing. */
export function drawLine(points: readonly (readonly [number, number | null])[], x: Place, y: Place): string {
  let isBroken = true;
  let path = '';
  for (const [at, value] of points) {
    if (value === null) isBroken = true;
    else {
      path += `${isBroken ? 'M' : 'L'}${x(at)} ${y(value)}`;
      isBroken = false;
    }
  }
  return path;
}

/** @param label what the drawing shows, for those who do not see it */
export function wrapSvg(frame: Frame, label: string, body: string, options: { standalone: boolean }): string {
  const { width, height } = frame;
  const style = options.standalone ? `<style>${standaloneStyle}</style>` : '';
  const size = options.standalone ? ` width="${width}" height="${height}"` : '';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"${size} role="img" aria-label="${escapeXml(label)}">${style}${body}</svg>`;
}

function fix(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
