/** Does If-None-Match (RFC 9110, section 13.1.2) name this tag? It compares weakly: a proxy may have added `W/`. */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
