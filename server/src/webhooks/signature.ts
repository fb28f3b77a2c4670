import { createHmac } from 'node:crypto';

interface SignedMessage {
  /** Stays the same however often the event is delivered. */
  id: string;
  at: Date;
  body: string;
}

/**
 * The headers of Standard Webhooks 1.0.
 *
 * @param secrets the bytes behind `whsec_`; two while a rotation overlaps, and either verifies
 */
export function signMessage({ id, at, body }: SignedMessage, secrets: readonly Uint8Array[]) {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const code = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
    return `v1,${code}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
