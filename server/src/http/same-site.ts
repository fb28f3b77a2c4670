/** Tells requests that another site made a browser send from all others. */
import type { IncomingHttpHeaders } from 'node:http';

/**
 * Browsers say where an unsafe request comes from: `Sec-Fetch-Site` (W3C Fetch Metadata), or at least `Origin`
 * (RFC 6454). Whatever sends neither is no browser and carries no cookies that it did not choose to send.
 *
 * @param allowedOrigins origins that may call with credentials (CORS_ORIGINS)
 */
export function isCrossSite(headers: IncomingHttpHeaders, allowedOrigins: ReadonlySet<string>): boolean {
  const { origin } = headers;
  if (origin !== undefined && allowedOrigins.has(origin)) return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'same-site' && site !== 'none';
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== headers.host;
}
