/** The two session cookies (RFC 6265bis). */

interface CookieSettings {
  secure: boolean;
  /** Use the `__Host-` and `__Secure-` names, which a browser accepts over HTTPS alone. */
  prefix: boolean;
}

export interface SessionCookies {
  readonly accessName: string;
  readonly refreshName: string;
  /** Two `Set-Cookie` values. */
  issue(accessToken: string, accessSeconds: number, refreshToken: string, refreshSeconds: number): string[];
  /** Two `Set-Cookie` values that make the browser forget both. */
  clear(): string[];
}

/** The refresh token goes only where it is used. */
const refreshPath = '/api/v1/access';

export function createSessionCookies({ secure, prefix }: CookieSettings): SessionCookies {
  const accessName = prefix ? '__Host-access_token' : 'access_token';
  const refreshName = prefix ? '__Secure-refresh_token' : 'refresh_token';
  const suffix = secure ? '; Secure' : '';
  const access = (value: string, seconds: number) =>
    `${accessName}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${suffix}`;
  const refresh = (value: string, seconds: number) =>
    `${refreshName}=${value}; Path=${refreshPath}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${suffix}`;
  return {
    accessName,
    refreshName,
    issue: (accessToken, accessSeconds, refreshToken, refreshSeconds) => [
      access(accessToken, accessSeconds),
      refresh(refreshToken, refreshSeconds),
    ],
    clear: () => [access('', 0), refresh('', 0)],
  };
}

/**
 * Finds one cookie in a `Cookie` header without taking the others apart. A value in double quotes comes out without
 * them, as some clients send it that way.
 */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined;
  let start = header.indexOf(name);
  while (start !== -1) {
    const equals = start + name.length;
    if (header.charCodeAt(equals) === 0x3d && startsCookie(header, start)) {
      const end = header.indexOf(';', equals);
      const value = header.slice(equals + 1, end === -1 ? undefined : end).trim();
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
    start = header.indexOf(name, equals);
  }
  return undefined;
}

/** A name counts only at the start of a pair: after the beginning or a semicolon, blanks aside. */
function startsCookie(header: string, index: number): boolean {
  let before = index - 1;
  while (before >= 0 && (header.charCodeAt(before) === 0x20 || header.charCodeAt(before) === 0x09))
    before -= 1;
  return before < 0 || header.charCodeAt(before) === 0x3b;
}
