import { NoContent } from '@irontrack/contract/fields.ts';
import { IdParams, User, UserChange, UserCreation, UserPage, UserQuery } from '@irontrack/contract/users.ts';
import type { App } from '../http/app.ts';
import { readCaller } from '../http/guard.ts';
import { readSource } from '../http/request-source.ts';
import type { Users } from './users.ts';

const config = { access: 'superuser' } as const;
const tags = ['Users'];

const standingProblems = [
  'user-not-found',
  'own-account',
  'primary-administrator',
  'last-superuser',
] as const;

export function mountUsers(app: App, { users }: { users: Users }): void {
  app.post(
    '/api/v1/users',
    {
      config: { ...config, cost: 'password' },
      schema: {
        tags,
        summary: 'Create a user',
        problems: ['email-taken', 'hash-queue-full'],
        body: UserCreation,
        response: { 201: User },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await users.create(readCaller(request), request.body, readSource(request))),
  );

  app.get(
    '/api/v1/users',
    {
      config: { ...config, cost: 'costly' },
      schema: { tags, summary: 'List users', querystring: UserQuery, response: { 200: UserPage } },
    },
    (request) => users.list(request.query, readSource(request)),
  );

  app.get(
    '/api/v1/users/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Read a user',
        problems: ['user-not-found'],
        params: IdParams,
        response: { 200: User },
      },
    },
    (request) => users.read(request.params.id.toLowerCase(), readSource(request)),
  );

  app.patch(
    '/api/v1/users/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Change a user',
        problems: [...standingProblems, 'email-taken', 'hash-queue-full'],
        params: IdParams,
        body: UserChange,
        response: { 200: User },
      },
    },
    (request) =>
      users.change(readCaller(request), request.params.id.toLowerCase(), request.body, readSource(request)),
  );

  app.delete(
    '/api/v1/users/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Delete a user with all sessions',
        problems: standingProblems,
        params: IdParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await users.remove(readCaller(request), request.params.id.toLowerCase(), readSource(request));
      return reply.code(204).send(null);
    },
  );
}
