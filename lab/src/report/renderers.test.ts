import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeHistogram } from '../stats/histogram.ts';
import { renderCsv } from './csv.ts';
import {
  makeExampleBench,
  makeExampleCompare,
  makeExampleKnee,
  makeExampleResult,
} from './example-results.ts';
import { formatCount, formatShare, formatUs } from './format-figures.ts';
import { renderGithub } from './github.ts';
import { renderHtml } from './html.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { renderPrometheus } from './prometheus.ts';
import { makeDocument } from './report-document.ts';
import { drawTerminal, readTerminalLook } from './terminal.ts';

const result = makeExampleResult({ durationS: 6, runs: 3, stallMs: 120, failedShare: 0.001 });
const median = result.runs[2] ?? assert.fail('no median run');
const p99Us = decodeHistogram(median.response).percentileUs(0.99);
const report = makeDocument(result);
const plain = { width: 100, colour: false, unicode: true };
const hostile = '</script><img src=x onerror=alert(1)>\n::error::"&,%\\\u0007';

test('P99, errors and the rate are the same in every format', () => {
  const p99 = formatUs(p99Us);
  const rate = `${formatCount(median.ratePerS)}/s`;
  const failed = Object.values(median.failures).reduce((sum, count) => sum + count, 0);
  assert.ok(failed > 0);
  for (const text of [drawTerminal(report, plain), renderHtml(report)]) {
    assert.ok(text.includes(p99), p99);
    assert.ok(text.includes(rate), rate);
  }
  const markdown = renderMarkdown(report, null).text;
  assert.ok(markdown.includes(`| P99 | ${p99} |`));
  assert.ok(markdown.includes(`| Errors | ${formatCount(failed)} |`));

  const csv = renderCsv(report).split('\r\n');
  assert.ok(csv.includes(`run,,3,,p99,${p99Us},us`));
  assert.ok(csv.includes(`run,,3,,errors,${failed},requests`));
  assert.ok(csv.includes(`percentile,,,0.99,response,${p99Us},us`));
  const seconds = csv
    .filter((line) => /^second,,,\d+,ok,/.test(line))
    .map((line) => Number(line.split(',')[5]));
  assert.deepEqual(
    seconds,
    median.series.map((second) => second.ok),
  );

  const metrics = renderPrometheus(report);
  const sample = /irontrack_lab_response_seconds\{name="me",quantile="0\.99"\} (\S+)/.exec(metrics);
  assert.ok(Math.abs(Number(sample?.[1]) * 1e6 - p99Us) < 1e-6 * p99Us);
  assert.match(metrics, new RegExp(`^irontrack_lab_failed_requests\\{name="me"\\} ${failed}$`, 'm'));
  assert.match(
    metrics,
    new RegExp(`^irontrack_lab_response_seconds_count\\{name="me"\\} ${median.response.count}$`, 'm'),
  );

  assert.ok(renderJunit(report).includes(`<property name="p99" value="${p99Us}"/>`));
});

test('every format of every kind of result opens with or holds the verdict sentence', () => {
  for (const one of [result, makeExampleCompare(), makeExampleKnee(), makeExampleBench()]) {
    const document = makeDocument(one);
    const { sentence } = document.verdict;
    const start = sentence.slice(0, 30);
    assert.ok(
      drawTerminal(document, { ...plain, width: 400 })
        .split('\n')[0]
        ?.includes(start),
      start,
    );
    assert.ok(renderMarkdown(document, null).text.split('\n')[0]?.includes(start.slice(0, 12)), start);
    assert.ok(renderHtml(document).includes(`<h1 id="verdict">${sentence.slice(0, 12)}`), start);
    assert.ok(renderGithub(document).includes(start.slice(0, 12)), start);
    assert.ok(renderJunit(document).includes(start), start);
    assert.match(renderPrometheus(document), /^irontrack_lab_valid\{name="[^"]+"\} 1$/m);
  }
});

test('a name full of markup stays a name in every format', () => {
  const document = makeDocument({
    ...result,
    name: hostile,
    target: { ...result.target, scenario: hostile },
  });
  const page = renderHtml(document);
  assert.ok(!page.includes('<img'));
  assert.equal(page.match(/<script/g)?.length, page.match(/<\/script>/g)?.length);

  for (const line of renderGithub(document).trimEnd().split('\n')) {
    assert.match(line, /^::(?:notice|warning|error) title=[^:,\n]*::/);
    assert.equal(line.match(/^::error/), null);
  }
  const xml = renderJunit(document);
  assert.ok(!xml.includes('<img') && !xml.includes('\u0007'));
  assert.match(xml, /&lt;\/script&gt;/);
  assert.ok(!renderMarkdown(document, null).text.includes('<img'));
  for (const line of renderPrometheus(document).trimEnd().split('\n'))
    assert.match(line, /^(?:# (?:HELP|TYPE) .+|[a-z_]+\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+\} \S+)$/);
  assert.ok(!drawTerminal({ ...document, title: '\u001b[2J' }, plain).includes('\u001b'));
});

test('a cell that a spreadsheet would run as a formula is text in the CSV', () => {
  const bench = makeExampleBench();
  const [first] = bench.rows;
  assert.ok(first !== undefined);
  const text = renderCsv(
    makeDocument({ ...bench, rows: [{ ...first, name: '=HYPERLINK("http://x","a,b")' }] }),
  );
  assert.match(text, /^benchmark,,"'=HYPERLINK\(""http:\/\/x"",""a,b""\)",,mean,/m);
});

test('the terminal report keeps to the width, colours only where wanted and is plain ASCII when asked', () => {
  for (const width of [50, 72, 120]) {
    const lines = drawTerminal({ ...report, reproduce: '' }, { ...plain, width }).split('\n');
    const longest = lines.toSorted((a, b) => b.length - a.length)[0] ?? '';
    assert.ok(longest.length <= width, `${width}: ${longest}`);
  }
  assert.ok(!drawTerminal(report, plain).includes('\u001b'));
  assert.ok(drawTerminal(report, { ...plain, colour: true }).includes('\u001b[32m'));
  assert.match(drawTerminal(report, { ...plain, unicode: false }), /^[\n\x20-\x7e]*$/);
  const terminal = { isTTY: true, columns: 90 };
  assert.deepEqual(readTerminalLook(terminal, { LANG: 'en_US.UTF-8' }), {
    width: 90,
    colour: true,
    unicode: true,
  });
  assert.equal(readTerminalLook(terminal, { NO_COLOR: '1' }).colour, false);
  assert.equal(readTerminalLook(terminal, { TERM: 'dumb' }).colour, false);
  assert.deepEqual(readTerminalLook({}, { LC_ALL: 'C' }), { width: 100, colour: false, unicode: false });
});

test('Markdown names the chart files it comes with, and each is a drawing of its own', () => {
  const { text, charts } = renderMarkdown(report, 'me');
  assert.deepEqual(
    charts.map((chart) => chart.name),
    ['me-percentiles.svg', 'me-time.svg', 'me-runs.svg'],
  );
  for (const { name, svg } of charts) {
    assert.ok(text.includes(`](${name})`), name);
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [\s\S]*<\/svg>$/);
    assert.ok(!svg.includes('NaN'), name);
  }
});

test('an invalid result fails its JUnit case, is an error annotation and is not valid for Prometheus', () => {
  const sentence = 'The generator delivered only 72 % of the rate.';
  const document = makeDocument({ ...result, faults: [{ kind: 'rate', weight: 'invalid', sentence }] });
  assert.match(
    renderJunit(document),
    /<failure message="invalid: the generator delivered only 72 % of the rate"\/>/,
  );
  assert.match(
    renderGithub(document),
    /^::error title=me::invalid: the generator delivered only 72 %25 of the rate$/m,
  );
  assert.match(renderPrometheus(document), /^irontrack_lab_valid\{name="me"\} 0$/m);
});

test('a page of an ordinary run is under 200 KB', () => {
  const page = renderHtml(makeDocument(makeExampleResult({ durationS: 60, stallMs: 100 })));
  assert.ok(page.length < 200_000, String(page.length));
});

test('what is not all never reads as all, and what is not nothing never as nothing', () => {
  assert.equal(formatShare(0.99996), '99.9 %');
  assert.equal(formatShare(1), '100 %');
  assert.equal(formatShare(0.00045), '0.045 %');
  assert.equal(formatUs(999.7), '1.00 ms');
  assert.equal(formatUs(1_234_567), '1.23 s');
});
