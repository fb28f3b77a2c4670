import {
  GeneratedKey,
  KeyGeneration,
  KeyInformation,
  ReplacementKey,
  RotatedKey,
} from '@irontrack/contract/api-keys.ts';
import { IdParams } from '@irontrack/contract/users.ts';
import type { App } from '../http/app.ts';
import { readCaller } from '../http/guard.ts';
import { readApiKey, readOrganization } from '../http/key-guard.ts';
import { readSource } from '../http/request-source.ts';
import type { ApiKeys } from './api-keys.ts';

const tags = ['API keys'];

interface Needs {
  apiKeys: ApiKeys;
  /** Who may have a key made: anybody, or superusers alone. */
  signup: 'open' | 'admin';
}

export function mountApiKeys(app: App, { apiKeys, signup }: Needs): void {
  app.post(
    '/api/keys/generate',
    {
      config: { access: signup === 'open' ? 'public' : 'superuser' },
      schema: {
        tags,
        summary: 'Make an organization and its API key',
        problems: ['too-many-attempts'],
        body: KeyGeneration,
        response: { 201: GeneratedKey },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await apiKeys.generate(request.caller, request.body, readSource(request))),
  );

  app.get(
    '/api/keys',
    {
      config: { access: 'key' },
      schema: { tags, summary: 'Whose is this key?', response: { 200: KeyInformation } },
    },
    (request) => apiKeys.describe(readOrganization(request)),
  );

  app.post(
    '/api/keys/rotate',
    {
      config: { access: 'key' },
      schema: {
        tags,
        summary: 'Replace this key; the old one is dead at once',
        response: { 200: RotatedKey },
      },
    },
    (request) => apiKeys.rotate(readOrganization(request), readApiKey(request), readSource(request)),
  );

  app.post(
    '/api/v1/organizations/:id/keys',
    {
      config: { access: 'superuser' },
      schema: {
        tags: ['Organizations'],
        summary: 'Replace the keys of an organization',
        problems: ['organization-not-found'],
        params: IdParams,
        response: { 201: ReplacementKey },
      },
    },
    async (request, reply) => {
      const id = request.params.id.toLowerCase();
      return reply.code(201).send(await apiKeys.replace(readCaller(request), id, readSource(request)));
    },
  );
}
