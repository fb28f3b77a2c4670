/** What is loaded: reads the URL that was typed, and writes it down without secrets. */
import { exitStatus, LabError } from '../exit-status.ts';

/** The kernel's limit for the path of a Unix socket, in bytes with the closing zero (unix(7): 108 on Linux). */
const socketPathBytes = 108;

/**
 * Reads a target as it was typed. With a Unix socket the URL only gives host and path, so "/me" alone will do.
 *
 * @throws LabError when it is no http or https URL, or the socket path is too long
 */
export function parseTarget(text: string, options: { socketPath?: string | undefined } = {}): { url: URL } {
  const { socketPath } = options;
  if (socketPath !== undefined && Buffer.byteLength(socketPath) >= socketPathBytes) {
    throw wrong(
      `The socket path ${socketPath} is longer than ${socketPathBytes - 1} bytes; use a shorter one.`,
    );
  }
  const whole = socketPath !== undefined && text.startsWith('/') ? `http://localhost${text}` : text;
  if (!URL.canParse(whole)) throw wrong(`${quote(text)} is not a URL; ${writeItAs(text)}.`);
  const url = new URL(whole);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw wrong(`${quote(text)} is not an http or https URL; ${writeItAs(text)}.`);
  }
  if (url.port === '0') throw wrong(`${quote(text)} has port 0; give the port the server listens on.`);
  url.hash = '';
  return { url };
}

/**
 * The path to ask for, with its query: `path` under the path of the target. A target "http://host/api/" and "/users"
 * make "/api/users"; an empty `path` is the target itself.
 */
export function pathUnderTarget(url: URL, path: string): string {
  if (path === '') return url.pathname + url.search;
  const base = url.pathname.replace(/\/+$/, '');
  return path.startsWith('/') ? base + path : `${base}/${path}`;
}

/** For reports and result files: without user info, and without what a query parameter keeps secret. */
export function describeTarget(url: URL): string {
  const safe = new URL(url);
  safe.username = '';
  safe.password = '';
  safe.hash = '';
  // Not through URLSearchParams: that would respell the parameters that stay.
  safe.search = url.search.replace(/([^?&=]+)=([^&]*)/g, (pair: string, name: string, value: string) =>
    isSecretName(decode(name)) || isJwt(value) ? `${name}=***` : pair,
  );
  return safe.href;
}

const secretParts = /token|secret|passw|signature|credential|session|jwt|authorization/;
const secretNames = /^(?:.*key|auth|code|pass|pin|pwd|sid|sig)$/;

function isSecretName(name: string): boolean {
  const letters = name.toLowerCase().replace(/[^a-z]/g, '');
  return secretParts.test(letters) || secretNames.test(letters);
}

/** Three parts of base64url, the first of which starts as every JSON object does (RFC 7519). */
function isJwt(value: string): boolean {
  return /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/.test(value);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function writeItAs(text: string): string {
  const isAlmost = /^[\w.-]+(?::\d+)?(?:\/\S*)?$/.test(text);
  return isAlmost ? `write it as http://${text}` : 'write it as http://127.0.0.1:8000/path';
}

function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}

function wrong(sentence: string): LabError {
  return new LabError(exitStatus.tool, sentence);
}
