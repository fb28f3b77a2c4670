import { NoContent } from '@irontrack/contract/fields.ts';
import { SessionList } from '@irontrack/contract/sessions.ts';
import { Jwks } from '@irontrack/contract/system.ts';
import { IdParams } from '@irontrack/contract/users.ts';
import type { App } from '../http/app.ts';
import { readCaller } from '../http/guard.ts';
import { readSource } from '../http/request-source.ts';
import type { Keyring } from './keyring.ts';
import type { Sessions } from './sessions.ts';

const config = { access: 'user' } as const;
const tags = ['Sessions'];

export function mountSessions(
  app: App,
  { sessions, keyring }: { sessions: Sessions; keyring: Keyring },
): void {
  app.get(
    '/api/v1/sessions/me',
    {
      config,
      schema: { tags, summary: 'The live sessions of the caller', response: { 200: SessionList } },
    },
    async (request) => ({ items: await sessions.list(readCaller(request), readSource(request)) }),
  );

  app.delete(
    '/api/v1/sessions/me',
    {
      config,
      schema: { tags, summary: "End all the caller's other sessions", response: { 204: NoContent } },
    },
    async (request, reply) => {
      await sessions.endOthers(readCaller(request), readSource(request));
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/api/v1/sessions/:id',
    {
      config,
      schema: {
        tags,
        summary: 'End a session: an own one, or as superuser any',
        problems: ['session-not-found'],
        params: IdParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await sessions.end(readCaller(request), request.params.id.toLowerCase(), readSource(request));
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/.well-known/jwks.json',
    {
      config: { access: 'public', cost: 'cheap' },
      schema: { tags: ['System'], summary: 'The keys that verify access tokens', response: { 200: Jwks } },
    },
    (_request, reply) => {
      // Long enough to spare us, short enough that a key that was cut off is soon gone from caches.
      reply.header('cache-control', 'public, max-age=60').send({ keys: keyring.list() });
    },
  );
}
