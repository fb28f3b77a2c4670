import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, test } from 'node:test';
import { makeExampleKnee, makeExampleResult } from '../report/example-results.ts';
import { writeResult } from '../result/result-file.ts';
import { report } from './report.ts';

const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-report-'));
after(() => rmSync(folder, { recursive: true, force: true }));
writeResult(join(folder, 'before.json'), makeExampleResult({ durationS: 3, runs: 2 }));
writeResult(join(folder, 'after.json'), makeExampleResult({ durationS: 3, runs: 2, workUs: 120 }));
writeResult(join(folder, 'knee.json'), makeExampleKnee());

async function runReport(positionals: string[], values: Record<string, string | boolean> = {}) {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') =>
    new Writable({
      write(chunk, _, done) {
        written[name] += String(chunk);
        done();
      },
    });
  const status = await report.run(positionals, values, {
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    environment: {},
    cwd: folder,
    args: ['report', ...positionals],
    interrupted: new AbortController().signal,
  });
  return { status, ...written };
}

test('a result file is shown on the terminal, its verdict first', async () => {
  const { status, stdout } = await runReport(['before.json']);
  assert.equal(status, 0);
  assert.match(stdout, /^\+ GET \/me answered [\d,]+ requests\/s, P99 /);
});

test('two result files make a scorecard that claims no verdict', async () => {
  const { stdout } = await runReport(['before.json', 'after.json'], { format: 'markdown' });
  assert.match(stdout, /^# .*One result each: no verdict; use compare/);
  assert.match(stdout, /\| Mean \| .* \| \*\*better\*\* \|/);
});

test('the ending of the file decides the format, and Markdown brings its charts', async () => {
  const { stderr, stdout } = await runReport(['knee.json'], { out: 'out/knee.md' });
  assert.equal(stdout, '');
  assert.match(stderr, /out\/knee\.md, out\/knee-knee\.svg/);
  assert.match(readFileSync(join(folder, 'out/knee.md'), 'utf8'), /\]\(knee-knee\.svg\)/);
  assert.ok(existsSync(join(folder, 'out/knee-knee.svg')));
  await runReport(['before.json'], { out: 'page.html' });
  assert.match(readFileSync(join(folder, 'page.html'), 'utf8'), /^<!doctype html>/);
});

test('wrong usage is one sentence and status 1, results that cannot be compared are status 5', async () => {
  await assert.rejects(runReport([]), {
    name: 'LabError',
    status: 1,
    message: /takes one result file, or two/,
  });
  await assert.rejects(runReport(['before.json'], { format: 'pdf' }), {
    status: 1,
    message: /--format takes terminal, /,
  });
  await assert.rejects(runReport(['before.json', 'knee.json']), {
    status: 5,
    message: /no measure in common/,
  });
  await assert.rejects(runReport(['before.json'], { out: 'page.html/x.md' }), {
    status: 1,
    message: /^The report could not be written: /,
  });
  await assert.rejects(runReport(['missing.json']), { name: 'LabError' });
});
