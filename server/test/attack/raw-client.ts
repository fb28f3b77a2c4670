/** Speaks HTTP by hand, so that a test can say what no HTTP library would. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  status: number;
  /** Names in lower case; of a repeated header the last. */
  headers: ReadonlyMap<string, string>;
  body: string;
}

const patienceMs = 15_000;

/** Opens a connection to a service such as http://127.0.0.1:43210. */
export async function dial(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  // A reset is an outcome that the tests look at, not a crash.
  socket.on('error', () => undefined);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('connect', resolve);
  socket.once('error', reject);
  await promise;
  return socket;
}

/** Everything that the other side sends until it closes the connection, or until nothing comes for too long. */
export async function readToEnd(socket: Socket, withinMs = patienceMs): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timer = setTimeout(() => {
    socket.destroy();
    reject(
      new Error(`Still open after ${withinMs} ms: ${Buffer.concat(chunks).toString('latin1').slice(0, 200)}`),
    );
  }, withinMs);
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.once('close', () => resolve(Buffer.concat(chunks)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** Sends the bytes on a connection of their own and reads what comes back until it is closed. */
export async function exchange(url: string, bytes: string | Uint8Array, withinMs?: number): Promise<Buffer> {
  const socket = await dial(url);
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  return await readToEnd(socket, withinMs);
}

/** As `exchange`, where exactly one answer is expected. The request should ask for `connection: close`. */
export async function ask(url: string, bytes: string | Uint8Array, withinMs?: number): Promise<RawAnswer> {
  const answers = parseAnswers(await exchange(url, bytes, withinMs));
  const [answer] = answers;
  assert.ok(answer !== undefined && answers.length === 1, `${answers.length} answers instead of one`);
  return answer;
}

/** Composes a request; header values are bytes (latin1). */
export function compose(
  method: string,
  path: string,
  headers: readonly (readonly [string, string])[],
  body: Uint8Array = new Uint8Array(),
): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

/** Takes a stream of answers apart; fails the test on anything that is not well-formed HTTP. */
export function parseAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    assert.ok(end > 0, `No end of the head in ${JSON.stringify(rest.toString('latin1').slice(0, 200))}`);
    const [first = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) [\x20-\x7e]*$/.exec(first)?.[1]);
    assert.ok(status >= 100, `Not a status line: ${first}`);
    const headers = new Map(lines.map(parseHeader));
    rest = rest.subarray(end + 4);
    if (status < 200) continue;
    const { body, length } = readBody(rest, headers, status);
    answers.push({ status, headers, body });
    rest = rest.subarray(length);
  }
  return answers;
}

function parseHeader(line: string): [string, string] {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\x80-\xff]*)$/.exec(line);
  assert.ok(match !== null, `Not a header: ${JSON.stringify(line)}`);
  return [(match[1] ?? '').toLowerCase(), match[2] ?? ''];
}

function readBody(
  rest: Buffer,
  headers: ReadonlyMap<string, string>,
  status: number,
): { body: string; length: number } {
  if (status === 204 || status === 304) return { body: '', length: 0 };
  const declared = headers.get('content-length');
  if (declared !== undefined) {
    const length = Number(declared);
    // The answer to HEAD declares a length and has no body.
    const present = rest.length === 0 ? 0 : length;
    assert.ok(rest.length >= present, `The body has ${rest.length} of ${length} bytes`);
    return { body: rest.subarray(0, present).toString('utf8'), length: present };
  }
  // Only what Node answers by itself comes in chunks, and it has none.
  const text = rest.toString('utf8');
  return {
    body: headers.has('transfer-encoding') ? text.replace(/^0\r\n\r\n$/, '') : text,
    length: rest.length,
  };
}
