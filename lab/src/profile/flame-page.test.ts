import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium, type Page } from 'playwright-core';
import { buildFlame, type CpuProfile, parseCpuProfile } from './cpu-profile.ts';
import { makeFlamePage, type PageProfile, renderFlamePage } from './flame-page.ts';
import { tabulateShares } from './share-table.ts';

const chromiumPath = '/usr/bin/chromium';
const isMissing = !existsSync(chromiumPath);
const skip =
  isMissing && process.env.REQUIRE_ALL !== '1'
    ? 'needs a browser: install the Debian package chromium'
    : false;

const folder = await mkdtemp(join(tmpdir(), 'irontrack-flame-'));
after(() => rm(folder, { recursive: true }));

/** Of 100 samples: burn in each of three routes, the first the widest, named so as to break a careless page. */
function makeProfile(burning: number): PageProfile {
  const hostile = '</script><img src=x onerror=alert(1)>';
  const frame = (functionName: string, line = 1) => ({
    functionName,
    url: 'file:///app/a.ts',
    lineNumber: line,
  });
  const raw = {
    startTime: 0,
    endTime: 100_000,
    nodes: [
      { id: 1, callFrame: { functionName: '(root)', url: '', lineNumber: -1 }, children: [2, 3, 4] },
      { id: 2, callFrame: frame('routeOne'), children: [5] },
      { id: 3, callFrame: frame('routeTwo', 20), children: [6] },
      { id: 4, callFrame: frame(hostile, 30) },
      { id: 5, callFrame: frame('burn', 40) },
      { id: 6, callFrame: frame('burn', 40) },
    ],
    samples: Array.from({ length: 100 }, (_, index) => (index < burning ? 5 : index < 80 ? 6 : 4)),
    timeDeltas: Array.from({ length: 100 }, (_, index) => (index === 0 ? 0 : 1000)),
  };
  const context = { wallS: 0.1, mainThreadUs: null, threads: [], cwd: '/app', requests: 50 };
  const profile: CpuProfile = parseCpuProfile(raw, context);
  const flame = buildFlame(profile);
  return {
    profile,
    flame,
    table: tabulateShares(flame, 0.1),
    stalls: [{ startS: 0.01, lengthMs: 40, requestsHurt: 7, stack: ['burn (a.ts:41)', hostile] }],
    loop: { blockedShare: 0.4, utilization: 0.9 },
  };
}

const browser =
  skip === false
    ? await chromium.launch({
        executablePath: chromiumPath,
        headless: true,
        args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
      })
    : undefined;
after(() => browser?.close());

/** Opens the page; whatever it complains about or asks the network for is an error at the end. */
async function withPage(
  name: string,
  use: (page: Page) => Promise<void>,
  before?: PageProfile,
  width = 1000,
): Promise<void> {
  const path = join(folder, name);
  await renderFlamePage(
    path,
    makeProfile(60),
    'my <server>',
    before === undefined ? undefined : { name: 'old', recorded: before },
  );
  assert.ok(browser !== undefined, 'The Debian package chromium is missing.');
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (request.url() !== pathToFileURL(path).href) complaints.push(request.url());
  });
  try {
    await page.goto(pathToFileURL(path).href);
    await page.waitForSelector('.frame');
    await use(page);
    assert.deepEqual(complaints, []);
  } finally {
    await page.close();
  }
}

const frames = (page: Page) => page.locator('.frame');
const named = (page: Page, name: string) => page.locator('.frame', { hasText: new RegExp(`${name}$`) });
const widthOf = async (page: Page, name: string) =>
  (await named(page, name).first().boundingBox())?.width ?? 0;

test('the page draws each frame as wide as its share of the CPU', { skip }, async () => {
  await withPage('draw.html', async (page) => {
    assert.equal(await frames(page).count(), 7);
    const all = await widthOf(page, 'all CPU');
    assert.ok(all > 800);
    assert.ok(Math.abs((await widthOf(page, 'routeOne')) / all - 0.6) < 0.01);
    assert.ok(Math.abs((await widthOf(page, 'routeTwo')) / all - 0.2) < 0.01);
    assert.match(await page.locator('.sentence').innerText(), /^80 % of the CPU went to burn \(a\.ts:41\)/);
    assert.equal(await page.locator('h1').innerText(), 'my <server>');
    assert.equal(await page.locator('img').count(), 0, 'names are text, never markup');
  });
});

test('the search says how much of the CPU all matches have together', { skip }, async () => {
  await withPage('search.html', async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type('burn');
    assert.equal(await page.locator('#matches').innerText(), '80.0 % of CPU in 2 frames');
    assert.equal(await page.locator('.frame.match').count(), 2);
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.frame.match').count(), 0);
    await page.locator('input').fill('route');
    assert.equal(await page.locator('#matches').innerText(), '80.0 % of CPU in 2 frames');
    await page.locator('input').fill('nothing of that name');
    assert.equal(await page.locator('#matches').innerText(), 'no match');
  });
});

test('a click zooms in, Escape goes back, and the keyboard alone does both', { skip }, async () => {
  await withPage('zoom.html', async (page) => {
    await named(page, 'routeTwo').click();
    assert.ok((await widthOf(page, 'routeTwo')) > 800);
    assert.equal(await named(page, 'routeOne').count(), 0);
    assert.equal(
      await page
        .locator('#crumbs')
        .innerText()
        .then((text) => text.split('\n').at(-1)),
      'routeTwo',
    );
    await page.keyboard.press('Escape');
    assert.ok((await widthOf(page, 'routeTwo')) < 300);

    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
    assert.equal(await page.locator('.frame:focus').innerText(), 'routeTwo');
    await page.keyboard.press('Enter');
    assert.ok((await widthOf(page, 'routeTwo')) > 800);
    await page.keyboard.press('ArrowDown');
    const label = await page.locator('.frame:focus').getAttribute('aria-label');
    assert.match(label ?? '', /^burn a\.ts:41, 20\.0 % of CPU/);
    await page.locator('#reset').click();
    assert.equal(await frames(page).count(), 7);
  });
});

test('a pointer over a frame shows what it is and how much it takes', { skip }, async () => {
  await withPage('tip.html', async (page) => {
    await named(page, 'routeOne').hover();
    await page.mouse.move(200, 400);
    await named(page, 'routeOne').hover();
    assert.match(await page.locator('#tip').innerText(), /routeOne\s+a\.ts:2\s+60\.0 % of CPU/);
  });
});

test('a comparison says more and less in words, arrows and colour', { skip }, async () => {
  await withPage(
    'diff.html',
    async (page) => {
      assert.match(await page.locator('.sentence').innerText(), /^As much CPU per request as in old/);
      const grown = page.locator('.frame', { hasText: 'routeOne' });
      assert.equal(await grown.innerText(), '\u25b2 +200 % routeOne');
      assert.match((await grown.getAttribute('aria-label')) ?? '', /more\)/);
      assert.ok(await grown.evaluate((element) => element.classList.contains('more')));
      const shrunk = page.locator('.frame', { hasText: 'routeTwo' });
      assert.equal(await shrunk.innerText(), '\u25bc \u221267 % routeTwo');
      await page.locator('#width').selectOption('before');
      const box = await shrunk.boundingBox();
      assert.ok((box?.width ?? 0) > 500, 'as wide as it was before');
    },
    makeProfile(20),
  );
});

test('on a phone nothing is wider than the screen, in both themes', { skip }, async () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    await withPage(
      `phone-${colorScheme}.html`,
      async (page) => {
        await page.emulateMedia({ colorScheme });
        const width = await page.locator('html').evaluate((element) => element.scrollWidth);
        assert.equal(width, 390);
      },
      undefined,
      390,
    );
  }
});

test('the page is one file that allows no network, and names cannot end its script', async () => {
  const page = makeFlamePage({ title: 'x', recorded: makeProfile(60) });
  assert.match(
    page,
    /Content-Security-Policy" content="default-src 'none'; script-src 'sha256-[^']+'; style-src/,
  );
  assert.equal(page.match(/<script/g)?.length, 2);
  assert.equal(page.match(/<\/script>/g)?.length, 2);
  assert.ok(!/(?:src|href)="/.test(page.replaceAll('&lt;', '')));
  await renderFlamePage(join(folder, 'new', 'page.html'), makeProfile(60), 'x');
  assert.equal(await readFile(join(folder, 'new', 'page.html'), 'utf8'), page);
});
