/**
 * What an idle connection of a client takes in nginx, with the configuration of deploy/nginx over TLS: opens some
 * thousands of each kind that have asked once, and divides what the processes of nginx have grown by. Memory, so that it
 * holds on a busy machine too. Needs nginx and openssl, and two descriptors for each connection.
 *
 * node tools/bench/idle-connections.ts [how many, 2000]
 */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { makeCertificate, type Nginx, startNginx, withoutLimits } from '../../server/test/topology/nginx.ts';
import { descendants } from '../../server/test/topology/processes.ts';

const wanted = Number(process.argv[2] ?? 2000);
const folder = mkdtempSync(join(tmpdir(), 'irontrack-idle-'));
const socket = join(folder, 'node.sock');
// The service is not what is measured: anything that answers will do.
const node = createServer((_request, response) => response.end('OK')).listen(socket);
await once(node, 'listening');
const certificate = makeCertificate(folder);
const ca = readFileSync(certificate.chain);

/** Proportional, so that what the processes share counts once. */
function memoryKb(nginx: Nginx): number {
  const pids = [nginx.pid, ...descendants(nginx.pid)];
  const sizes = pids.map(
    (pid) => /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1],
  );
  return sizes.reduce((sum, size) => sum + Number(size), 0);
}

const kinds: Readonly<Record<string, (nginx: Nginx) => Promise<void>>> = {
  async 'HTTP/2'(nginx) {
    const stream = connectHttp2(nginx.url, { ca }).request({ ':path': '/ping' });
    stream.resume();
    await once(stream, 'end');
  },
  async 'HTTP/1.1'(nginx) {
    const client = connect({ host: '127.0.0.1', port: nginx.port, servername: 'localhost', ca });
    await once(client, 'secureConnect');
    client.write('GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(client, 'data');
  },
};

process.stdout.write('| idle connection over TLS | open | KB of nginx each |\n| --- | ---: | ---: |\n');
for (const [name, open] of Object.entries(kinds)) {
  const own = join(folder, name.replaceAll(/\W/g, ''));
  mkdirSync(own);
  const nginx = await startNginx({
    folder: own,
    nodes: [`unix:${socket}`],
    certificate,
    replace: withoutLimits,
  });
  const before = memoryKb(nginx);
  for (let count = 0; count < wanted; count += 1) await open(nginx);
  const each = (memoryKb(nginx) - before) / wanted;
  process.stdout.write(`| ${name} | ${wanted} | ${each.toFixed(1)} |\n`);
  await nginx.stop('SIGTERM');
}
rmSync(folder, { recursive: true });
process.exit(0);
