import {
  ProfileChange,
  RefreshRequest,
  Registration,
  SignIn,
  TokenPair,
} from '@irontrack/contract/access.ts';
import { NoContent } from '@irontrack/contract/fields.ts';
import { User } from '@irontrack/contract/users.ts';
import type { App } from '../http/app.ts';
import { notAuthenticated, readBearer, readCaller } from '../http/guard.ts';
import { readSource } from '../http/request-source.ts';
import type { Sessions, SessionTokens } from '../sessions/sessions.ts';
import type { Accounts } from './accounts.ts';
import type { AttemptLimits } from './attempt-limits.ts';
import { refreshWithinLimits } from './refresh.ts';

interface Needs {
  accounts: Accounts;
  sessions: Sessions;
  limits: AttemptLimits;
}

const tags = ['Token flow'];

/** The token flow, for programs: the tokens travel in JSON, as OAuth 2 spells them. */
export function mountAuth(app: App, { accounts, sessions, limits }: Needs): void {
  app.post(
    '/api/v1/auth/register',
    {
      config: { access: 'public', cost: 'password' },
      schema: {
        tags,
        summary: 'Create an account',
        problems: ['email-taken', 'too-many-attempts', 'hash-queue-full'],
        body: Registration,
        response: { 201: User },
      },
    },
    async (request, reply) => reply.code(201).send(await accounts.signUp(request.body, readSource(request))),
  );

  app.post(
    '/api/v1/auth/login',
    {
      config: { access: 'public', cost: 'password' },
      schema: {
        tags,
        summary: 'Sign in and get a token pair',
        problems: ['invalid-credentials', 'too-many-attempts', 'hash-queue-full'],
        body: SignIn,
        response: { 200: TokenPair },
      },
    },
    async (request) => toTokenPair(await accounts.signIn(request.body, readSource(request))),
  );

  app.post(
    '/api/v1/auth/refresh',
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'Rotate a refresh token',
        problems: ['refresh-token-refused', 'too-many-attempts'],
        body: RefreshRequest,
        response: { 200: TokenPair },
      },
    },
    async (request) =>
      toTokenPair(
        await refreshWithinLimits({ limits, sessions }, request.body.refresh_token, readSource(request)),
      ),
  );

  app.post(
    '/api/v1/auth/logout',
    {
      config: { access: 'user' },
      schema: { tags, summary: 'End the session of the bearer token', response: { 204: NoContent } },
    },
    async (request, reply) => {
      const access = readBearer(request.headers.authorization);
      if (access === undefined || !(await sessions.signOut({ access }, readSource(request)))) {
        throw notAuthenticated();
      }
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/api/v1/users/me',
    {
      config: { access: 'user', cost: 'cheap' },
      schema: { tags: ['Users'], summary: 'The signed-in user', response: { 200: User } },
    },
    (request, reply) => {
      reply.send(readCaller(request).user);
    },
  );

  app.patch(
    '/api/v1/users/me',
    {
      config: { access: 'user' },
      schema: {
        tags: ['Users'],
        summary: 'Change the own profile',
        body: ProfileChange,
        response: { 200: User },
      },
    },
    (request) => accounts.changeProfile(readCaller(request), request.body, readSource(request)),
  );
}

/** RFC 6749 section 5.1; the headers that keep it out of caches are on every answer. */
function toTokenPair({ accessToken, accessSeconds, refreshToken }: SessionTokens): TokenPair {
  return {
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: 'Bearer',
    expires_in: accessSeconds,
  };
}
