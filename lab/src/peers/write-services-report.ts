/** Puts a comparison on disk: the page, and its charts beside it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { renderServicesReport, type ServicesReport } from './services-report.ts';

/**
 * Also after every run, so that what was measured stays whatever becomes of the rest.
 *
 * @param out path of the page, such as docs/peers.md; the charts' names begin with its own
 * @returns the page
 */
export function writeServicesReport(out: string, report: ServicesReport): string {
  const folder = dirname(out);
  const { markdown, charts } = renderServicesReport(report, basename(out, extname(out)));
  mkdirSync(folder, { recursive: true });
  writeFileSync(out, markdown);
  for (const { name, svg } of charts) writeFileSync(join(folder, name), `${svg}\n`);
  return markdown;
}
