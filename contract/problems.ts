/**
 * The error table. The code is API: it appears in `code` and in `type`, and never changes its meaning. The sentence
 * may improve. What only the log may know (SQL, stacks, paths) never gets here.
 */
export const problems = {
  'malformed-request': { status: 400, title: 'The request is not well-formed HTTP.' },
  'criteria-unclear': { status: 400, title: 'Give exactly one of name and slug.' },
  'not-authenticated': { status: 401, title: 'Not authenticated. Sign in and try again.' },
  'invalid-credentials': { status: 401, title: 'The e-mail or the password is wrong.' },
  'wrong-current-password': { status: 401, title: 'The current password is wrong.' },
  'refresh-token-refused': {
    status: 401,
    title: 'The refresh token is missing, expired, revoked or was used before. Sign in again.',
  },
  'api-key-missing': { status: 401, title: 'Send your API key in the header X-API-Key.' },
  'api-key-refused': {
    status: 401,
    title: 'The API key is not valid: it is unknown, or was replaced by a newer one.',
  },
  'not-permitted': { status: 403, title: 'You do not have permission to do this.' },
  'cross-site-request': {
    status: 403,
    title: 'This request came from another site. Add that origin to CORS_ORIGINS if it is yours.',
  },
  'own-account': { status: 403, title: 'You cannot do this to your own account.' },
  'primary-administrator': { status: 403, title: 'The primary administrator cannot be changed or deleted.' },
  'last-superuser': { status: 403, title: 'The last active superuser must stay one. Appoint another first.' },
  'inactive-user': { status: 403, title: 'The user is inactive. Activate the account first.' },
  'route-not-found': { status: 404, title: 'There is nothing at this path.' },
  'user-not-found': { status: 404, title: 'User not found.' },
  'session-not-found': { status: 404, title: 'Session not found.' },
  'organization-not-found': { status: 404, title: 'Organization not found.' },
  'event-not-found': { status: 404, title: 'Event not found.' },
  'catalog-item-not-found': { status: 404, title: 'There is no such entry in this list.' },
  'exercise-not-found': { status: 404, title: 'Exercise not found.' },
  'exercise-references-not-found': {
    status: 404,
    title: 'Muscles, equipment or tags that the exercise names do not exist.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'This path does not support that method. See the Allow header.',
  },
  'request-timeout': { status: 408, title: 'The request did not arrive in time.' },
  'email-taken': { status: 409, title: 'A user with this e-mail already exists.' },
  'role-already-assigned': { status: 409, title: 'The user already has this role.' },
  'role-mismatch': { status: 409, title: 'The user has another role than the one to revoke.' },
  'catalog-name-taken': { status: 409, title: 'This list has an entry of this name already.' },
  'exercise-name-taken': { status: 409, title: 'An exercise of this name already exists.' },
  'exercise-slug-taken': { status: 409, title: 'An exercise whose name makes the same slug already exists.' },
  'event-repeated': {
    status: 409,
    title: 'An event with this dedup_id was stored in the last 24 hours; event_id says which.',
  },
  'webhook-not-configured': { status: 409, title: 'There is no webhook address. Set one first.' },
  'body-too-large': { status: 413, title: 'The body is larger than this path accepts.' },
  'payload-too-large': { status: 413, title: 'The payload of the event is larger than 262,144 bytes.' },
  'uri-too-long': { status: 414, title: 'The path is too long.' },
  'unsupported-media-type': { status: 415, title: 'Send this body as another content type.' },
  'validation-failed': { status: 422, title: 'Validation Error' },
  'too-many-attempts': { status: 429, title: 'Too many attempts. Wait and try again.' },
  'event-limit-reached': {
    status: 429,
    title: 'The events of this minute are used up. Try again after the time in Retry-After.',
  },
  'headers-too-large': { status: 431, title: 'The request headers are too large.' },
  'internal-error': {
    status: 500,
    title: 'Something went wrong here. The request id helps to find out what.',
  },
  overloaded: {
    status: 503,
    title: 'More requests arrive than can be answered. Try again after the time in Retry-After.',
  },
  'hash-queue-full': {
    status: 503,
    title: 'Too many sign-ins at this moment. Try again after the time in Retry-After.',
  },
  'ingest-queue-full': {
    status: 503,
    title: 'More events are waiting to be stored than fit. Try again after the time in Retry-After.',
  },
  'database-unavailable': {
    status: 503,
    title: 'The database cannot be reached right now. Try again shortly.',
  },
  'not-ready': { status: 503, title: 'The service is starting or shutting down. Try again shortly.' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

/** `type` of RFC 9457: a stable name, not an address to fetch. */
export function problemType(code: ProblemCode): string {
  return `urn:irontrack:problem:${code}`;
}
