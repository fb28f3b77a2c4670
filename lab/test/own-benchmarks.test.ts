/** The repository's own benchmarks, which `npm run bench` measures, on a real server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadBenchmarks } from '../src/micro/load-benchmarks.ts';
import { runBenchmarks } from '../src/micro/run-benchmarks.ts';

const cwd = fileURLToPath(new URL('../..', import.meta.url));
const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const scripts = read(manifest, 'scripts');

function read(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

test('npm run bench, bench:save and bench:check measure the same files', () => {
  const files = ['bench', 'bench:save', 'bench:check'].map((name) =>
    String(read(scripts, name)).replace(/^node lab\/bin\/irontrack-lab\.mjs (micro|save|check) /, ''),
  );
  assert.equal(new Set(files).size, 1);
});

test('Every benchmark of the service runs, and each endpoint answers as it should', async () => {
  const [, paths = ''] = /irontrack-lab\.mjs micro (.+)$/.exec(String(read(scripts, 'bench'))) ?? [];
  const files = await loadBenchmarks(paths.split(' '), { cwd });
  const { signal: interrupted } = new AbortController();
  const context = { cwd, environment: process.env, interrupted };
  const rows = await runBenchmarks(files, { context, seconds: 0.01 });
  const wanted = [
    'password hash',
    'password verify',
    'access token create',
    'access token verify',
    'refresh token rotate',
    'serialise 50 exercises',
    'join 50 exercises at hand',
    'GET /health',
    'GET /api/v1/openapi.json',
    'POST /api/v1/auth/register',
    'POST /api/v1/auth/login',
    'POST /api/v1/auth/refresh',
    'GET /api/v1/sessions/me',
    'GET /api/v1/users/me',
    'PATCH /api/v1/users/me',
  ];
  const names = rows.map((row) => row.name);
  assert.deepEqual(
    wanted.filter((name) => !names.includes(name)),
    [],
  );
  for (const row of rows) assert.ok(row.rounds >= 5 && row.meanUs > 0, row.name);
});
