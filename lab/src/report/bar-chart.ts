/** Bars with their intervals as one SVG file: one a variant, from zero. */
import { formatTick } from './format-figures.ts';
import { escapeXml } from './markup.ts';
import { type Axis, drawAxes, type Frame, niceTicks, placeX, wrapSvg } from './svg-plot.ts';

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

/**
 * One bar a variant, from zero.
 *
 * @param whisker what the lines across the bars are, such as "95 % interval"
 */
export function drawBars(title: string, unit: string, bars: readonly Bar[], whisker: string): string {
  const hasWhiskers = bars.some(({ low, high }) => low !== undefined && high !== undefined);
  const most = Math.max(...bars.map(({ value, high }) => Math.max(value, high ?? 0)), 1e-9) * 1.05;
  const frame: Frame = {
    width: 720,
    height: 76 + bars.length * rowHeight,
    left: 190,
    right: 24,
    top: 28,
    bottom: 42,
  };
  const axisLabel = hasWhiskers ? `${unit} (line: ${whisker})` : unit;
  const x: Axis = { label: axisLabel, min: 0, max: most, ticks: niceTicks(0, most) };
  const toX = placeX(frame, x);
  const rows = bars.map(({ label, value, low, high, isOwn }, index) => {
    const y = frame.top + 6 + index * rowHeight;
    const style = isOwn ? 's2' : 's1';
    const line =
      low === undefined || high === undefined
        ? ''
        : `<line class="axis" x1="${toX(Math.max(0, low))}" x2="${toX(high)}" y1="${y + 8}" y2="${y + 8}" stroke-width="2"/>`;
    return `<text class="ink" x="${frame.left - 8}" y="${y + 13}" text-anchor="end">${escapeXml(label)}</text><rect class="${style}" x="${toX(0)}" y="${y}" width="${Math.max(1, toX(value) - toX(0))}" height="16" opacity="0.75"><title>${escapeXml(`${label}: ${formatTick(value)} ${unit}`)}</title></rect>${line}`;
  });
  const heading = `<text class="title" x="0" y="14">${escapeXml(title)}</text>`;
  const spoken = bars.map(({ label, value }) => `${label} ${formatTick(value)}`).join('; ');
  return wrapSvg(frame, `${title}, ${unit}: ${spoken}`, heading + drawAxes(frame, x) + rows.join(''), {
    standalone: true,
  });
}
