/**
 * The embedded PostgreSQL stands still, stopped by a signal, when the service is asked to end: it would act on no request
 * to end, and the service wait for it for ever. They end at the same time.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, call, goodPassword, newEmail } from '../support/service.ts';
import { type Environment, makeFolder, type RunningServer, startServer } from './process.ts';
import { until } from './worker-connections.ts';

/** 40 s for what is under way and 45 s for the database, as docs/operations.md has it. */
const longestEndMs = 85_000;

const stoodStill = /PostgreSQL stood still/g;

async function startEmbedded(environment: Environment = {}) {
  const dataDir = makeFolder();
  const server = await startServer({ ...environment, DATA_DIR: dataDir });
  const [pid = ''] = readFileSync(join(dataDir, 'postgresql', 'postmaster.pid'), 'utf8').split('\n');
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const processes = [pid, ...children.trim().split(' ')].map(Number);
  // Of a test that failed: nobody else would end what stands still.
  after(() => {
    for (const each of processes) {
      if (!existsSync(`/proc/${each}`) || !readlinkSync(`/proc/${each}/cwd`).startsWith(dataDir)) continue;
      process.kill(each, 'SIGKILL');
    }
  });
  const stop = (all: readonly number[]) => {
    for (const each of all) process.kill(each, 'SIGSTOP');
  };
  return {
    server,
    dataDir,
    processes,
    stop,
    log: () => readFileSync(join(dataDir, 'postgresql.log'), 'utf8'),
  };
}

const person = () => ({ email: newEmail(), password: goodPassword });

const register = (server: RunningServer, json: object): Promise<Answer> =>
  call(server, '/api/v1/auth/register', { json });

/** @returns how long it took to end, milliseconds */
async function end(server: RunningServer): Promise<number> {
  const askedAt = performance.now();
  server.signal('SIGTERM');
  const { status, stdout, stderr } = await server.finished;
  assert.equal(status, 0, stdout.slice(-2_000) + stderr);
  return performance.now() - askedAt;
}

describe('asked to end while PostgreSQL stands still, the service', {
  concurrency: true,
  skip: process.platform !== 'linux' && 'needs /proc',
}, () => {
  test('ends in order when it is the postmaster, and nothing is lost', async () => {
    const { server, dataDir, processes, stop, log } = await startEmbedded();
    const known = person();
    assert.equal((await register(server, known)).status, 201);
    stop(processes.slice(0, 1));
    const tookMs = await end(server);
    assert.ok(tookMs < longestEndMs, `${Math.round(tookMs)} ms`);
    assert.equal(server.output().match(stoodStill)?.length, 1, server.output());
    assert.match(log(), /database system is shut down\s*$/);
    const again = await startServer({ DATA_DIR: dataDir });
    assert.doesNotMatch(log(), /was not properly shut down/);
    assert.equal((await call(again, '/api/v1/auth/login', { json: known })).status, 200);
    await end(again);
  });

  test('ends with its workers when it is all of it, and answers what is under way', async () => {
    const { server, processes, stop, log } = await startEmbedded({ WORKERS: '2' });
    assert.equal((await register(server, person())).status, 201);
    stop(processes);
    const asked = register(server, person());
    await pause(200);
    const tookMs = await end(server);
    assert.ok(tookMs < longestEndMs, `${Math.round(tookMs)} ms`);
    assert.equal((await asked).status, 503);
    assert.equal(server.output().match(stoodStill)?.length, 1, server.output());
    assert.match(log(), /database system is shut down\s*$/);
  });

  test('leaves none behind when it is asked twice and ends at once', async () => {
    const { server, processes, stop } = await startEmbedded();
    stop(processes);
    const asked = register(server, person()).catch(() => undefined);
    await pause(200);
    server.signal('SIGTERM');
    await until('it has heard that', () => server.output().includes('Draining'));
    // From a second on it is another request. By itself it takes 5 s at least, which it waits for the database.
    await pause(1_500);
    server.signal('SIGTERM');
    assert.equal((await server.finished).status, 128 + 15);
    await asked;
    await until('PostgreSQL is gone', () => processes.every((pid) => !existsSync(`/proc/${pid}`)), 60_000);
  });
});
