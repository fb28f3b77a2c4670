import type { EventText } from './claims.sql.ts';

/** The body of a delivery. The payload goes in as the text it is, so it arrives byte for byte as it was stored. */
export function composeBody({ id, type, payload, createdAt }: EventText): string {
  return (
    `{"event_id":"${id}","event_type":${JSON.stringify(type)},"payload":${payload},` +
    `"created_at":"${createdAt.toISOString()}"}`
  );
}
