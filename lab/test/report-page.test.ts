/** The page of a report in a real browser: what a person sees, with every kind of result. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import {
  makeExampleBench,
  makeExampleCompare,
  makeExampleKnee,
  makeExampleResult,
} from '../src/report/example-results.ts';
import { renderHtml } from '../src/report/html.ts';
import { makeDocument, type ReportDocument } from '../src/report/report-document.ts';

const chromiumPath = '/usr/bin/chromium';
const isMissing = !existsSync(chromiumPath);
/** REQUIRE_ALL=1 makes the missing browser a failure: then the test runs and says so. */
const skip =
  isMissing && process.env.REQUIRE_ALL !== '1'
    ? 'needs a browser: install the Debian package chromium'
    : false;

const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-page-'));
let browser: Browser | undefined;

before(async () => {
  if (skip !== false) return;
  assert.ok(!isMissing, 'The Debian package chromium is missing.');
  browser = await chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Asks again until it holds; the page's own policy forbids the polling that the browser driver would inject. */
async function until(page: Page, expression: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await page.waitForTimeout(20))
    if ((await page.evaluate(expression)) === true) return;
  assert.fail(`never held: ${expression}`);
}

interface OpenOptions {
  width?: number;
  colorScheme?: 'light' | 'dark';
}

/** Opens the report from disk, as somebody would who got the file in a mail; collects what the browser complains of. */
async function openReport(report: ReportDocument, { width = 1280, colorScheme = 'light' }: OpenOptions = {}) {
  assert.ok(browser !== undefined);
  const path = join(folder, `page-${Math.random().toString(36).slice(2)}.html`);
  writeFileSync(path, renderHtml(report));
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  const url = pathToFileURL(path).href;
  await page.goto(url);
  return { page, complaints, elsewhere: () => requests.filter((request) => request !== url) };
}

/** For each canvas whether anything but one colour is on it, and how wide it is. */
function readCanvases(page: Page): Promise<{ id: string; colours: number; width: number }[]> {
  return page.evaluate(`[...document.querySelectorAll('canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(data.buffer);
    return { id: canvas.closest('.chart').id, colours: new Set(pixels).size, width: canvas.clientWidth };
  })`);
}

const backgroundOf = (page: Page): Promise<string> =>
  page.evaluate('getComputedStyle(document.body).backgroundColor');
const overflowOf = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

const single = makeDocument(makeExampleResult({ durationS: 20, runs: 3, stallMs: 150 }));
const scorecard = makeDocument(
  makeExampleResult({ durationS: 10, runs: 3, stallMs: 150 }),
  makeExampleResult({ durationS: 10, runs: 3, workUs: 120, seed: 5 }),
);
const compare = makeDocument(makeExampleCompare());
const knee = makeDocument(makeExampleKnee());
const bench = makeDocument(makeExampleBench(), makeExampleBench(1.4));

for (const [name, report, charts] of [
  ['a run', single, ['chart-percentiles', 'chart-time', 'chart-cpu', 'chart-queue']],
  ['two runs', scorecard, ['chart-percentiles', 'chart-time', 'chart-cpu', 'chart-queue']],
  ['a compare', compare, ['chart-percentiles', 'chart-time', 'chart-cpu', 'chart-queue']],
  ['a knee', knee, ['chart-knee', 'chart-percentiles', 'chart-time', 'chart-cpu', 'chart-queue']],
  ['two benchmarks', bench, []],
] as const) {
  test(`the page of ${name} shows its verdict and its charts, without a complaint or a request`, {
    skip,
  }, async () => {
    for (const options of [{}, { colorScheme: 'dark' }, { width: 390 }] as const) {
      const { page, complaints, elsewhere } = await openReport(report, options);
      const heading = page.locator('#verdict');
      assert.ok(await heading.isVisible());
      assert.equal((await heading.innerText()).toLowerCase(), `${report.verdict.sentence}.`.toLowerCase());
      const box = await heading.boundingBox();
      assert.ok(box !== null && box.y + box.height < 500, 'the verdict is in the first screen');
      const canvases = await readCanvases(page);
      assert.deepEqual(
        canvases.map((canvas) => canvas.id),
        charts,
      );
      for (const { id, colours } of canvases) assert.ok(colours > 4, `${id} has ${colours} colours`);
      assert.equal(await overflowOf(page), 0, 'no horizontal scrolling');
      assert.deepEqual(complaints, []);
      assert.deepEqual(elsewhere(), []);
      await page.close();
    }
  });
}

test('the page is dark where the system is, and the switch reached by keyboard overrules it', {
  skip,
}, async () => {
  const { page, complaints } = await openReport(single, { colorScheme: 'dark' });
  const dark = await backgroundOf(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.id'), 'theme');
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('#theme').innerText(), 'Theme: light');
  const light = await backgroundOf(page);
  assert.notEqual(light, dark);
  assert.equal(light, 'rgb(255, 255, 255)');
  await page.keyboard.press('Space');
  assert.equal(await page.locator('#theme').innerText(), 'Theme: dark');
  assert.equal(await backgroundOf(page), dark);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('the arrow keys read a chart point by point, on every chart of the same time axis', {
  skip,
}, async () => {
  const { page } = await openReport(single);
  await page.locator('#chart-time').focus();
  for (let presses = 0; presses < 3; presses++) await page.keyboard.press('ArrowRight');
  await until(page, `document.querySelector('#chart-time .u-legend').innerText.includes('at 2 s')`);
  const second = single.sides[0]?.run.series[2];
  assert.ok(second?.maxUs !== undefined && second.maxUs !== null);
  const legend = await page.locator('#chart-time .u-legend').innerText();
  assert.match(legend, /Max\s*[\d.]+ \S+\s*P99\s*[\d.]+ \S+\s*P50\s*[\d.]+ \S+/);
  assert.match(await page.locator('#chart-cpu .u-legend').innerText(), /at [\d.]+ s\s*Server\s*[\d.]+ %/);
  await page.close();
});

test('colour is never alone: each mark and each change has its word', { skip }, async () => {
  const { page } = await openReport(scorecard);
  const marks = await page.locator('.strip .word').allInnerTexts();
  assert.equal(marks.length, 10);
  for (const mark of marks) assert.match(mark, /^\S [a-z]/);
  const changes = await page
    .locator('[aria-label="Before and after"] tbody tr td:last-child')
    .allInnerTexts();
  for (const change of changes) assert.match(change, /^[\u2191\u2193=] .*% (?:better|worse|unchanged)$/);
  await page.close();
});

test('on paper the page is light, unfolded and without its switch, and the charts fit', {
  skip,
}, async () => {
  const { page, complaints } = await openReport(single, { colorScheme: 'dark', width: 700 });
  await page.emulateMedia({ media: 'print' });
  await until(page, `document.querySelectorAll('main details:not([open])').length === 0`);
  assert.equal(await backgroundOf(page), 'rgb(255, 255, 255)');
  assert.equal(await page.locator('#theme').isVisible(), false);
  for (const { width, colours } of await readCanvases(page)) assert.ok(width <= 700 && colours > 4);
  await page.emulateMedia({ media: 'screen' });
  await until(page, `document.querySelectorAll('main details[open]').length === 0`);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a name that is markup is shown as it is and runs nothing', { skip }, async () => {
  const name = '</script><img src=x onerror="document.title=\'harmed\'">';
  const [run] = single.sides;
  assert.ok(run !== undefined && single.result.kind === 'run');
  const stall = { startS: 1, lengthMs: 50, requestsHurt: 1, stack: [name] };
  const runs = [{ ...run.run, stalls: [stall], failures: { [name]: 3 } }];
  const report = makeDocument({
    ...single.result,
    name,
    command: ['irontrack-lab', 'run', name],
    target: { ...single.result.target, scenario: name },
    runs,
    medianRun: 0,
    faults: [{ kind: name, weight: 'doubt', sentence: name }],
    profile: {
      cpuS: 1,
      wallS: 1,
      flamePage: 'javascript:alert(1)',
      functions: [{ name, where: name, self: 1, total: 1 }],
      packages: [],
    },
  });
  const { page, complaints, elsewhere } = await openReport(report);
  assert.equal(await page.locator('img').count(), 0);
  assert.ok((await page.title()).includes(name));
  assert.ok((await page.locator('#verdict').innerText()).includes('</script><img'));
  assert.match(
    (await page.getByText('Open the flame graph').getAttribute('href')) ?? '',
    /^\.\/javascript%3A/,
  );
  assert.ok((await readCanvases(page)).length > 0);
  assert.deepEqual([...complaints, ...elsewhere()], []);
  await page.close();
});

test('the policy of the page lets no script run that was not in it, nor any request out', {
  skip,
}, async () => {
  let asked = 0;
  const server = createServer((_, answer) => {
    asked++;
    answer.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const { page, complaints } = await openReport(single);
  try {
    const outcomes = await page.evaluate(`(async () => {
      const url = 'http://127.0.0.1:${address.port}/';
      const script = document.createElement('script');
      script.textContent = 'document.title = "harmed"';
      document.body.append(script);
      const image = document.createElement('img');
      const failed = new Promise((resolve) => { image.onerror = () => resolve('no image'); image.onload = resolve; });
      image.src = url;
      return [await failed, await fetch(url).then(() => 'fetched', () => 'not fetched')];
    })()`);
    assert.deepEqual(outcomes, ['no image', 'not fetched']);
    assert.notEqual(await page.title(), 'harmed');
    assert.ok(complaints.some((text) => /Content Security Policy/.test(text)));
    assert.equal(asked, 0);
  } finally {
    await page.close();
    server.close();
  }
});
