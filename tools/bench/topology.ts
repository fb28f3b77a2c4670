/**
 * One and two workers, direct and through nginx (TLS, Unix domain socket), as one table in Markdown: /ping, /health, /me
 * by cookie and sign-up. And what the settings of deploy/nginx change, one at a time. Needs wrk, nginx and openssl;
 * everything shares the cores of this machine.
 *
 * node tools/bench/topology.ts [scenarios] [settings] [--seconds 10] [--rounds 3] [--connections 100]
 *
 * The variants are loaded in turn, and the middle run of each counts. The CPU time a request stays true when something
 * else takes the cores; the rates do not: run it on a machine that does nothing else.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type Certificate,
  makeCertificate,
  type Nginx,
  startNginx,
  withoutLimits,
} from '../../server/test/topology/nginx.ts';
import { descendants } from '../../server/test/topology/processes.ts';
import { type Serving, startServing } from './serving.ts';
import { readThreadCpuMs } from './thread-cpu.ts';
import { runWrk, type WrkRun } from './wrk.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '100' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const say = (line: string) => process.stdout.write(`${line}\n`);
const script = new URL('signup.lua', import.meta.url).pathname;

/** What is loaded: a service, perhaps behind nginx. */
interface Target {
  name: string;
  url: string;
  accessToken: string;
  servicePid: number;
  nginxPid?: number;
}

interface Run extends WrkRun {
  /** CPU time a request, microseconds. */
  serviceUs: number;
  databaseUs: number;
  nginxUs: number;
}

/** The names of cookies without a prefix are those of the direct variant. */
const proxied = { COOKIE_PREFIX: 'off' };

/** Stopped in reverse, whatever happens. */
const closers: (() => Promise<void> | void)[] = [];
const folder = mkdtempSync(join(tmpdir(), 'irontrack-bench-'));
closers.push(() => rmSync(folder, { recursive: true, force: true }));

const parts: Readonly<Record<string, () => Promise<void>>> = {
  scenarios: compareScenarios,
  settings: compareSettings,
};
const chosen = positionals.length > 0 ? positionals : Object.keys(parts);
const unknown = chosen.filter((name) => parts[name] === undefined);
if (unknown.length > 0) throw new Error(`There is no part ${unknown.join(', ')}.`);
try {
  for (const name of chosen) {
    await parts[name]?.();
    for (const close of closers.splice(1).toReversed()) await close();
  }
} finally {
  for (const close of closers.toReversed()) await close();
}

async function compareScenarios(): Promise<void> {
  const certificate = makeCertificate(folder);
  const targets: Target[] = [];
  for (const workers of [1, 2]) {
    const environment = { WORKERS: String(workers) };
    const name = `${workers} worker${workers === 1 ? '' : 's'}`;
    targets.push(await openDirect(`${name}, direct`, environment));
    targets.push(await openProxied(`${name}, nginx`, environment, certificate));
  }
  const connections = `-c${values.connections}`;
  const scenarios: readonly (readonly [string, string, (target: Target) => string[]])[] = [
    ['GET /ping', '/ping', () => [connections]],
    ['GET /health', '/health', () => [connections]],
    [
      'GET /api/v1/access/me',
      '/api/v1/access/me',
      ({ accessToken }) => [connections, '-H', `Authorization: Bearer ${accessToken}`],
    ],
    ['POST /api/v1/access/signup', '/api/v1/access/signup', () => ['-c20', '-s', script]],
  ];
  say(
    '| call | variant | requests/s | mean ms | P50 ms | P99 ms | max ms | errors | answered | CPU us: service | PostgreSQL | nginx |',
  );
  say('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
  for (const [label, path, optionsOf] of scenarios) {
    const rows = await inTurn(targets, path, optionsOf);
    for (const [target, row] of rows) {
      const times = [row.meanMs, row.p50Ms, row.p99Ms, row.maxMs].map((ms) => ms.toFixed(2));
      const costs = [row.serviceUs, row.databaseUs, row.nginxUs].map((us) => us.toFixed(1));
      say(
        `| ${[label, target.name, row.rate.toFixed(0), ...times, row.errors, row.answered, ...costs].join(' | ')} |`,
      );
    }
  }
  say(
    `\nThe middle of ${rounds} runs of ${seconds} s each, ${values.connections} connections (sign-up 20), wrk -t1.\n`,
  );
}

/** The shipped configuration with one setting changed each, in front of one and the same service. */
async function compareSettings(): Promise<void> {
  const socketPath = join(folder, 'settings.sock');
  const serving = await startServing({ socketPath, environment: proxied });
  closers.push(serving.stop);
  const ecdsa = makeCertificate(folder);
  const rsa = makeRsaCertificate();
  const variants: readonly (readonly [string, Readonly<Record<string, string>>, Certificate])[] = [
    ['as shipped', {}, ecdsa],
    ['no keep-alive to the service', { 'keepalive 64;': '' }, ecdsa],
    ['no access log', { 'access.log irontrack;': 'access.log irontrack if=0;' }, ecdsa],
    ['compressed', { 'gzip off;': 'gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any;' }, ecdsa],
    ['RSA-2048', {}, rsa],
  ];
  const targets: Target[] = [];
  for (const [index, [name, replace, certificate]] of variants.entries()) {
    const nginx = await openNginx(`settings-${index}`, socketPath, certificate, replace);
    targets.push(await describeTarget(name, nginx.url, serving, nginx));
  }
  say('| setting | call | requests/s | P99 ms | CPU us: service | nginx |');
  say('| --- | --- | ---: | ---: | ---: | ---: |');
  const me = ({ accessToken }: Target) => ['-c50', '-H', `Authorization: Bearer ${accessToken}`];
  const reconnecting = (target: Target) => [...me(target), '-H', 'Connection: close'];
  for (const [label, optionsOf] of [
    ['GET /me', me],
    ['GET /me, a TLS handshake each', reconnecting],
  ] as const) {
    for (const [{ name }, row] of await inTurn(targets, '/api/v1/access/me', optionsOf)) {
      const figures = [
        row.rate.toFixed(0),
        row.p99Ms.toFixed(2),
        row.serviceUs.toFixed(1),
        row.nginxUs.toFixed(1),
      ];
      say(`| ${[name, label, ...figures].join(' | ')} |`);
    }
  }
  for (const path of ['/docs/swagger-ui-bundle.js', '/api/v1/openapi.json']) {
    const url = `${targets[0]?.url}${path}`;
    const sizes = [[], ['--header', 'Accept-Encoding: gzip']].map((headers) =>
      execFileSync('curl', ['-sk', '-o', '/dev/null', '-w', '%{size_download}', ...headers, url]).toString(),
    );
    say(`\n${path}: ${sizes[0]} bytes, compressed ${sizes[1]}`);
  }
}

/** Each target in each round, beginning with another one each time; the run with the middle rate counts. */
async function inTurn(
  targets: readonly Target[],
  path: string,
  optionsOf: (target: Target) => string[],
): Promise<[Target, Run][]> {
  const runs = new Map<Target, Run[]>(targets.map((target) => [target, []]));
  for (const target of targets) await runWrk(`${target.url}${path}`, 1, optionsOf(target));
  for (let round = 0; round < rounds; round += 1) {
    const turn = round % targets.length;
    for (const target of [...targets.slice(turn), ...targets.slice(0, turn)]) {
      const before = readCosts(target);
      const result = await runWrk(`${target.url}${path}`, seconds, optionsOf(target));
      const after = readCosts(target);
      if (result.answered === 0) throw new Error(`${target.name} answered nothing in ${seconds} s.`);
      const perRequest = (part: keyof typeof after) =>
        ((after[part] - before[part]) / result.answered) * 1000;
      runs.get(target)?.push({
        ...result,
        serviceUs: perRequest('service'),
        databaseUs: perRequest('database'),
        nginxUs: perRequest('nginx'),
      });
    }
  }
  return [...runs].map(([target, all]): [Target, Run] => {
    const sorted = all.toSorted((a, b) => a.rate - b.rate);
    const middle = sorted[Math.floor((sorted.length - 1) / 2)];
    if (middle === undefined) throw new Error('No run.');
    return [target, middle];
  });
}

/** CPU time so far, milliseconds: the workers are children of the service, and so is its PostgreSQL. */
function readCosts({ servicePid, nginxPid }: Target) {
  const sum = (pids: readonly number[]) =>
    pids
      .filter((pid) => existsSync(`/proc/${pid}/task`))
      .reduce((total, pid) => total + [...readThreadCpuMs(pid).values()].reduce((a, b) => a + b, 0), 0);
  const children = descendants(servicePid);
  const isDatabase = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
    } catch {
      // A backend that has just ended.
      return true;
    }
  };
  const database = children.filter(isDatabase);
  return {
    service: sum([servicePid, ...children.filter((pid) => !database.includes(pid))]),
    database: sum(database),
    nginx: nginxPid === undefined ? 0 : sum([nginxPid, ...descendants(nginxPid)]),
  };
}

async function openDirect(name: string, environment: Record<string, string>): Promise<Target> {
  const serving = await startServing({ environment });
  closers.push(serving.stop);
  return await describeTarget(name, serving.url, serving);
}

async function openProxied(
  name: string,
  environment: Record<string, string>,
  certificate: Certificate,
): Promise<Target> {
  const id = name.replaceAll(/\W+/g, '-');
  const socketPath = join(folder, `${id}.sock`);
  const serving = await startServing({ socketPath, environment: { ...environment, ...proxied } });
  closers.push(serving.stop);
  const nginx = await openNginx(id, socketPath, certificate, {});
  return await describeTarget(name, nginx.url, serving, nginx);
}

async function openNginx(
  id: string,
  socketPath: string,
  certificate: Certificate,
  replace: Readonly<Record<string, string>>,
): Promise<Nginx> {
  const home = join(folder, id);
  mkdirSync(home);
  const nginx = await startNginx({
    folder: home,
    nodes: [`unix:${socketPath}`],
    certificate,
    // What tells how busy the service is is measured from outside here.
    replace: {
      ...withoutLimits,
      '(?:metrics|health|ready|api/health)(?:/|$) {\n      error_page':
        '(?:metrics)(?:/|$) {\n      error_page',
      ...replace,
    },
  });
  closers.push(() => nginx.stop());
  return nginx;
}

async function describeTarget(name: string, url: string, serving: Serving, nginx?: Nginx): Promise<Target> {
  // By curl: this process trusts no certificate that it has just made.
  const person = JSON.stringify({ email: 'bench@example.org', password: 'Correct-Horse-7' });
  const post = (path: string) =>
    execFileSync('curl', [
      '-sk',
      '-H',
      'content-type: application/json',
      '-d',
      person,
      `${url}${path}`,
    ]).toString();
  post('/api/v1/auth/register');
  const tokens: unknown = JSON.parse(post('/api/v1/auth/login'));
  if (typeof tokens !== 'object' || tokens === null) throw new Error('The sign-in answered no object.');
  const accessToken = String(Reflect.get(tokens, 'access_token'));
  const pids = { servicePid: serving.pid, ...(nginx === undefined ? {} : { nginxPid: nginx.pid }) };
  return { name, url, accessToken, ...pids };
}

function makeRsaCertificate(): Certificate {
  const certificate = { chain: join(folder, 'rsa.pem'), key: join(folder, 'rsa-key.pem') };
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  const files = ['-keyout', certificate.key, '-out', certificate.chain];
  execFileSync('openssl', ['req', '-x509', ...key, ...files], { stdio: 'ignore' });
  return certificate;
}
