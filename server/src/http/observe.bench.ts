/**
 * The hot path alone, for docs/decisions/0004-hot-path.md: /ping and a /me that looks up token, session and user in
 * three maps, on Fastify, with everything of observe.ts on. The lines of the log go to standard output.
 *
 * Usage: node server/src/http/observe.bench.ts --port 9002 [--without shortcuts,prepared-head,shape,log] > log
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { parseArgs } from 'node:util';
import fastJson from 'fast-json-stringify';
import fastify from 'fastify';
import { openTelemetry } from '../telemetry/telemetry.ts';
import { createObserver, noteUser, type Shortcut } from './observe.ts';
import { createRequestIds } from './request-id.ts';
import { writePublicHead } from './response-head.ts';
import { holdTickShape } from './tick-shape.ts';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '9002' }, without: { type: 'string', default: '' } },
});
const without = new Set(values.without.split(','));
if (!without.has('shape')) holdTickShape();

const me = {
  id: '019c3de9-e136-7062-ae8e-8412ac7c19fa',
  name: 'Ada Lovelace',
  email: 'ada@example.org',
  isActive: true,
  isSuperuser: false,
  roleSlug: 'application-access',
};
const token = `eyJ${'x'.repeat(380)}`;
const tokens = new Map([[token, { sessionId: 's1' }]]);
const sessions = new Map([['s1', { userId: me.id }]]);
const users = new Map([[me.id, me]]);
const schema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    name: { type: 'string' },
    email: { type: 'string' },
    isActive: { type: 'boolean' },
    isSuperuser: { type: 'boolean' },
    roleSlug: { type: 'string' },
  },
} as const;
const serialize = fastJson(schema);

function findUser(request: IncomingMessage) {
  const { cookie, authorization } = request.headers;
  const given = authorization?.startsWith('Bearer ')
    ? authorization.slice(7)
    : /(?:^|; )access_token="?([^;"]*)/.exec(cookie ?? '')?.[1];
  const verified = tokens.get(given ?? '');
  const session = verified && sessions.get(verified.sessionId);
  return session && users.get(session.userId);
}

const telemetry = await openTelemetry({ level: without.has('log') ? 'warn' : 'info', format: 'json', fd: 1 });
const observer = createObserver({
  accessLog: telemetry.accessLog,
  histogram: telemetry.metrics.requests,
  makeRequestId: createRequestIds(randomBytes),
  clock: () => performance.now(),
  isSecure: false,
  ...(without.has('prepared-head') ? { writePreparedHead: writePublicHead } : {}),
});
const app = fastify({
  serverFactory: (handler) => observer.createServer(handler, {}),
  genReqId: observer.genReqId,
  requestIdHeader: false,
});
observer.mount(app);

const shortPing: Shortcut = () => ({ contentType: 'text/plain; charset=utf-8', body: 'OK' });
const shortMe: Shortcut = (request) => {
  const user = findUser(request);
  return user && { contentType: 'application/json; charset=utf-8', body: serialize(user), userId: user.id };
};
function short(shortcut: Shortcut) {
  return without.has('shortcuts') ? {} : { config: { shortcut } };
}
app.get('/ping', short(shortPing), (_request, reply) => {
  reply.type('text/plain; charset=utf-8').send('OK');
});
app.get('/me', { ...short(shortMe), schema: { response: { 200: schema } } }, (request, reply) => {
  const user = findUser(request.raw);
  if (user === undefined) throw new Error('Sign in first.');
  noteUser(reply.raw, user.id);
  reply.send(user);
});
await app.listen({ port: Number(values.port), host: '127.0.0.1' });
process.on('SIGTERM', () => process.exit(0));
