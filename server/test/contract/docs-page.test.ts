import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { call, member, startTestService } from '../support/service.ts';

const chromiumPath = '/usr/bin/chromium';
const isMissing = !existsSync(chromiumPath);
/** REQUIRE_ALL=1 makes the missing browser a failure: then the test runs and says so. */
const skip =
  isMissing && process.env.REQUIRE_ALL !== '1'
    ? 'needs a browser: install the Debian package chromium'
    : false;

const service = await startTestService();

async function openPage(path: string) {
  assert.ok(!isMissing, 'The Debian package chromium is missing.');
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const page = await browser.newPage({
    viewport: { width: 1280, height: 900 },
    // Through nginx the certificate is its own authority.
    ignoreHTTPSErrors: service.url.startsWith('https:'),
  });
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(new URL(path, service.url).href);
  await page.waitForSelector('.opblock-summary-path');
  return { browser, page, complaints, requests };
}

test('the documentation page lists every operation, asks no other host for anything and has no error', {
  skip,
}, async () => {
  const { browser, page, complaints, requests } = await openPage('/docs');
  try {
    const { body } = await call(service, '/api/v1/openapi.json');
    const paths = Object.entries(Object(member(body, 'paths')));
    const documented = paths.flatMap(([path, item]) =>
      Object.keys(Object(item)).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const blocks = await page.locator('.opblock-summary').all();
    const listed = await Promise.all(
      blocks.map(async (block) => {
        const method = await block.locator('.opblock-summary-method').innerText();
        const path = await block.locator('.opblock-summary-path').getAttribute('data-path');
        return `${method} ${path}`;
      }),
    );
    assert.ok(documented.length > 25);
    assert.deepEqual(listed.sort(), documented.sort());
    assert.match(await page.title(), /IronTrack/);
    assert.match(await page.locator('.info').innerText(), /IronTrack/);

    await page.locator('#operations-Users-postUsers .opblock-summary').click();
    const details = page.locator('#operations-Users-postUsers .opblock-body');
    await details.waitFor();
    for (const status of ['201', '401', '403', '409', '422']) {
      assert.ok((await details.locator(`.response[data-code="${status}"]`).count()) === 1, status);
    }
    const screenshot = process.env.DOCS_SCREENSHOT;
    if (screenshot !== undefined) await page.screenshot({ path: screenshot, fullPage: true });
    assert.deepEqual(complaints, []);
    const hosts = new Set(requests.map((url) => new URL(url).host));
    hosts.delete('');
    assert.deepEqual([...hosts], [new URL(service.url).host]);
  } finally {
    await browser.close();
  }
});

test('a person tries an operation out on the documentation page', { skip }, async () => {
  const { browser, page, complaints } = await openPage('/docs');
  try {
    const block = page.locator('#operations-System-getPing');
    await block.locator('.opblock-summary').click();
    await block.getByRole('button', { name: 'Try it out' }).click();
    await block.getByRole('button', { name: 'Execute' }).click();
    const live = block.locator('.live-responses-table');
    await live.waitFor();
    assert.match(await live.innerText(), /200/);
    assert.match(await live.innerText(), /OK/);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
});

test('the files of the documentation page come from here and run nothing from elsewhere', async () => {
  for (const [path, type] of [
    ['/docs', 'text/html; charset=utf-8'],
    ['/docs/start.js', 'text/javascript; charset=utf-8'],
    ['/docs/swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
    ['/docs/swagger-ui.css', 'text/css; charset=utf-8'],
  ] as const) {
    const answer = await call(service, path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers.get('content-type'), type);
    const policy = answer.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self'(;|$)/);
    assert.ok(!/https?:/.test(policy), policy);
  }
  const page = String((await call(service, '/docs')).body);
  assert.deepEqual([...page.matchAll(/(?:src|href)="(?:https?:)?\/\//g)], []);
});
