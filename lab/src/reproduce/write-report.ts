/** Writes the parts of a report as Markdown with its charts as files, and as one page with the charts inside. */
import { escapeHtml } from '../report/markup.ts';
import { writeAscii } from './ascii.ts';
import type { Part } from './report-part.ts';

/** For docs and pull requests; charts are files beside it. */
export function writeMarkdown(parts: readonly Part[]): string {
  return `${parts.map(writePart).join('\n\n')}\n`;
}

function writePart(part: Part): string {
  switch (part.kind) {
    case 'heading':
      return `${'#'.repeat(part.level)} ${escapeMarkdown(part.text)}`;
    case 'text':
      return escapeMarkdown(part.text);
    case 'list':
      return part.items.map((item) => `* ${escapeMarkdown(item)}`).join('\n');
    case 'code':
      return `\`\`\`\n${part.text}\n\`\`\``;
    case 'chart':
      return `![${escapeMarkdown(part.title)}](${part.name})`;
    case 'link':
      return `[${escapeMarkdown(part.text)}](${part.href})`;
    case 'table': {
      const line = (cells: readonly string[]) => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
      const rule = part.columns.map((_, column) => (column === 0 || part.isText === true ? '---' : '---:'));
      return [line(part.columns), `| ${rule.join(' | ')} |`, ...part.rows.map(line)].join('\n');
    }
  }
}

/** Nothing measured is markup, a link or a cell of its own. */
function escapeMarkdown(text: string): string {
  return text
    .replace(/[\r\n]+/g, ' ')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/[\\`*_{}[\]|~]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const style = `
:root { color-scheme: light dark; --ink: #1c2127; --muted: #5b6570; --line: #dfe3e8; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --muted: #9aa4af; --line: #2d343c; --paper: #15191e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; padding: 1.5rem;
  max-width: 70rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; } thead th { color: var(--muted); font-weight: 600; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid var(--line); } figure { margin: 1rem 0; overflow-x: auto; }`;

/** Loads nothing and runs no script. */
export function writePage(parts: readonly Part[]): string {
  const title = parts.find((part) => part.kind === 'heading')?.text ?? '';
  const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
  return writeAscii(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${parts.map(writeElement).join('\n')}
</body>
</html>
`);
}

function writeElement(part: Part): string {
  switch (part.kind) {
    case 'heading':
      return `<h${part.level}>${escapeHtml(part.text)}</h${part.level}>`;
    case 'text':
      return `<p>${escapeHtml(part.text)}</p>`;
    case 'list':
      return `<ul>${part.items.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul>`;
    case 'code':
      return `<pre>${escapeHtml(part.text)}</pre>`;
    case 'chart':
      return `<figure>${part.svg}</figure>`;
    case 'link':
      return `<p><a href="${escapeHtml(part.href)}">${escapeHtml(part.text)}</a></p>`;
    case 'table': {
      const isFigure = (column: number) => column > 0 && part.isText !== true;
      const cell = (tag: 'td' | 'th') => (text: string, column: number) =>
        `<${tag}${isFigure(column) ? ' class="n"' : ''}>${escapeHtml(text)}</${tag}>`;
      const body = part.rows.map((row) => `<tr>${row.map(cell('td')).join('')}</tr>`).join('');
      return `<div class="scroll"><table><thead><tr>${part.columns.map(cell('th')).join('')}</tr></thead><tbody>${body}</tbody></table></div>`;
    }
  }
}
