import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parse } from 'yaml';
import { makeFolder, startServer, toUrl } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';
import { databaseUrlOf, type Node, startNode } from './nodes.ts';
import { missingPrograms } from './programs.ts';

const read = (name: string) => readFileSync(new URL(`../../../deploy/${name}`, import.meta.url), 'utf8');
const cheap = { ARGON2_MEMORY_KIB: '64', ARGON2_PASSES: '1', LOG_LEVEL: 'warn' };

/** The text that a line of the unit gives to the shell, as systemd reads it. */
function shellOf(name: string): string {
  const line = new RegExp(`^${name}=/bin/sh -c '(.*)'$`, 'm').exec(read('systemd/irontrack@.service'));
  assert.ok(line !== null, name);
  return (line[1] ?? '').replaceAll('$$', '$');
}

interface Ended {
  status: number;
  said: string;
}

function run(file: string, args: readonly string[], environment: Record<string, string>): Promise<Ended> {
  const env = { PATH: process.env.PATH ?? '', ...environment };
  return new Promise((resolve) => {
    execFile(file, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ status, said: stdout + stderr });
    });
  });
}

suite('the commands in the files of deploy/', { skip: missingPrograms({ curl: 'curl' }) }, () => {
  const folder = makeFolder();
  let node: Node;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;

  before(async () => {
    database = await createTestDatabase();
    mkdirSync(join(folder, '1'));
    node = await startNode(join(folder, '1'), { ...cheap, DATABASE_URL: databaseUrlOf(database) });
  });
  after(() => node?.stop());

  test('the unit counts as started once the node serves, on its socket or its port', async () => {
    const wait = shellOf('ExecStartPost');
    assert.match(wait, /--retry 110 /);
    const once = wait.replace('--retry 110', '--retry 1');
    assert.deepEqual(await run('sh', ['-c', wait], { SOCKET_PATH: node.socket }), { status: 0, said: '' });
    const nobody = { SOCKET_PATH: join(folder, 'nobody.sock') };
    assert.notEqual((await run('sh', ['-c', once], nobody)).status, 0);

    const server = await startServer({ ...cheap, DATABASE_URL: toUrl(database), DATA_DIR: folder });
    const { hostname, port } = new URL(server.url);
    // A node on a machine of its own has the variable empty.
    const place = { SOCKET_PATH: '', HOST: hostname, PORT: port };
    assert.deepEqual(await run('sh', ['-c', wait], place), { status: 0, said: '' });
    server.signal('SIGTERM');
    assert.equal((await server.finished).status, 0);
    assert.notEqual((await run('sh', ['-c', once], place)).status, 0);
  });

  test('a reload asks for a rolling restart, and never ends a node that has a single worker', async () => {
    const reload = shellOf('ExecReload');
    const main = spawn('sleep', ['60']);
    after(() => main.kill('SIGKILL'));
    const MAINPID = String(main.pid);
    for (const workers of [{}, { WORKERS: '1' }]) {
      const { status, said } = await run('sh', ['-c', reload], { MAINPID, ...workers });
      assert.equal(status, 1);
      assert.match(said, /restart instead/);
    }
    assert.equal(main.signalCode, null);
    const ended = once(main, 'exit');
    assert.deepEqual(await run('sh', ['-c', reload], { MAINPID, WORKERS: '2' }), { status: 0, said: '' });
    assert.deepEqual(await ended, [null, 'SIGHUP']);
  });

  test('the health check of compose asks the node on its socket', async () => {
    const { test: check } = parse(read('compose/compose.yaml'), { merge: true }).services['node-1']
      .healthcheck;
    const [kind, , ...args]: string[] = check;
    assert.equal(kind, 'CMD');
    assert.equal((await run(process.execPath, args, { SOCKET_PATH: node.socket })).status, 0);
    assert.equal((await run(process.execPath, args, { SOCKET_PATH: join(folder, 'no.sock') })).status, 1);
  });
});
