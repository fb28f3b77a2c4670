/** Reads a page of an inbox that is bounded by bytes as well as by number: the largest thousand events have 262 MB. */
import type { Sql } from '../database/sql.ts';
import {
  type InboxEntry,
  type InboxPosition,
  type InboxRow,
  type Room,
  selectInbox,
  selectPayloads,
} from './inbox.sql.ts';

export interface FoundPage {
  rows: InboxRow[];
  /** Where the next page begins, below this id; undefined when none follows. */
  endsAt: string | undefined;
}

/**
 * Newest first. Payloads so small that all that are asked for fit into the room come at once, which is nearly always; for
 * larger ones, if there are any, PostgreSQL is asked again. See docs/decisions/0011-ingest.md.
 */
export async function readInboxPage(
  sql: Sql,
  position: Omit<InboxPosition, 'limit'>,
  room: Room,
): Promise<FoundPage> {
  const limit = room.events + 1;
  const found = await selectInbox(sql, { ...position, limit }, Math.floor(room.bytes / limit));
  const page = cutPage(found, room);
  const endsAt = found.length > page.length ? page.at(-1)?.id : undefined;
  return { rows: await withPayloads(sql, page), endsAt };
}

/** The first always; then as long as the payloads before it leave room. */
function cutPage(found: readonly InboxEntry[], room: Room): InboxEntry[] {
  let bytes = 0;
  const length = found.findIndex(({ payload, largeBytes }, index) => {
    const isFull = index === room.events || bytes >= room.bytes;
    bytes += largeBytes ?? Buffer.byteLength(payload ?? '');
    return isFull;
  });
  return length === -1 ? [...found] : found.slice(0, length);
}

/** Events that were deleted meanwhile, as too old, are left out. */
async function withPayloads(sql: Sql, page: readonly InboxEntry[]): Promise<InboxRow[]> {
  const large = page.filter((entry) => !hasPayload(entry)).map(({ id }) => id);
  const payloads = large.length === 0 ? undefined : await selectPayloads(sql, large);
  return page.flatMap((entry) => {
    if (hasPayload(entry)) return entry;
    const payload = payloads?.get(entry.id);
    return payload === undefined ? [] : { ...entry, payload };
  });
}

function hasPayload(entry: InboxEntry): entry is InboxEntry & InboxRow {
  return entry.payload !== null;
}
