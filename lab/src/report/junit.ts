/** JUnit XML, which every CI shows: a test case for the verdict and one for each validity mark, benchmark or rate. */
import { formatUs } from './format-figures.ts';
import { escapeXml } from './markup.ts';
import { measureNames, summariseRun } from './measures.ts';
import type { ReportDocument } from './report-document.ts';

interface Case {
  name: string;
  seconds: number;
  failure?: string;
  output?: string;
}

/** Only what the lab holds for invalid or slower is a failure; a doubt is in the output of its case. */
export function renderJunit(report: ReportDocument): string {
  const { verdict } = report;
  const cases: Case[] = [
    {
      name: 'verdict',
      seconds: report.sides.reduce(
        (sum, side) => sum + side.runs.reduce((all, run) => all + run.durationS, 0),
        0,
      ),
      ...(verdict.tone === 'bad' ? { failure: verdict.sentence } : {}),
      output: [verdict.sentence, ...report.notes.map((note) => note.text)].join('\n'),
    },
  ];
  for (const { label, marks } of report.strips) {
    for (const mark of marks) {
      const name = [label, mark.name].filter((word) => word !== '').join(': ');
      const detail = `${mark.word}: ${mark.detail}`;
      cases.push({ name, seconds: 0, ...(mark.tone === 'bad' ? { failure: detail } : { output: detail }) });
    }
  }
  if (report.result.kind === 'bench')
    for (const row of report.result.rows)
      cases.push({ name: row.name, seconds: row.meanUs / 1e6, output: `mean ${formatUs(row.meanUs)}` });
  const failures = cases.filter((one) => one.failure !== undefined).length;
  const seconds = cases.reduce((sum, one) => sum + one.seconds, 0);
  const properties = report.sides.flatMap(({ label, run }) => {
    const measures = summariseRun(run);
    return measureNames
      .filter((name) => measures[name] !== null)
      .map(
        (name) =>
          `      <property name="${escapeXml([label, name].filter(Boolean).join('.'))}" value="${measures[name]}"/>`,
      );
  });
  const suite = escapeXml(report.title);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="irontrack-lab" tests="${cases.length}" failures="${failures}" time="${seconds.toFixed(6)}">`,
    `  <testsuite name="${suite}" tests="${cases.length}" failures="${failures}" errors="0" skipped="0" time="${seconds.toFixed(6)}" timestamp="${escapeXml(report.result.createdAt)}">`,
    ...(properties.length === 0 ? [] : ['    <properties>', ...properties, '    </properties>']),
    ...cases.flatMap((one) => renderCase(suite, one)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function renderCase(suite: string, { name, seconds, failure, output }: Case): string[] {
  const lines = [
    `    <testcase classname="${suite}" name="${escapeXml(name)}" time="${seconds.toFixed(6)}">`,
  ];
  if (failure !== undefined) lines.push(`      <failure message="${escapeXml(failure)}"/>`);
  if (output !== undefined) lines.push(`      <system-out>${escapeXml(output)}</system-out>`);
  return [...lines, '    </testcase>'];
}
