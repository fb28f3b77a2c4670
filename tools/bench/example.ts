import http from 'node:http';

/** One answer as it was read: header names as written, the headers node:http adds by itself left out. */
export type Example = {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** Size of the whole answer on the wire, head included. */
  bytes: number;
};

const addedByNode = new Set(['date', 'connection', 'keep-alive']);

/**
 * Asks a URL once and returns the answer.
 *
 * @param url what to ask with GET
 * @param headerLines request headers as `name: value`
 */
export function readExample(url: string, headerLines: readonly string[]): Promise<Example> {
  return new Promise((resolve, reject) => {
    const agent = new http.Agent({ keepAlive: true });
    const request = http.get(url, { agent, headers: Object.fromEntries(headerLines.map(splitHeader)) });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        agent.destroy();
        const body = Buffer.concat(chunks);
        const headers: Record<string, string> = {};
        let bytes = `HTTP/1.1 ${response.statusCode} ${response.statusMessage}\r\n\r\n`.length + body.length;
        for (let at = 0; at < response.rawHeaders.length; at += 2) {
          const name = response.rawHeaders[at] ?? '';
          const value = response.rawHeaders[at + 1] ?? '';
          bytes += name.length + value.length + 4;
          if (!addedByNode.has(name.toLowerCase())) headers[name] = value;
        }
        resolve({ status: response.statusCode ?? 0, headers, body: body.toString('utf8'), bytes });
      });
    });
  });
}

/** Splits `name: value` at its first colon. */
export function splitHeader(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  if (colon < 1) throw new Error(`A header is written "name: value", not "${line}".`);
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}
