/** Reads the head of an HTTP/1.1 answer: what frames its body (RFC 9112, section 6.3), and its fields when asked. */

export interface ResponseHead {
  /** All of it, from the status line to the empty line. */
  bytes: Buffer;
  status: number;
  /** -1 when there is none. */
  contentLength: number;
  isChunked: boolean;
  keepsAlive: boolean;
}

/** Returns nothing for what is not HTTP or whose body could end in two places. */
export function parseHead(bytes: Buffer): ResponseHead | undefined {
  const text = bytes.toString('latin1', 0, bytes.length - 4);
  const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?(?=\r\n|$)/.exec(text);
  if (statusLine === null) return undefined;
  const isOld = statusLine[1] === '0';
  let contentLength = -1;
  let coding = '';
  let connection = '';
  for (const line of text.slice(statusLine[0].length + 2).split('\r\n')) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    if (colon <= 0 || !isToken(line.slice(0, colon)) || /[\r\n\0]/.test(line)) return undefined;
    // Only names of these lengths can frame the body: the rest of a head is not looked at.
    if (colon !== 10 && colon !== 14 && colon !== 17) continue;
    const name = line.slice(0, colon).toLowerCase();
    if (name === 'content-length') {
      const length = readLength(line.slice(colon + 1));
      if (length < 0 || (contentLength >= 0 && contentLength !== length)) return undefined;
      contentLength = length;
    } else if (name === 'transfer-encoding') {
      coding += `,${line.slice(colon + 1).toLowerCase()}`;
    } else if (name === 'connection') connection += `,${line.slice(colon + 1).toLowerCase()}`;
  }
  // Both at once, or chunks from HTTP/1.0, is how answers are smuggled: nobody can tell where such a body ends.
  if (coding !== '' && (contentLength >= 0 || isOld)) return undefined;
  const options = connection.split(',').map((option) => option.trim());
  return {
    bytes,
    status: Number(statusLine[2]),
    contentLength,
    isChunked: coding.split(',').at(-1)?.trim() === 'chunked',
    keepsAlive: isOld ? options.includes('keep-alive') : !options.includes('close'),
  };
}

function isToken(name: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name);
}

/** A list of one repeated number is that number; -1 for anything else that is not one. */
function readLength(value: string): number {
  const numbers = value.split(',').map((part) => part.trim());
  const first = numbers[0] ?? '';
  if (!/^[0-9]{1,15}$/.test(first) || numbers.some((number) => number !== first)) return -1;
  return Number(first);
}

/** Names in lower case; several of one name are joined by comma, set-cookie by newline. */
export function readFields(head: ResponseHead): Record<string, string> {
  const fields: Record<string, string> = {};
  const lines = head.bytes.toString('latin1', 0, head.bytes.length - 4).split('\r\n');
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (before === undefined) {
      Object.defineProperty(fields, name, { value, enumerable: true, writable: true, configurable: true });
    } else fields[name] = `${before}${name === 'set-cookie' ? '\n' : ', '}${value}`;
  }
  return fields;
}
