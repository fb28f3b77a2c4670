/** Posting events and reading them back, for tests. */
import assert from 'node:assert/strict';
import { callWithKey, type TestOrganization } from './organizations.ts';
import { type Answer, member, type Request, textMember } from './service.ts';

type Reach = { url: string };

export interface InboxItem {
  id: string;
  type: string;
  payload: unknown;
  dedup_id: string | null;
  created_at: string;
  status: string;
  delivery_status: string;
  attempts: number;
  next_attempt_at: string | null;
  last_error: string | null;
}

export async function post(service: Reach, organization: TestOrganization, json: unknown): Promise<Answer> {
  return await callWithKey(service, organization, '/api/events', { json });
}

/** Posts bytes as they are. */
export async function postRaw(
  service: Reach,
  organization: TestOrganization,
  raw: string | Uint8Array,
  headers: Request['headers'] = {},
): Promise<Answer> {
  const json = { 'content-type': 'application/json', ...headers };
  return await callWithKey(service, organization, '/api/events', { raw, headers: json });
}

/** Posts an event that is taken. @returns its id */
export async function store(
  service: Reach,
  organization: TestOrganization,
  event: object = {},
): Promise<string> {
  const answer = await post(service, organization, { type: 'a.test', payload: {}, ...event });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return textMember(answer.body, 'id');
}

export async function readInbox(service: Reach, organization: TestOrganization, query = '') {
  const answer = await callWithKey(service, organization, `/api/inbox${query}`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
  return asPage(answer.body);
}

export function asPage(body: unknown) {
  const events = member(body, 'events');
  assert.ok(Array.isArray(events));
  assert.equal(member(body, 'count'), events.length);
  const items: InboxItem[] = events;
  return { body, items, ids: items.map(({ id }) => id) };
}

/** Every event of an inbox, page by page. */
export async function walkInbox(
  service: Reach,
  organization: TestOrganization,
  limit = 1000,
): Promise<string[]> {
  const ids: string[] = [];
  let query = `?limit=${limit}`;
  for (;;) {
    const page = await readInbox(service, organization, query);
    ids.push(...page.ids);
    const next = member(page.body, 'next_cursor');
    if (next === null) return ids;
    query = `?limit=${limit}&cursor=${next}`;
  }
}
