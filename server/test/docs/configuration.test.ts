import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readConfig, settings } from '../../src/config.ts';
import { exitStatus } from '../../src/startup-error.ts';
import { plain, readDocument, sectionOf, tableRows } from './document.ts';

const document = readDocument('docs/configuration.md');
const variables = tableRows(sectionOf(document, 'Variables'), 'variable');
const documented = new Map(variables.map(([name, ...cells]) => [plain(name), cells]));
const run = promisify(execFile);
const mainFile = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const launcher = new URL('../../bin/pinned-node.mjs', import.meta.url).href;

/** What a command prints; it must end with 0. */
async function irontrack(...args: string[]): Promise<string> {
  return (await run(process.execPath, [mainFile, ...args])).stdout;
}

/** The environment that the launcher, which is plain JavaScript, makes of another. */
async function launch(environment: Record<string, string>): Promise<Record<string, string>> {
  const script =
    'const { childEnvironment } = await import(process.argv[1]);' +
    'console.log(JSON.stringify(childEnvironment(JSON.parse(process.argv[2]))));';
  const args = ['--input-type=module', '--eval', script, launcher, JSON.stringify(environment)];
  return JSON.parse((await run(process.execPath, args)).stdout);
}

test('every variable is in docs/configuration.md once, and every variable there exists', () => {
  assert.equal(variables.length, documented.size, 'a variable is listed twice');
  assert.deepEqual([...documented.keys()].sort(), Object.keys(settings).sort());
});

test('the defaults in docs/configuration.md are those of the code', () => {
  for (const [name, { fallback }] of Object.entries(settings)) {
    const cell = documented.get(name)?.[0] ?? '';
    // In words where there is none, or where it depends on the machine or on other variables.
    const wanted = fallback === '' || name === 'HASH_CONCURRENCY' ? /^[^`]+(`HOST`[^`]+)?$/ : /^`[^`]+`$/;
    assert.match(cell, wanted, name);
    if (wanted.source.startsWith('^`')) assert.equal(plain(cell), fallback, name);
  }
  assert.equal(documented.get('HASH_CONCURRENCY')?.[0], 'cores, at most 4');
});

test('the defaults that are told in words are as the words say', () => {
  assert.deepEqual(readConfig({}, false).cookies, { secure: false, prefix: false });
  assert.deepEqual(readConfig({ HOST: '::1' }, false).cookies, { secure: false, prefix: false });
  assert.deepEqual(readConfig({ HOST: '0.0.0.0' }, false).cookies, { secure: true, prefix: true });
  assert.deepEqual(readConfig({ SOCKET_PATH: 'a.sock' }, false).cookies, { secure: true, prefix: true });
  assert.equal(readConfig({}, false).keySignup, 'open');
  assert.equal(readConfig({ HOST: '0.0.0.0' }, false).keySignup, 'admin');
  assert.equal(readConfig({ SOCKET_PATH: 'a.sock' }, false).keySignup, 'admin');
  assert.equal(readConfig({}, true).log.format, 'pretty');
  assert.equal(readConfig({}, false).log.format, 'json');
});

test('what a variable takes in docs/configuration.md is what its refusal says', () => {
  for (const [name, { read }] of Object.entries(settings)) {
    const outcome = read('?');
    if (!('fault' in outcome)) continue;
    const takes = (documented.get(name)?.[1] ?? '').replaceAll('`', '');
    assert.ok(outcome.fault.includes(takes), `${name}: "${takes}" is not in "${outcome.fault}"`);
  }
});

test('the contradictions that docs/configuration.md names are refused with status 78', () => {
  const contradictions = [
    { COOKIE_SECURE: 'off', HOST: '0.0.0.0' },
    { COOKIE_SECURE: 'off', COOKIE_PREFIX: 'on' },
    { ARGON2_MEMORY_KIB: '8', ARGON2_PARALLELISM: '2' },
    { REFRESH_TOKEN_TTL: '1m', ACCESS_TOKEN_TTL: '2m' },
    { DATABASE_DIRECT_URL: 'postgres://localhost/irontrack' },
    { DATABASE_REPLICA_URL: 'postgres://localhost/irontrack' },
  ];
  for (const environment of contradictions) {
    assert.throws(
      () => readConfig(environment, false),
      { status: exitStatus.badConfiguration },
      JSON.stringify(environment),
    );
  }
});

test('the launcher sets what docs/configuration.md says it does', async () => {
  const rows = tableRows(sectionOf(document, 'What the launcher sets'), 'variable');
  const added = Object.keys(await launch({}));
  assert.deepEqual(rows.map(([name]) => plain(name)).sort(), added.sort());
  assert.equal((await launch({ HASH_CONCURRENCY: '3' })).UV_THREADPOOL_SIZE, '7');
  assert.equal((await launch({ UV_THREADPOOL_SIZE: '9' })).UV_THREADPOOL_SIZE, '9');
});

test('the commands and their options in docs/configuration.md are those of --help', async () => {
  const rows = tableRows(sectionOf(document, 'Command line'), 'command');
  const overview = await irontrack('--help');
  const known = [...(/Commands:\n(.*?)\n\n/s.exec(overview)?.[1] ?? '').matchAll(/^ {2}(\S+) +(.*)$/gm)];
  assert.deepEqual(
    rows.map(([name, , does]) => [plain(name), does]),
    known.map(([, name, summary]) => [name, summary]),
  );
  await Promise.all(
    rows.map(async ([name, options = '']) => {
      const help = await irontrack(plain(name), '--help');
      const told = [...options.matchAll(/`(--[a-z-]+)`/g)].map(([, option]) => option);
      const real = [...help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, option]) => option);
      assert.deepEqual(told, real, `options of ${name}`);
    }),
  );
});

test('the exit statuses in docs/configuration.md are those of the code and of --help', async () => {
  const rows = tableRows(sectionOf(document, 'Exit status'), 'status');
  assert.deepEqual(
    rows.map(([status]) => Number(status)),
    Object.values(exitStatus),
  );
  const sentence = rows.map(([status, meaning]) => `${status} ${meaning}`).join(', ');
  assert.ok((await irontrack('--help')).includes(`Exit status: ${sentence}.`), sentence);
});
