const eventApiPath = /^\/api\/(?!v1(?:[/?]|$))/;

/** Scheme and authority, which a request may name before its path (RFC 9112, 3.2.2: the absolute form). */
const origin = /^https?:\/\/[^/?#]*/i;

/**
 * Which paths are the API for programs with a key: snake_case, errors with `error` besides, and X-Response-Time.
 *
 * @param url of a route or, where none matched, as the request names it
 */
export function isEventApi(url = ''): boolean {
  return eventApiPath.test(withoutOrigin(url));
}

/** Path and query of a request's URL. */
export function withoutOrigin(url: string): string {
  return url.startsWith('/') ? url : url.replace(origin, '');
}
