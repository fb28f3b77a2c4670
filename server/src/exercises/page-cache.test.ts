import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPageCache, joinPage, type Page, pageItem } from './page-cache.ts';

const system = { system: true, ownerId: undefined };
const both = { system: true, ownerId: 'ada' };
const own = { system: false, ownerId: 'ada' };
const bytes = (body: Buffer): Page => ({ body, etag: '"x"', headers: [] });
const page = (text: string) => async () => bytes(Buffer.from(text));
const item = pageItem;
const none = async (): Promise<Page> => assert.fail('It was made again.');

async function fill(pages: ReturnType<typeof createPageCache>) {
  await pages.read(system, 'key', page('system'));
  await pages.read(both, 'key', page('both'));
  await pages.read(own, 'key', page('own'));
}

const kept = (pages: ReturnType<typeof createPageCache>) =>
  [system, both, own].map((shown) => pages.peek(shown, 'key')?.body.toString());

test('a page is made once for everybody who asks for it at the same time', async () => {
  const pages = createPageCache();
  let made = 0;
  const make = async () => {
    made += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return bytes(Buffer.from('page'));
  };
  const answers = await Promise.all(Array.from({ length: 50 }, () => pages.read(both, 'key', make)));
  assert.equal(made, 1);
  assert.equal(new Set(answers).size, 1);
  await pages.read(both, 'key', none);
});

test('a change drops the pages that show rows of its owner, and no others', async () => {
  const pages = createPageCache();
  await fill(pages);
  pages.forget('bob');
  assert.deepEqual(kept(pages), ['system', 'both', 'own']);
  pages.forget('ada');
  assert.deepEqual(kept(pages), ['system', undefined, undefined]);
  await fill(pages);
  pages.forget(null);
  assert.deepEqual(kept(pages), [undefined, undefined, 'own']);
  await fill(pages);
  pages.forgetAll();
  assert.deepEqual(kept(pages), [undefined, undefined, undefined]);
});

test('what was being made while a row changed is given to those who waited, and not to who comes later', async () => {
  for (const change of [
    (pages: ReturnType<typeof createPageCache>) => pages.forget('ada'),
    (pages: ReturnType<typeof createPageCache>) => pages.forget(null),
    (pages: ReturnType<typeof createPageCache>) => pages.forgetAll(),
  ]) {
    const pages = createPageCache();
    const { promise, resolve } = Promise.withResolvers<Page>();
    const early = pages.read(both, 'key', () => promise);
    const items = pages.itemsOf(both);
    const totals = pages.totalsOf('ada', 'count');
    change(pages);
    const late = pages.read(both, 'key', page('new'));
    resolve(bytes(Buffer.from('old')));
    items.keep('1', true, item('old'));
    items.keep('2', false, item('old'));
    totals.keep({ system: 1, own: 1 });
    assert.equal((await early).body.toString(), 'old');
    assert.equal((await late).body.toString(), 'new');
    assert.equal(pages.peek(both, 'key')?.body.toString(), 'new');
    const now = pages.itemsOf(both);
    const counts = pages.totalsOf('ada', 'count');
    const stale = [now.find('1', true), now.find('2', false), counts.system, counts.own];
    assert.ok(stale.filter((value) => value !== undefined).length < 4);
    assert.ok(now.find('1', true) === undefined || now.find('2', false) === undefined);
  }
});

test('what changes often leaves nothing behind', async () => {
  const pages = createPageCache();
  const look = async () => {
    await pages.read(both, 'key', page('page'));
    pages.itemsOf(both).keep('1', false, item('item'));
    pages.totalsOf('ada', 'count').keep({ system: 1, own: 2 });
    return { entries: pages.counts.size, bytes: pages.counts.bytes };
  };
  const first = await look();
  for (let change = 0; change < 1_000; change += 1) {
    pages.forget(change % 2 === 0 ? 'ada' : null);
    assert.deepEqual(await look(), first);
  }
  assert.equal(first.entries, 1);
});

test('a page that could not be made is tried again', async () => {
  const pages = createPageCache();
  const fail = async () => {
    throw new Error('no database');
  };
  await assert.rejects(pages.read(own, 'key', fail), /no database/);
  assert.equal((await pages.read(own, 'key', page('page'))).body.toString(), 'page');
});

test('while no news can be heard nothing is kept, and nothing of before is left afterwards', async () => {
  const pages = createPageCache();
  await fill(pages);
  pages.itemsOf(both).keep('1', true, item('item'));
  pages.suspend();
  assert.deepEqual(kept(pages), [undefined, undefined, undefined]);
  await fill(pages);
  const deaf = pages.itemsOf(both);
  deaf.keep('2', true, item('item'));
  pages.totalsOf('ada', 'count').keep({ system: 1, own: 2 });
  assert.deepEqual(kept(pages), [undefined, undefined, undefined]);
  pages.resume();
  const items = pages.itemsOf(both);
  assert.ok(items.isEmpty);
  assert.equal(items.find('1', true) ?? items.find('2', true), undefined);
  assert.equal(pages.totalsOf('ada', 'count').system, undefined);
  await fill(pages);
  assert.deepEqual(kept(pages), ['system', 'both', 'own']);
});

test('the pages that are kept are bounded in bytes, oldest out first', async () => {
  const pages = createPageCache();
  const megabyte = Buffer.alloc(1024 * 1024, 'x');
  for (let key = 0; key < 100; key += 1) await pages.read(system, `${key}`, async () => bytes(megabyte));
  const left = Array.from({ length: 100 }, (_, key) => pages.peek(system, `${key}`) !== undefined);
  assert.equal(left.filter(Boolean).length, 47);
  assert.ok(left.at(-1) && !left[0]);
});

test('an item keeps no memory but its own bytes, whatever was made around it', () => {
  const { json, digest } = item('{"name":"\u{1f4aa}"}');
  assert.equal(json.toString(), '{"name":"\u{1f4aa}"}');
  assert.equal(json.buffer.byteLength, json.length);
  assert.equal(digest.buffer.byteLength, digest.length);
});

test('more owners than generations can be kept for start everything afresh rather than go unnoticed', async () => {
  const pages = createPageCache();
  pages.forget('ada');
  await fill(pages);
  for (let owner = 0; owner < 20_001; owner += 1) pages.forget(`owner ${owner}`);
  assert.deepEqual(kept(pages), [undefined, undefined, undefined]);
});

test('a page is its items and members as JSON, and its tag follows its bytes', () => {
  const items = [{ name: 'a' }, { name: '\u{1f4aa}' }];
  const join = (list: object[], members: object) =>
    joinPage(
      list.map((each) => item(JSON.stringify(each))),
      JSON.stringify(members),
    );
  const seen = new Map<string, string>();
  for (const list of [[], items.slice(0, 1), items.slice(1), items, items.toReversed()]) {
    for (const members of [{ limit: 2 }, { limit: 2, next_cursor: 'x' }]) {
      const { body, etag, headers } = join(list, members);
      assert.deepEqual(JSON.parse(body.toString()), { items: list, ...members });
      assert.equal(headers[1], etag);
      assert.equal(join(list, members).etag, etag);
      seen.set(etag, body.toString());
    }
  }
  assert.equal(seen.size, 10);
});
