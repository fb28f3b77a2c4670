import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { type Static, Type } from '@sinclair/typebox';
import type { App } from '../../src/http/app.ts';
import { createSessionCookies } from '../../src/http/cookies.ts';
import { guardRoutes } from '../../src/http/guard.ts';
import { createLazyCompiler } from '../../src/http/lazy-compiler.ts';
import { createObserver } from '../../src/http/observe.ts';
import { createRequestIds } from '../../src/http/request-id.ts';
import { createServer } from '../../src/http/server.ts';
import { openTelemetry } from '../../src/telemetry/telemetry.ts';
import { assertProblem } from '../support/expectations.ts';
import { call } from '../support/service.ts';

const telemetry = await openTelemetry({ level: 'silent', format: 'json', fd: 2 });
after(() => telemetry.close());

/** A server as app.ts builds it, with the routes that a test mounts on it. */
async function startServer(mount: (app: App) => void) {
  const reported: string[] = [];
  const app = createServer({
    observer: createObserver({
      accessLog: telemetry.accessLog,
      histogram: telemetry.metrics.requests,
      makeRequestId: createRequestIds(randomBytes),
      clock: () => performance.now(),
      isSecure: false,
    }),
    compiler: createLazyCompiler(),
    trustedProxies: [],
    report: (error) => void reported.push(String(error)),
  });
  guardRoutes(app, {
    authenticate: () => undefined,
    authenticateKey: () => undefined,
    allowanceOf: () => ({ limit: 0, remaining: 0, resetsAtMs: 0 }),
    cookies: createSessionCookies({ secure: false, prefix: false }),
    allowedOrigins: new Set(),
  });
  mount(app);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  after(() => app.close());
  return { url, reported };
}

const Thing = Type.Object({ name: Type.String() });
/** An object that holds more than its schema names, as a row of the database may. */
const row = { name: 'a thing', passwordHash: '$argon2id$secret' };
const readThing = async (): Promise<Static<typeof Thing>> => row;
const open = { access: 'public' } as const;

test('a server with a route that does not say who may call it does not start, and names the route', async () => {
  for (const config of [undefined, {}]) {
    const schema = { response: { 200: Thing } };
    const options = config === undefined ? { schema } : { config, schema };
    await assert.rejects(
      startServer((app) => void app.get('/things/:id', options, readThing)),
      /GET \/things\/:id does not say who may call it/,
    );
  }
});

test('a server with a route that has no schema for a 2xx does not start, and names the route', async () => {
  const notFound = { 404: Thing };
  for (const schema of [undefined, {}, { response: {} }, { response: notFound }]) {
    const options = schema === undefined ? { config: open } : { config: open, schema };
    await assert.rejects(
      startServer((app) => void app.post('/things', options, async (_request, reply) => reply.send())),
      /POST \/things has no schema for a 2xx answer/,
    );
  }
});

test('of an object no more leaves than its schema names', async () => {
  const server = await startServer((app) => {
    app.get('/things', { config: open, schema: { response: { 200: Thing } } }, readThing);
  });
  const answer = await call(server, '/things');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, { name: 'a thing' });
});

test('an object under a status that has no schema is a 500 that tells nothing of it, and the log says why', async () => {
  for (const status of [201, 202, 299, 404]) {
    const server = await startServer((app) => {
      app.get('/things', { config: open, schema: { response: { 200: Thing } } }, async (_request, reply) => {
        reply.statusCode = status;
        return await readThing();
      });
    });
    const answer = await call(server, '/things');
    assertProblem(answer, 500, 'internal-error');
    assert.doesNotMatch(JSON.stringify(answer.body), /a thing|secret|schema|\/things/);
    assert.deepEqual(server.reported, [`Error: /things answered ${status}, for which it has no schema.`]);
  }
});
