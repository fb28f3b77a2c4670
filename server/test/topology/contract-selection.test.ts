import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leftOutFiles, leftOutTests } from './contract-suite.ts';
import { missingPrograms } from './programs.ts';

const runner = fileURLToPath(new URL('../../../tools/run-tests.ts', import.meta.url));
const contractTests = fileURLToPath(new URL('../contract', import.meta.url));

const programs = {
  nginx: 'nginx-light',
  openssl: 'openssl',
  pgbouncer: 'pgbouncer',
  'redis-server': 'redis-server',
};

/** What a run of the whole takes minutes for; these are the ways in. */
const selection = ['token-flow.test.ts', 'browser-flow.test.ts'];

test('signing in holds the contract through nginx, over TLS, on two nodes of two workers', {
  skip: missingPrograms(programs),
}, async () => {
  const files = selection.map((name) => join(contractTests, name));
  const environment = { ...process.env };
  // It is a run of its own, with a PostgreSQL of its own.
  delete environment.IRONTRACK_TEST_DATABASE;
  delete environment.NODE_TEST_CONTEXT;
  const child = spawn(process.execPath, [runner, '--topology', ...files], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  const [, passed = '0', failed = ''] = /(\d+) passed, (\d+) failed/.exec(output) ?? [];
  assert.equal(failed, '0', output);
  assert.ok(Number(passed) > 25, `${passed} passed`);
});

test('what is left out of the topology exists', () => {
  const names = readdirSync(contractTests);
  assert.deepEqual(
    Object.keys(leftOutFiles).filter((name) => !names.includes(name)),
    [],
  );
  for (const [name, tests] of Object.entries(leftOutTests)) {
    const text = readFileSync(join(contractTests, name), 'utf8');
    const gone = Object.keys(tests).filter((title) => !text.includes(title));
    assert.deepEqual(gone, [], name);
  }
});
