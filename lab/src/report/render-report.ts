/** One report in the format asked for, with the files that go with it. */
import { renderCsv } from './csv.ts';
import { renderGithub } from './github.ts';
import { renderHtml } from './html.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { renderPrometheus } from './prometheus.ts';
import type { ReportDocument } from './report-document.ts';
import { drawTerminal, type TerminalLook } from './terminal.ts';

export const reportFormats = [
  'terminal',
  'markdown',
  'html',
  'csv',
  'junit',
  'github',
  'prometheus',
] as const;
export type ReportFormat = (typeof reportFormats)[number];

export interface RenderedReport {
  text: string;
  /** Beside the report: charts of Markdown. */
  files: readonly { name: string; text: string }[];
}

/** @param options.stem name of the report's file without its ending, for the files beside it; null when there is none */
export function renderReport(
  report: ReportDocument,
  format: ReportFormat,
  options: { look: TerminalLook; stem: string | null },
): RenderedReport {
  const alone = (text: string): RenderedReport => ({ text, files: [] });
  switch (format) {
    case 'terminal':
      return alone(drawTerminal(report, options.look));
    case 'html':
      return alone(renderHtml(report));
    case 'csv':
      return alone(renderCsv(report));
    case 'junit':
      return alone(renderJunit(report));
    case 'github':
      return alone(renderGithub(report));
    case 'prometheus':
      return alone(renderPrometheus(report));
    case 'markdown': {
      const { text, charts } = renderMarkdown(report, options.stem);
      return { text, files: charts.map(({ name, svg }) => ({ name, text: svg })) };
    }
  }
}
