/** `irontrack-lab report`: shows one result file, or sets two side by side, in any format. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { exitStatus, LabError } from '../exit-status.ts';
import { type ReportFormat, renderReport, reportFormats } from '../report/render-report.ts';
import { makeDocument } from '../report/report-document.ts';
import { readTerminalLook } from '../report/terminal.ts';
import { readResult } from '../result/result-file.ts';
import type { LabCommand, OptionValues } from './lab-command.ts';
import { readFlag, readText } from './option-values.ts';

export const report: LabCommand = {
  summary:
    'Shows a result file, or two side by side, as text, Markdown, a page, CSV, JUnit, annotations or metrics',
  usage: '<result.json> [after.json] [options]',
  options: {
    format: {
      type: 'string',
      short: 'f',
      help: `${reportFormats.join(', ')}; by the ending of --out, else terminal`,
    },
    out: { type: 'string', short: 'o', help: 'file to write; standard output unless told' },
    force: { type: 'boolean', help: 'set two results side by side although they were not asked the same' },
  },
  async run(positionals, values, context) {
    const [first, second, ...rest] = positionals;
    if (first === undefined || rest.length > 0)
      throw new LabError(
        exitStatus.tool,
        'report takes one result file, or two: irontrack-lab report before.json after.json',
      );
    const out = readText(values, 'out');
    const format = readFormat(values, out);
    const read = (path: string) => readResult(resolve(context.cwd, path));
    const result = await read(first);
    const after = second === undefined ? undefined : await read(second);
    const document = makeDocument(result, after, { force: readFlag(values, 'force') });
    // Without a file there is nothing the charts could lie beside.
    const stem = out === undefined ? null : basename(out, extname(out));
    const look = readTerminalLook(out === undefined ? context.stdout : {}, context.environment);
    const { text, files } = renderReport(document, format, { look, stem });
    if (out === undefined) {
      context.stdout.write(text);
      return exitStatus.ok;
    }
    writeFiles(resolve(context.cwd, out), text, files);
    context.stderr.write(
      `Wrote ${[out, ...files.map((file) => join(dirname(out), file.name))].join(', ')}\n`,
    );
    return exitStatus.ok;
  },
};

const formatOfEnding: Readonly<Record<string, ReportFormat>> = {
  '.html': 'html',
  '.htm': 'html',
  '.md': 'markdown',
  '.csv': 'csv',
  '.xml': 'junit',
  '.prom': 'prometheus',
};

function readFormat(values: OptionValues, out: string | undefined): ReportFormat {
  const asked = readText(values, 'format');
  if (asked === undefined) return formatOfEnding[extname(out ?? '').toLowerCase()] ?? 'terminal';
  const format = reportFormats.find((name) => name === asked);
  if (format === undefined)
    throw new LabError(
      exitStatus.tool,
      `--format takes ${reportFormats.join(', ')}, not ${JSON.stringify(asked)}.`,
    );
  return format;
}

function writeFiles(path: string, text: string, files: readonly { name: string; text: string }[]): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    for (const file of files) writeFileSync(join(dirname(path), file.name), file.text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LabError(exitStatus.tool, `The report could not be written: ${reason}.`, { cause: error });
  }
}
