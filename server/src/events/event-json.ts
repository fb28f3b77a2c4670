/** Composes the answers about events: JSON around payloads that are JSON text already and stay as they are. */
import type { EventInput } from './event-input.ts';
import type { AttemptRow, InboxRow } from './inbox.sql.ts';

const accepted = 'The event is stored.';

/** @returns the answer, and how many bytes it has: asked of the type alone, as the rest is ASCII */
export function writeStored(
  { id, createdAt }: { id: string; createdAt: string },
  organizationId: string,
  { type }: Pick<EventInput, 'type'>,
): { body: string; bytes: number } {
  const typeText = JSON.stringify(type);
  const body =
    `{"id":"${id}","event_id":"${id}","type":${typeText},"organization_id":"${organizationId}",` +
    `"status":"pending","created_at":"${createdAt}","message":"${accepted}"}`;
  return { body, bytes: body.length - typeText.length + Buffer.byteLength(typeText) };
}

export interface PageMembers {
  nextCursor: string | null;
  limit: number;
  offset: number;
  total: number | null;
}

export function writePage(rows: readonly InboxRow[], { nextCursor, ...others }: PageMembers): string {
  const members = JSON.stringify({ next_cursor: nextCursor, count: rows.length, ...others });
  return `{"events":[${rows.map(writeEvent).join(',')}],${members.slice(1)}`;
}

export function writeLeased(rows: readonly InboxRow[], until: Date): string {
  const members = JSON.stringify({ count: rows.length, leased_until: until.toISOString() });
  return `{"events":[${rows.map(writeEvent).join(',')}],${members.slice(1)}`;
}

export function writeDetails(row: InboxRow, organizationId: string, attempts: readonly AttemptRow[]): string {
  const members = JSON.stringify({
    organization_id: organizationId,
    acknowledged_at: row.status === 'delivered' ? (row.finishedAt?.toISOString() ?? null) : null,
    delivery_attempts: attempts.map(({ at, statusCode, durationMs, error }) => ({
      at: at.toISOString(),
      status_code: statusCode,
      duration_ms: durationMs,
      error,
    })),
  });
  return `${writeEvent(row).slice(0, -1)},${members.slice(1)}`;
}

function writeEvent(row: InboxRow): string {
  const { id, type, payload, dedupId, createdAt, status, attempts, nextAttemptAt, lastError } = row;
  const members = JSON.stringify({
    dedup_id: dedupId,
    created_at: createdAt.toISOString(),
    status,
    delivery_status: status,
    attempts,
    next_attempt_at: nextAttemptAt?.toISOString() ?? null,
    last_error: lastError,
  });
  return `{"id":"${id}","type":${JSON.stringify(type)},"payload":${payload},${members.slice(1)}`;
}
