/** Inboxes that are made to cost memory: many events of the largest size, asked for at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullPageBytes, mostPayloadBytes } from '@irontrack/contract/events.ts';
import { createDatabaseProxy } from '../faults/database-proxy.ts';
import { store } from '../support/events.ts';
import { newOrganization } from '../support/organizations.ts';
import { startTestService } from '../support/service.ts';

const proxy = createDatabaseProxy();
const service = await startTestService({ reachDatabase: proxy.reach });

test('of a thousand large events PostgreSQL sends no more than a page of them, and neither do we', async () => {
  const organization = await newOrganization(service, 'enterprise');
  const text = 'x'.repeat(mostPayloadBytes - '{"x":""}'.length);
  const first = await store(service, organization, { payload: { x: text } });
  // 262 MB to send, and little on disk.
  await service.sql`
    insert into events (id, organization_id, type, payload, created_at)
    select ('0199' || lpad(to_hex(n), 4, '0') || substr(e.id::text, 9))::uuid, e.organization_id, e.type, e.payload,
      e.created_at
    from events e, generate_series(1, 999) as n where e.id = ${first}`;
  const headers = { 'x-api-key': organization.apiKey };
  // Of an event beside its payload, and of what else is asked of the database meanwhile.
  const most = fullPageBytes + mostPayloadBytes + 500_000;
  for (const [path, body] of [
    ['/api/inbox?limit=1000', undefined],
    ['/api/inbox?limit=1000&offset=3', undefined],
    ['/api/inbox/lease', '{"limit":1000}'],
  ] as const) {
    const before = proxy.bytesBack;
    const answer = await fetch(new URL(path, service.url), {
      ...(body === undefined ? {} : { method: 'POST', body }),
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    });
    assert.equal(answer.status, 200);
    const { byteLength } = await answer.arrayBuffer();
    assert.ok(byteLength >= fullPageBytes && byteLength < most, `${path}: ${byteLength} bytes`);
    const sent = proxy.bytesBack - before;
    assert.ok(sent >= fullPageBytes && sent < most, `${path}: ${sent} bytes from PostgreSQL`);
  }
});
