/**
 * The bare server our figures are ratios of: node:http and nothing else, writing the same bytes as the answer it
 * is shown. It asks the real server once and replays status, header names, header values and body from memory.
 *
 * Usage: node tools/bench/bare.ts --port 9001 --like http://127.0.0.1:8000/ping [--header 'cookie: a=b']
 */
import http from 'node:http';
import { parseArgs } from 'node:util';
import { readExample } from './example.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9001' },
    like: { type: 'string' },
    header: { type: 'string', multiple: true, default: [] },
  },
});
if (values.like === undefined) throw new Error('Say which answer to imitate: --like <url>.');

const { status, headers, body } = await readExample(values.like, values.header);
const server = http.createServer((_request, response) => {
  response.writeHead(status, headers);
  response.end(body);
});
server.listen(Number(values.port), '127.0.0.1', () => process.stdout.write(`bare on ${values.port}\n`));
process.on('SIGTERM', () => process.exit(0));
