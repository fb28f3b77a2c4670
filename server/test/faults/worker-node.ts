/** A node of two workers, and what tests of its faults ask of it. */
import assert from 'node:assert/strict';
import { goodPassword, newEmail, textMember } from '../support/service.ts';
import { type Environment, startServer } from './process.ts';
import { type Connection, metricOf, until, workersOf } from './worker-connections.ts';

export async function startNode(environment: Environment) {
  const server = await startServer({ ...environment, WORKERS: '2' });
  const { url, pid } = server;
  const bothServe = () =>
    until('two serve', async () => {
      if (workersOf(pid).length !== 2) return false;
      // Nobody may be there to ask.
      return (await metricOf(url, 'serving_processes').catch(() => 0)) === 2;
    });
  const end = async () => {
    server.signal('SIGTERM');
    const { status, stdout, stderr } = await server.finished;
    assert.equal(status, 0, stdout.slice(-1_000) + stderr);
  };
  return { server, url, pid, bothServe, end };
}

/** Signs somebody new up and in. */
export async function enter(connection: Connection): Promise<{ bearer: string }> {
  const person = { email: newEmail(), password: goodPassword };
  assert.equal((await connection.ask('/api/v1/auth/register', { json: person })).status, 201);
  const { body } = await connection.ask('/api/v1/auth/login', { json: person });
  return { bearer: textMember(body, 'access_token') };
}
