/** nginx with the configuration that is shipped in deploy/nginx, its paths and addresses replaced by those of a test. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, freePort, type RunningProgram, startProgram } from './programs.ts';

const shipped = fileURLToPath(new URL('../../../deploy/nginx', import.meta.url));

export interface NginxOptions {
  /** Exists, belongs to this nginx alone, and is short enough for the path of a socket. */
  folder: string;
  /** `unix:<path>` or `host:port` of each node. */
  nodes: readonly string[];
  certificate: Certificate;
  /** Texts of the configuration and what stands there instead, each of which must occur. */
  replace?: Readonly<Record<string, string>>;
}

export interface Certificate {
  /** Paths of PEM files. */
  chain: string;
  key: string;
}

export interface Nginx extends RunningProgram {
  /** Such as https://localhost:43210. */
  url: string;
  /** Where plain HTTP is sent away from. */
  plainUrl: string;
  /** For the scraper. */
  insideUrl: string;
  port: number;
  configuration: string;
  accessLog(): string;
  errorLog(): string;
  /** As root, or whoever maintains it, would do it: the nodes anew, without a connection lost. */
  reload(nodes: readonly string[]): void;
}

/** Limits far above what a test or a load generator at one address sends. */
export const withoutLimits: Readonly<Record<string, string>> = {
  'rate=200r/s': 'rate=1000000r/s',
  'rate=2000r/s': 'rate=1000000r/s',
  'rate=5r/s': 'rate=1000000r/s',
  'limit_conn connections 200;': 'limit_conn connections 60000;',
};

/** A key of the kind that the configuration recommends, certified by itself for localhost and 127.0.0.1. */
export function makeCertificate(folder: string): Certificate {
  const certificate = { chain: join(folder, 'fullchain.pem'), key: join(folder, 'privkey.pem') };
  const names = 'subjectAltName=DNS:localhost,DNS:auth.example.org,IP:127.0.0.1,IP:::1';
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const files = ['-keyout', certificate.key, '-out', certificate.chain];
  execFileSync('openssl', ['req', '-x509', ...key, '-subj', '/CN=localhost', '-addext', names, ...files], {
    stdio: 'ignore',
  });
  return certificate;
}

/** Of the run of the topology, which all test files and their `fetch` trust. */
export function certificateFrom(environment: NodeJS.ProcessEnv): Certificate {
  const folder = environment.TEST_TOPOLOGY_CERTIFICATE;
  assert.ok(folder !== undefined, 'started by npm run test:topology, which makes the certificate');
  return { chain: join(folder, 'fullchain.pem'), key: join(folder, 'privkey.pem') };
}

/** Writes the configuration to the folder. @returns its main file */
export function renderNginx(
  options: NginxOptions,
  ports: { tls: number; plain: number; inside: number },
): string {
  const { folder } = options;
  const isRoot = process.getuid?.() === 0;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, `${name}-temp`)};`,
  );
  const replace: Record<string, string> = {
    // The service of a test runs as whoever runs the test, and so must nginx to use its socket.
    'user www-data;': isRoot ? 'user root;' : '',
    'pid /run/nginx.pid;': `pid ${folder}/nginx.pid; daemon off;`,
    'worker_processes auto;': 'worker_processes 2;',
    'error_log /var/log/nginx/error.log warn;': `error_log ${folder}/error.log warn;`,
    '/var/log/nginx/access.log irontrack buffer=64k flush=1s': `${folder}/access.log irontrack`,
    'default_type application/octet-stream;': `default_type application/octet-stream; ${temporary.join(' ')}`,
    'listen 80 default_server;': `listen 127.0.0.1:${ports.plain} default_server;`,
    'listen [::]:80 default_server;': '',
    'listen 443 ssl http2 default_server backlog=4096;': `listen 127.0.0.1:${ports.tls} ssl http2 default_server backlog=4096;`,
    'listen [::]:443 ssl http2 default_server backlog=4096;': '',
    'listen 443 ssl http2;': `listen 127.0.0.1:${ports.tls} ssl http2;`,
    'listen [::]:443 ssl http2;': '',
    'server_name auth.example.org;': 'server_name auth.example.org localhost 127.0.0.1;',
    '/etc/ssl/irontrack/fullchain.pem': options.certificate.chain,
    '/etc/ssl/irontrack/privkey.pem': options.certificate.key,
    'listen 127.0.0.1:9180;': `listen 127.0.0.1:${ports.inside};`,
    'http://unix:/run/irontrack/1/node.sock': `http://${options.nodes[0] ?? ''}`,
    ...options.replace,
  };
  let text = readFileSync(join(shipped, 'nginx.conf'), 'utf8');
  for (const [from, to] of Object.entries(replace)) {
    assert.ok(text.includes(from), `deploy/nginx/nginx.conf does not say "${from}" any more`);
    text = text.replaceAll(from, to);
  }
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(shipped)) copyFileSync(join(shipped, name), join(folder, name));
  writeFileSync(join(folder, 'nginx.conf'), text);
  writeNodes(folder, options.nodes);
  return join(folder, 'nginx.conf');
}

/** As nodes.conf has them, so that the parameters are the shipped ones too. */
function writeNodes(folder: string, nodes: readonly string[]): void {
  const line = readFileSync(join(shipped, 'nodes.conf'), 'utf8')
    .split('\n')
    .find((text) => text.startsWith('server '));
  assert.ok(line !== undefined, 'deploy/nginx/nodes.conf names a node');
  const lines = nodes.map((node) => line.replace('unix:/run/irontrack/1/node.sock', node));
  writeFileSync(join(folder, 'nodes.conf'), `${lines.join('\n')}\n`);
}

/** Starts it and waits until it takes connections. The caller stops it. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const program = findProgram('nginx');
  assert.ok(program !== undefined, 'needs nginx (package nginx-light)');
  const { folder } = options;
  const ports = { tls: await freePort(), plain: await freePort(), inside: await freePort() };
  const configuration = renderNginx(options, ports);
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const args = ['-p', folder, '-c', configuration, '-e', join(folder, 'error.log')];
  const running = await startProgram(program, args, {}, () => isListening(ports.inside));
  return {
    ...running,
    stop: (name = 'SIGQUIT') => running.stop(name),
    url: `https://localhost:${ports.tls}`,
    plainUrl: `http://localhost:${ports.plain}`,
    insideUrl: `http://127.0.0.1:${ports.inside}`,
    port: ports.tls,
    configuration,
    accessLog: () => read('access.log'),
    errorLog: () => read('error.log'),
    reload(nodes) {
      writeNodes(folder, nodes);
      running.signal('SIGHUP');
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
