/** Annotations that GitHub Actions shows on the run and the pull request (workflow commands). */
import type { ReportDocument } from './report-document.ts';
import type { Tone } from './verdict-sentence.ts';

const commands: Readonly<Record<Tone, string>> = {
  good: 'notice',
  plain: 'notice',
  doubt: 'warning',
  bad: 'error',
};

/** One annotation for the verdict, one for each note and each mark that is not good. */
export function renderGithub(report: ReportDocument): string {
  const lines = [annotate(report.verdict.tone, report.title, report.verdict.sentence)];
  for (const note of report.notes) lines.push(annotate(note.tone, report.title, note.text));
  for (const { label, marks } of report.strips) {
    for (const mark of marks) {
      if (mark.tone === 'good' || mark.tone === 'plain') continue;
      const name = [label, mark.name].filter((word) => word !== '').join(': ');
      lines.push(annotate(mark.tone, report.title, `${name}: ${mark.word}, ${mark.detail}`));
    }
  }
  return `${lines.join('\n')}\n`;
}

function annotate(tone: Tone, title: string, message: string): string {
  return `::${commands[tone]} title=${escapeProperty(title)}::${escapeMessage(message)}`;
}

/** As actions/toolkit reads it back: a newline would otherwise begin a new command. */
function escapeMessage(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
