import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tiers } from '@irontrack/contract/organizations.ts';
import { problems } from '@irontrack/contract/problems.ts';
import postgres from 'postgres';
import { parseAllDocuments } from 'yaml';
import { deliveryConnections } from '../../src/commands/worker.ts';
import { readConfig, settings } from '../../src/config.ts';
import { startEmbeddedDatabase } from '../../src/database/embedded.ts';
import { extraConnections } from '../../src/database/pool-size.ts';
import { makeFolder, runCommand } from '../faults/process.ts';
import { missingPrograms } from './programs.ts';

const deploy = fileURLToPath(new URL('../../../deploy', import.meta.url));
const read = (name: string) => readFileSync(join(deploy, name), 'utf8');

/** What Node itself reads; docs/configuration.md, "What the launcher sets". */
const readByNode = ['NODE_COMPILE_CACHE', 'UV_THREADPOOL_SIZE'];

/** Members of a mapping that YAML made. */
function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

const memberOf = (value: unknown, name: string): unknown =>
  entriesOf(value).find(([key]) => key === name)?.[1];

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function parseYaml(name: string): unknown[] {
  const documents = parseAllDocuments(read(name), { merge: true });
  assert.ok(Array.isArray(documents) && documents.length > 0, name);
  return documents.map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], [], name);
    const value: unknown = document.toJS();
    return value;
  });
}

/** Names and values as a shell's file or systemd has them. */
function assignments(text: string): [string, string][] {
  return [...text.matchAll(/^(?:Environment=)?([A-Z][A-Z0-9_]+)=(.*)$/gm)].map(
    ([, name = '', value = '']) => [name, value],
  );
}

/** The settings of the service in every file, by the file. */
function collectSettings(): Map<string, [string, unknown][]> {
  const found = new Map<string, [string, unknown][]>();
  found.set('systemd/irontrack@.service', [
    ...assignments(read('systemd/irontrack@.service')),
    ...assignments(read('systemd/irontrack.env')),
  ]);
  found.set('systemd/irontrack-worker.service', [
    ...assignments(read('systemd/irontrack-worker.service')),
    ...assignments(read('systemd/irontrack.env')),
  ]);
  const [compose] = parseYaml('compose/compose.yaml');
  for (const [name, service] of entriesOf(memberOf(compose, 'services'))) {
    if (!String(memberOf(service, 'image')).startsWith('irontrack:')) continue;
    found.set(`compose/compose.yaml ${name}`, entriesOf(memberOf(service, 'environment')));
  }
  const objects = parseYaml('kubernetes/irontrack.yaml');
  const secrets = objects.filter((object) => memberOf(object, 'kind') === 'Secret');
  const [secret = []] = secrets.map((object) => entriesOf(memberOf(object, 'stringData')));
  for (const object of objects) {
    const pod = memberOf(memberOf(memberOf(object, 'spec'), 'template'), 'spec');
    for (const container of listOf(memberOf(pod, 'containers'))) {
      const own = listOf(memberOf(container, 'env')).map((item): [string, unknown] => [
        String(memberOf(item, 'name')),
        memberOf(item, 'value') ?? secret.find(([key]) => key === memberOf(item, 'name'))?.[1],
      ]);
      const shared = memberOf(container, 'envFrom') === undefined ? [] : secret;
      found.set(`kubernetes/irontrack.yaml ${memberOf(container, 'name')}`, [...shared, ...own]);
    }
  }
  return found;
}

test('every setting in deploy/ is one of the service, and the service starts with the values', () => {
  const files = collectSettings();
  assert.equal(files.size, 6, [...files.keys()].join(', '));
  for (const [file, given] of files) {
    assert.ok(given.length > 0, file);
    const names = given.map(([name]) => name);
    const unknown = names.filter((name) => !Object.hasOwn(settings, name) && !readByNode.includes(name));
    assert.deepEqual(unknown, [], file);
    // Compose asks the shell for secrets; systemd numbers its instances.
    const environment = Object.fromEntries(
      given.map(([name, value]) => [
        name,
        String(value)
          .replaceAll(/\$\{[^}]*\}/g, 'long-secret')
          .replaceAll('%i', '1'),
      ]),
    );
    const config = readConfig(environment, false);
    const isMigration = names.length === 1;
    if (isMigration || file.includes('worker')) continue;
    assert.ok(config.cookies.secure, `${file}: cookies over TLS only`);
    assert.ok(config.trustedProxies.length > 0, `${file}: without it everybody is the proxy`);
    assert.equal(config.keySignup, 'admin', file);
    assert.notEqual(config.database.directUrl, config.database.url, `${file}: LISTEN goes past the pooler`);
  }
});

/** A number that a line of a file says. */
function numberIn(file: string, line: RegExp): number {
  const found = line.exec(read(file));
  assert.ok(found !== null, `${file}: ${line}`);
  return Number(found[1]);
}

test('the connections of the example add up: nobody waits in PgBouncer, and PostgreSQL has enough', () => {
  const setting = (name: string) => numberIn('systemd/irontrack.env', new RegExp(`^${name}=(\\d+)$`, 'm'));
  const pooler = (name: string) => numberIn('pgbouncer/pgbouncer.ini', new RegExp(`^${name} = (\\d+)$`, 'm'));
  const workers = 2 * setting('WORKERS');
  const pools = workers * setting('DATABASE_POOL_SIZE') + deliveryConnections;
  assert.ok(pools <= pooler('default_pool_size'), `${pools} connections`);
  // A rolling restart has all of them twice for a moment.
  assert.ok(2 * pools <= pooler('max_client_conn'));
  const past = extraConnections * (workers + 1);
  const needed = pooler('default_pool_size') + pooler('reserve_pool_size') + past;
  const reserved = 3;
  const most = numberIn('postgresql/irontrack.conf', /^max_connections = (\d+)$/m);
  assert.ok(needed <= most - reserved, `${needed} of ${most} - ${reserved}`);

  const [compose] = parseYaml('compose/compose.yaml');
  const given = memberOf(memberOf(memberOf(compose, 'services'), 'pgbouncer'), 'environment');
  for (const [name, value] of entriesOf(given)) {
    if (/^\d+$/.test(String(value)) && !/^(LISTEN|MAX_PREPARED)/.test(name))
      assert.equal(Number(value), pooler(name.toLowerCase()), name);
  }
});

test('nginx takes events as fast as the largest tier may post them', () => {
  const aSecond = numberIn('nginx/nginx.conf', /zone=events:\d+m rate=(\d+)r\/s;/);
  assert.ok(aSecond * 60 >= Math.max(...Object.values(tiers).map((tier) => tier.eventsPerMinute)));
  assert.match(read('nginx/nginx.conf'), /api\/events.*\{\n\s+limit_req zone=events /);
});

test('nginx limits every call that hashes a password for whoever asks, however its path is spelt', async () => {
  const { status, stdout } = await runCommand(['openapi']);
  assert.equal(status, 0);
  const hashing = entriesOf(memberOf(JSON.parse(stdout), 'paths'))
    .filter(([, calls]) => JSON.stringify(calls).includes('hash-queue-full'))
    .map(([path]) => path);
  assert.ok(hashing.length >= 5, hashing.join(' '));
  const [, location = ''] =
    /location ~ (\S+) \{\n\s+limit_req zone=requests .*\n\s+limit_req zone=passwords /.exec(
      read('nginx/nginx.conf'),
    ) ?? [];
  const limited = new RegExp(location);
  for (const path of hashing) {
    // Those ask who it is first, and only superusers may.
    if (path.startsWith('/api/v1/users')) continue;
    for (const spelt of [path, `${path}/`, path.replaceAll('/', '//')]) assert.match(spelt, limited);
  }
});

test('what nginx answers by itself is in the words of the table of problems', () => {
  const answers = [...read('nginx/problems.conf').matchAll(/^\s+return (\d+) '(.*)';$/gm)];
  const ofTheService = new Map<string, { status: number; title: string }>(Object.entries(problems));
  const own: string[] = [];
  for (const [, status, text = ''] of answers) {
    const body: Record<string, unknown> = JSON.parse(text);
    const code = String(body.code);
    const { title } = ofTheService.get(code) ?? { title: own.push(code) > 0 ? body.title : '' };
    const type = `urn:irontrack:problem:${code}`;
    assert.deepEqual(body, {
      ...{ detail: title, error: title, code, type, title, status: Number(status) },
      instance: 'urn:irontrack:request:$own_request_id',
    });
    assert.equal(ofTheService.get(code)?.status ?? Number(status), Number(status), code);
  }
  assert.deepEqual(own, ['service-unreachable', 'service-timeout']);
});

test('what the files of deploy/ mount or copy exists', () => {
  const [compose] = parseYaml('compose/compose.yaml');
  const volumes = entriesOf(memberOf(compose, 'services')).flatMap(([, service]) =>
    listOf(memberOf(service, 'volumes')),
  );
  const paths = volumes.map((volume) => String(volume).split(':')[0] ?? '');
  for (const path of paths.filter((name) => name.startsWith('../'))) {
    assert.ok(existsSync(join(deploy, 'compose', path)), path);
  }
  const copied = [...read('compose/Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)];
  assert.ok(copied.length >= 5);
  for (const path of copied.flatMap(([, sources = '']) => sources.split(' '))) {
    assert.ok(existsSync(join(deploy, '..', path)), path);
  }
});

test('the probes of Kubernetes ask paths that need nobody, on the port that is listened on', () => {
  const deployment = parseYaml('kubernetes/irontrack.yaml').find(
    (object) => memberOf(object, 'kind') === 'Deployment',
  );
  const pod = memberOf(memberOf(memberOf(deployment, 'spec'), 'template'), 'spec');
  const [container] = listOf(memberOf(pod, 'containers'));
  const pathOf = (probe: string) => memberOf(memberOf(memberOf(container, probe), 'httpGet'), 'path');
  assert.deepEqual(['startupProbe', 'livenessProbe', 'readinessProbe'].map(pathOf), [
    '/ping',
    '/ping',
    '/ready',
  ]);
  // The drain of 30 s and the pause before it have to fit.
  assert.ok(Number(memberOf(pod, 'terminationGracePeriodSeconds')) >= 30 + 5 + 10);
  const kinds = parseYaml('kubernetes/irontrack.yaml').map((object) => memberOf(object, 'kind'));
  assert.ok(kinds.includes('PodDisruptionBudget'));
});

test('whoever ends a process waits longer than its end may take', () => {
  const drainS = 40;
  const embeddedS = 30 + 10;
  const ofUnit = (name: string) => numberIn(`systemd/${name}`, /^TimeoutStopSec=(\d+)s$/m);
  // The first step of docs/deployment.md has the database in the node.
  assert.ok(ofUnit('irontrack@.service') > drainS + embeddedS);
  assert.ok(ofUnit('irontrack-worker.service') > drainS);
  assert.ok(numberIn('compose/compose.yaml', /stop_grace_period: (\d+)s/) > drainS);
});

test('every line of the settings files has a reason above it', () => {
  const files = globSync(['**/*.{conf,ini,service,env}'], { cwd: deploy });
  assert.ok(files.length >= 9, files.join(', '));
  for (const file of files) {
    // What opens and closes a block has none of its own, nor has a location, which its server tells of.
    const bare =
      /^\s*(?:\[.*\]|\}|(?:http|events|server) \{|(?:location|error_page|WantedBy|Type=exec).*)\s*$/gm;
    for (const paragraph of read(file).split(/\n\s*\n/)) {
      const settled = paragraph.replaceAll(bare, '').trim();
      const isExplained = settled === '' || /^\s*[#;]/m.test(paragraph) || /^\s*location/.test(paragraph);
      assert.ok(isExplained, `${file}: ${paragraph}`);
    }
  }
});

test('PostgreSQL takes every setting of its file', async () => {
  const lines = [...read('postgresql/irontrack.conf').matchAll(/^(\w+) = (\S+)$/gm)];
  assert.ok(lines.length > 20);
  const database = await startEmbeddedDatabase({
    dataDir: join(makeFolder(), 'data'),
    say: () => undefined,
    durable: false,
  });
  const sql = postgres({ ...database.connection, max: 1 });
  try {
    for (const [, name = '', value = ''] of lines) {
      // It refuses a name that it does not know, and a value that the setting does not take. It is built without lz4.
      await sql.unsafe(`alter system set ${name} = '${value === 'lz4' ? 'pglz' : value}'`);
    }
    const kept = await sql`select name from pg_file_settings where sourcefile like '%postgresql.auto.conf'`;
    assert.deepEqual(kept.map(({ name }) => String(name)).sort(), lines.map(([, name]) => name).sort());
  } finally {
    await sql.end({ timeout: 1 });
    await database.stop();
  }
});

test('the kernel knows every setting of its file', () => {
  const names = [...read('sysctl/60-irontrack.conf').matchAll(/^([\w.-]+) = /gm)].map(
    ([, name = '']) => name,
  );
  assert.ok(names.length >= 9);
  for (const name of names) {
    assert.ok(existsSync(join('/proc/sys', name.replaceAll('.', '/'))), name);
  }
});

test('systemd finds nothing to complain about in the units, and little that is exposed', {
  skip: missingPrograms({ 'systemd-analyze': 'systemd' }),
}, () => {
  for (const unit of ['irontrack@.service', 'irontrack-worker.service']) {
    const path = join(deploy, 'systemd', unit);
    const args = ['security', '--offline=true', '--threshold=20', '--no-pager', path];
    const report = execFileSync('systemd-analyze', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.match(report, /Overall exposure level/, unit);
  }
});
