/** Pages of large events: bounded by the bytes of their payloads as well as by their number. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullPageBytes, mostPayloadBytes } from '@irontrack/contract/events.ts';
import { uuidv7 } from 'uuidv7';
import { asPage, type InboxItem, readInbox, walkInbox } from '../support/events.ts';
import { callWithKey, newOrganization, type TestOrganization } from '../support/organizations.ts';
import { member, startTestService } from '../support/service.ts';

const service = await startTestService({ environment: { WEBHOOK_WORKER: 'off' } });
const { sql } = service;

/** Of two bytes each, so that characters are not taken for bytes. */
const letter = '\u00e4';
const emptyBytes = '{"x":""}'.length;

/** Stores events with payloads of these sizes, past the limits of those that are posted. @returns ids, oldest first */
async function fill(organization: TestOrganization, sizes: readonly number[]): Promise<string[]> {
  const ids: string[] = [];
  for (const bytes of sizes) {
    const id = uuidv7();
    const payload = `{"x":"${letter.repeat((bytes - emptyBytes) / 2)}"}`;
    assert.equal(Buffer.byteLength(payload), bytes);
    await sql`
      insert into events (id, organization_id, type, payload, created_at)
      values (${id}, ${organization.id}, 'a.test', ${payload}, now())`;
    ids.push(id);
  }
  return ids;
}

const bytesOf = (items: readonly InboxItem[]) =>
  items.reduce((sum, { payload }) => sum + Buffer.byteLength(JSON.stringify(payload)), 0);

/** Full by its last event and no sooner, or with room left and nothing more to come. */
function assertFilled(items: readonly InboxItem[], isLast: boolean): void {
  assert.ok(items.length > 0);
  assert.ok(bytesOf(items.slice(0, -1)) < fullPageBytes);
  assert.ok(isLast || bytesOf(items) >= fullPageBytes);
}

/** Of several sizes; some twenty fill a page. */
const manySizes = Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? 1_000 : mostPayloadBytes));

test('pages of large events end when they are full, and together hold each event once', async () => {
  const organization = await newOrganization(service);
  const ids = await fill(organization, manySizes);
  const seen: string[] = [];
  let query = '?limit=1000';
  for (let isLast = false; !isLast; ) {
    const page = await readInbox(service, organization, query);
    const next = member(page.body, 'next_cursor');
    isLast = next === null;
    assertFilled(page.items, isLast);
    assert.equal(member(page.body, 'limit'), isLast ? 1000 : page.items.length);
    seen.push(...page.ids);
    query = `?limit=1000&cursor=${next}`;
  }
  assert.deepEqual(seen, ids.toReversed());
  assert.deepEqual(await walkInbox(service, organization, 7), ids.toReversed());
  assert.deepEqual(
    (await readInbox(service, organization, '?status=pending&limit=2')).ids,
    ids.slice(-2).toReversed(),
  );
});

test('who goes on by the offset and the limit of the answer gets each event once, and all are counted', async () => {
  const organization = await newOrganization(service);
  const ids = await fill(organization, manySizes);
  const seen: string[] = [];
  for (let offset = 0; offset < ids.length; ) {
    const page = await readInbox(service, organization, `?limit=100&offset=${offset}`);
    assert.deepEqual([member(page.body, 'offset'), member(page.body, 'total')], [offset, ids.length]);
    seen.push(...page.ids);
    offset += Number(member(page.body, 'limit'));
  }
  assert.deepEqual(seen, ids.toReversed());
});

test('a page that its last event fills has no cursor where no other follows', async () => {
  const organization = await newOrganization(service);
  const quarter = fullPageBytes / 4;
  const ids = await fill(organization, [quarter, quarter, quarter, quarter]);
  const all = await readInbox(service, organization);
  assert.deepEqual(all.ids, ids.toReversed());
  assert.deepEqual([member(all.body, 'next_cursor'), member(all.body, 'limit')], [null, 100]);
  const [newest = ''] = await fill(organization, [emptyBytes]);
  const full = await readInbox(service, organization);
  assert.deepEqual(full.ids, [newest, ...ids.toReversed()]);
  const [another = ''] = await fill(organization, [quarter]);
  const cut = await readInbox(service, organization);
  assert.deepEqual(cut.ids, [another, newest, ...ids.slice(1).toReversed()]);
  const rest = await readInbox(service, organization, `?cursor=${member(cut.body, 'next_cursor')}`);
  assert.deepEqual(rest.ids, ids.slice(0, 1));
});

test('an event that is more than a page is given alone', async () => {
  const organization = await newOrganization(service);
  const ids = await fill(organization, [emptyBytes, fullPageBytes + 2, fullPageBytes + 2]);
  assert.deepEqual((await readInbox(service, organization)).ids, ids.slice(2));
  assert.deepEqual(await walkInbox(service, organization), ids.toReversed());
});

test('a lease takes the oldest until it is full and leaves the others to the next', async () => {
  const organization = await newOrganization(service);
  const ids = await fill(organization, manySizes);
  // As old ones that failed, among those that wait.
  await sql`
    update events set status = 'failed' where id = any (${`{${ids.filter((_, at) => at % 4 === 1)}}`}::uuid[])`;
  const leased: string[] = [];
  for (;;) {
    const json = { limit: 1000, lease_seconds: 600 };
    const answer = await callWithKey(service, organization, '/api/inbox/lease', { json });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const page = asPage(answer.body);
    if (page.ids.length === 0) break;
    leased.push(...page.ids);
    assertFilled(page.items, leased.length === ids.length);
    const [held] = await sql`
      select count(*)::int as count from inbox_leases where organization_id = ${organization.id}`;
    assert.equal(held?.count, leased.length, 'what is not given is not hidden');
  }
  assert.deepEqual(leased, ids);
});
