/**
 * Cookies as a browser keeps them, for one target: Path, Expires, Max-Age and Secure of RFC 6265. Left out: Domain (only
 * one host is ever called), SameSite and HttpOnly (there is no other site and no script), and the name prefixes.
 */

interface Cookie {
  name: string;
  value: string;
  path: string;
  /** Milliseconds since 1970; infinite for a session cookie. */
  expiresAtMs: number;
  isSecure: boolean;
}

export interface CookieJar {
  /** Keeps, replaces or deletes what one Set-Cookie header says; what cannot be read is ignored, as RFC 6265 asks. */
  store(header: string, requestPath: string): void;
  /** The `cookie` header for a path, or of all cookies; empty without any. */
  header(requestPath?: string): string;
}

/**
 * @param sendsSecure whether cookies marked Secure are sent: over TLS and, as browsers do, to this machine
 * @param now milliseconds since 1970
 */
export function createCookieJar(sendsSecure: boolean, now: () => number = Date.now): CookieJar {
  let cookies: Cookie[] = [];

  return {
    store(header, requestPath) {
      const cookie = parseSetCookie(header, requestPath, now());
      if (cookie === undefined) return;
      const at = cookies.findIndex(({ name, path }) => name === cookie.name && path === cookie.path);
      // A cookie that is replaced keeps its place: RFC 6265 orders by the time of creation.
      if (at >= 0) cookies[at] = cookie;
      else cookies.push(cookie);
    },
    header(requestPath) {
      const time = now();
      cookies = cookies.filter(({ expiresAtMs }) => expiresAtMs > time);
      return cookies
        .filter(({ path }) => requestPath === undefined || pathMatches(requestPath, path))
        .filter(({ isSecure }) => !isSecure || sendsSecure)
        .toSorted((a, b) => b.path.length - a.path.length)
        .map(({ name, value }) => (name === '' ? value : `${name}=${value}`))
        .join('; ');
    },
  };
}

/** RFC 6265 section 5.2. */
function parseSetCookie(header: string, requestPath: string, nowMs: number): Cookie | undefined {
  const [pair = '', ...attributes] = header.split(';');
  const [name, value] = splitAtEquals(pair);
  if (name === '' || !pair.includes('=')) return undefined;
  const cookie = { name, value, path: defaultPath(requestPath), expiresAtMs: Infinity, isSecure: false };
  let maxAgeS: number | undefined;
  for (const attribute of attributes) {
    const [key, text] = splitAtEquals(attribute);
    switch (key.toLowerCase()) {
      case 'path':
        cookie.path = text.startsWith('/') ? text : defaultPath(requestPath);
        break;
      case 'secure':
        cookie.isSecure = true;
        break;
      case 'max-age':
        if (/^-?\d+$/.test(text)) maxAgeS = Number(text);
        break;
      case 'expires': {
        const time = Date.parse(text);
        if (!Number.isNaN(time)) cookie.expiresAtMs = time;
        break;
      }
      default:
    }
  }
  // Max-Age wins over Expires; zero and less delete (section 5.3).
  if (maxAgeS !== undefined) cookie.expiresAtMs = maxAgeS <= 0 ? 0 : nowMs + maxAgeS * 1000;
  return cookie;
}

function splitAtEquals(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text.trim(), ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

/** RFC 6265 section 5.1.4: the folder of what was asked for. */
function defaultPath(requestPath: string): string {
  const end = requestPath.lastIndexOf('/');
  return end <= 0 ? '/' : requestPath.slice(0, end);
}

function pathMatches(requestPath: string, cookiePath: string): boolean {
  if (requestPath === cookiePath) return true;
  return (
    requestPath.startsWith(cookiePath) && (cookiePath.endsWith('/') || requestPath[cookiePath.length] === '/')
  );
}
