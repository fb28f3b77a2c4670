import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { call, goodPassword, newEmail, textMember } from '../support/service.ts';
import { makeFolder, startServer } from './process.ts';

const binaries = '/usr/lib/postgresql/15/bin';
const isThere = existsSync(join(binaries, 'postgres'));
const isRequired = process.env.REQUIRE_ALL === '1';
// Made here, so that it is removed after the server in it was stopped.
const folder = makeFolder();
const skip = isThere || isRequired ? false : 'PostgreSQL 15 is not here: install the package postgresql-15';

/** PostgreSQL will not run as root. */
function runAsPostgres(program: string, args: readonly string[]): void {
  const file = join(binaries, program);
  if (process.getuid?.() === 0) {
    execFileSync('setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', file, ...args], {
      stdio: 'ignore',
    });
  } else {
    execFileSync(file, args, { stdio: 'ignore' });
  }
}

/** @returns its DATABASE_URL */
function startPostgres15(t: TestContext): string {
  assert.ok(isThere, 'REQUIRE_ALL=1 needs the package postgresql-15');
  if (process.getuid?.() === 0) {
    const number = (option: string) => Number(execFileSync('id', [option, 'postgres']).toString());
    chownSync(folder, number('-u'), number('-g'));
  }
  const data = join(folder, 'data');
  runAsPostgres('initdb', [
    '-D',
    data,
    '-U',
    'irontrack',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--no-sync',
    '--locale=C.UTF-8',
  ]);
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const options = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1 -c fsync=off`;
  runAsPostgres('pg_ctl', ['-D', data, '-w', '-l', join(folder, 'log'), '-o', options, 'start']);
  t.after(() => runAsPostgres('pg_ctl', ['-D', data, '-w', '-m', 'immediate', 'stop']));
  return `postgres://irontrack@127.0.0.1:${port}/postgres`;
}

test('a life from sign-up to logout works on an outside PostgreSQL 15', { skip }, async (t) => {
  const server = await startServer({ DATABASE_URL: startPostgres15(t), DATA_DIR: makeFolder() });
  const email = newEmail();
  const password = goodPassword;
  const post = (path: string, json: object) => call(server, `/api/v1/${path}`, { json });
  assert.equal((await post('auth/register', { email, password })).status, 201);
  const signedIn = await post('auth/login', { email, password });
  assert.equal(signedIn.status, 200);
  const refreshed = await post('auth/refresh', { refresh_token: textMember(signedIn.body, 'refresh_token') });
  assert.equal(refreshed.status, 200);
  const bearer = textMember(refreshed.body, 'access_token');
  assert.equal((await call(server, '/api/v1/access/me', { bearer })).status, 200);
  assert.equal((await call(server, '/health')).status, 200);
  assert.equal((await call(server, '/api/v1/auth/logout', { method: 'POST', bearer })).status, 204);
  assert.equal((await call(server, '/api/v1/access/me', { bearer })).status, 401);
  server.signal('SIGTERM');
  const { status, stdout, stderr } = await server.finished;
  assert.equal(status, 0, stdout + stderr);
});
