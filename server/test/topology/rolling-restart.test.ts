import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeFolder } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';
import { makeCertificate, startNginx, withoutLimits } from './nginx.ts';
import { databaseUrlOf, type Node, startNode } from './nodes.ts';
import { missingPrograms } from './programs.ts';

const skip = missingPrograms({ nginx: 'nginx-light', openssl: 'openssl' });

test('nodes are restarted one by one behind nginx, and no request fails', { skip }, async () => {
  const folder = makeFolder();
  const certificate = makeCertificate(folder);
  const environment = {
    ARGON2_MEMORY_KIB: '64',
    ARGON2_PASSES: '1',
    LOG_LEVEL: 'warn',
    RATE_LIMIT: 'off',
    WEBHOOK_WORKER: 'off',
    DATABASE_URL: databaseUrlOf(await createTestDatabase()),
  };
  for (const name of ['1', '2', 'nginx']) mkdirSync(join(folder, name));
  const nodes = new Map<string, Node>();
  for (const name of ['1', '2']) nodes.set(name, await startNode(join(folder, name), environment));
  const nginx = await startNginx({
    folder: join(folder, 'nginx'),
    nodes: [...nodes.values()].map(({ socket }) => `unix:${socket}`),
    certificate,
    // Both nodes get a share of the requests of this one client.
    replace: { ...withoutLimits, 'hash $client_network consistent;': '' },
  });
  after(async () => {
    await nginx.stop();
    await Promise.all([...nodes.values()].map((node) => node.stop()));
  });

  const agent = new Agent({ keepAlive: true, ca: readFileSync(certificate.chain) });
  after(() => agent.destroy());
  async function send(
    path: string,
    token?: string,
    json?: object,
  ): Promise<{ status: number; body: string }> {
    const outgoing = request(new URL(path, nginx.url), {
      agent,
      method: json === undefined ? 'GET' : 'POST',
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    outgoing.end(json === undefined ? undefined : JSON.stringify(json));
    const [response] = await once(outgoing, 'response');
    let body = '';
    response.setEncoding('utf8');
    for await (const chunk of response) body += chunk;
    return { status: response.statusCode, body };
  }

  const person = { email: 'roll@example.org', password: 'Correct-Horse-7' };
  assert.equal((await send('/api/v1/auth/register', undefined, person)).status, 201);
  const token: string = JSON.parse((await send('/api/v1/auth/login', undefined, person)).body).access_token;

  const failures: string[] = [];
  const counts = { read: 0, written: 0 };
  let isOver = false;
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let serial = 0; !isOver; serial += 1) {
      const isWrite = serial % 4 === 3;
      try {
        const email = `roll-${client}-${serial}@example.org`;
        const answer = isWrite
          ? await send('/api/v1/auth/register', undefined, { email, password: person.password })
          : await send('/api/v1/access/me', token);
        counts[isWrite ? 'written' : 'read'] += 1;
        if (answer.status !== (isWrite ? 201 : 200)) failures.push(`${answer.status} ${answer.body}`);
      } catch (error) {
        failures.push(String(error));
      }
      // Some connections to the nodes are idle at any moment, and some are not.
      await new Promise((resolve) => setTimeout(resolve, serial % 5));
    }
  });
  for (const name of ['1', '2']) {
    const before = counts.read;
    await nodes.get(name)?.stop();
    nodes.set(name, await startNode(join(folder, name), environment));
    // As long as nginx leaves a node alone that failed.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assert.ok(counts.read > before, 'the other node went on');
  }
  isOver = true;
  await Promise.all(clients);
  assert.deepEqual(failures, [], `of ${counts.read} reads and ${counts.written} writes; ${nginx.errorLog()}`);
  const served = nginx
    .accessLog()
    .split('\n')
    .map((line) => /"upstream":"([^"]*)"/.exec(line)?.[1] ?? '');
  for (const node of nodes.values()) {
    assert.ok(
      served.some((upstream) => upstream.endsWith(node.socket)),
      `${node.socket} served nothing`,
    );
  }
});
