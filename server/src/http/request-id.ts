const sane = /^[A-Za-z0-9._:-]{1,128}$/;

/** The audit trail writes these for what no request did (audit/audit.ts). */
const reserved: ReadonlySet<string> = new Set(['command-line', 'service']);

/** Whether a request id that a client sent can be kept: a token that is safe in a header, a log line and SQL. */
export function isRequestId(text: string): boolean {
  return sane.test(text) && !reserved.has(text);
}

const digits = 2;
const perBlock = 36 ** digits;

/**
 * Makes request ids: a prefix that is random per process, a dash and a counter in base 36, as `k3j2h1g0wq-0001a`.
 * They tell requests apart and are no secret, so that is enough; a UUID costs ten times as much.
 *
 * @param randomBytes randomness for the prefix, 8 bytes are asked for
 */
export function createRequestIds(randomBytes: (size: number) => Buffer): () => string {
  const prefix = randomBytes(8).readBigUInt64BE().toString(36).padStart(13, '0').slice(-10);
  // The last two digits come from a table, the others change every 1,296 requests.
  const endings = Array.from({ length: perBlock }, (_, value) => value.toString(36).padStart(digits, '0'));
  let block = 0;
  let opening = '';
  let at = perBlock;
  return () => {
    if (at === perBlock) {
      opening = `${prefix}-${(block++).toString(36).padStart(3, '0')}`;
      at = 0;
    }
    return opening + endings[at++];
  };
}
