import { Me, PasswordUpdate, SignIn, SignInForm, SignUp } from '@irontrack/contract/access.ts';
import { NoContent } from '@irontrack/contract/fields.ts';
import { User } from '@irontrack/contract/users.ts';
import type { Static } from '@sinclair/typebox';
import buildSerializer from 'fast-json-stringify';
import type { FastifyReply } from 'fastify';
import type { App } from '../http/app.ts';
import { readCookie, type SessionCookies } from '../http/cookies.ts';
import {
  type Authenticate,
  notAuthenticated,
  readAccessToken,
  readBearer,
  readCaller,
} from '../http/guard.ts';
import { parseFormBody } from '../http/json-body.ts';
import type { ShortAnswer, Shortcut } from '../http/observe.ts';
import { readSource } from '../http/request-source.ts';
import { Problem, ValidationProblem } from '../problem.ts';
import type { Sessions, SessionTokens } from '../sessions/sessions.ts';
import type { Accounts } from './accounts.ts';
import type { AttemptLimits } from './attempt-limits.ts';
import { refreshWithinLimits } from './refresh.ts';

interface Needs {
  accounts: Accounts;
  sessions: Sessions;
  limits: AttemptLimits;
  cookies: SessionCookies;
  authenticate: Authenticate;
}

const tags = ['Browser flow'];

/** The browser flow: the same calls as the token flow, with the tokens in cookies. */
export function mountAccess(app: App, needs: Needs): void {
  const { accounts, sessions, limits, cookies } = needs;

  app.post(
    '/api/v1/access/signup',
    {
      config: { access: 'public', sameSiteOnly: true, cost: 'password' },
      schema: {
        tags,
        summary: 'Create an account',
        problems: ['email-taken', 'too-many-attempts', 'hash-queue-full'],
        body: SignUp,
        response: { 201: User },
      },
    },
    async (request, reply) => {
      const { confirmPassword, ...input } = request.body;
      // One password has several Unicode spellings, and is normalised the same way before it is hashed.
      if (confirmPassword.normalize('NFKC') !== input.password.normalize('NFKC')) {
        throw new ValidationProblem([
          { type: 'value_error', field: 'body', message: "Value error, Passwords don't match" },
        ]);
      }
      return reply.code(201).send(await accounts.signUp(input, readSource(request)));
    },
  );

  // Forms are accepted here alone: a form on another site can be sent without the browser asking us first.
  app.register(async (formApp: App) => {
    formApp.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'buffer' },
      (_request, body: Buffer, done) => {
        try {
          done(null, parseFormBody(body));
        } catch (error) {
          done(error instanceof Error ? error : new Error(String(error)));
        }
      },
    );

    formApp.post<{ Body: SignInBody }>(
      '/api/v1/access/signin',
      {
        config: { access: 'public', sameSiteOnly: true, cost: 'password' },
        schema: {
          tags,
          summary: 'Sign in, by form (OAuth 2 password form) or JSON, and get two cookies',
          problems: ['invalid-credentials', 'too-many-attempts', 'hash-queue-full'],
          body: {
            content: {
              'application/x-www-form-urlencoded': { schema: SignInForm },
              'application/json': { schema: SignIn },
            },
          },
          response: { 204: NoContent },
        },
      },
      async (request, reply) => {
        const tokens = await accounts.signIn(readCredentials(request.body), readSource(request));
        return setCookies(reply, tokens).code(204).send(null);
      },
    );
  });

  app.post(
    '/api/v1/access/refresh-jwt',
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'Rotate the refresh cookie and get a new access cookie',
        problems: ['refresh-token-refused', 'too-many-attempts'],
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const token = readCookie(request.headers.cookie, cookies.refreshName);
      if (token === undefined) throw new Problem('refresh-token-refused');
      const tokens = await refreshWithinLimits({ limits, sessions }, token, readSource(request));
      return setCookies(reply, tokens).code(204).send(null);
    },
  );

  app.post(
    '/api/v1/access/logout',
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'End the session of either cookie',
        problems: ['not-authenticated'],
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const { cookie, authorization } = request.headers;
      // The cookies go whatever comes of it.
      reply.header('set-cookie', cookies.clear());
      const access = readBearer(authorization) ?? readCookie(cookie, cookies.accessName);
      const refresh = readCookie(cookie, cookies.refreshName);
      const tokens = {
        ...(access === undefined ? {} : { access }),
        ...(refresh === undefined ? {} : { refresh }),
      };
      if (!(await sessions.signOut(tokens, readSource(request)))) throw notAuthenticated();
      return reply.code(204).send(null);
    },
  );

  app.patch(
    '/api/v1/access/password-update',
    {
      config: { access: 'user', cost: 'password' },
      schema: {
        tags,
        summary: 'Change the password and end every session of the user',
        problems: ['wrong-current-password', 'too-many-attempts', 'hash-queue-full'],
        body: PasswordUpdate,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await accounts.changePassword(readCaller(request), request.body, readSource(request));
      return reply.header('set-cookie', cookies.clear()).code(204).send(null);
    },
  );

  app.get(
    '/api/v1/access/me',
    {
      config: { access: 'user', cost: 'cheap', shortcut: createMeShortcut(needs) },
      schema: { tags, summary: 'The signed-in user, in short', response: { 200: Me } },
    },
    (request, reply) => {
      reply.send(readCaller(request).user);
    },
  );

  function setCookies(reply: FastifyReply, tokens: SessionTokens): FastifyReply {
    const { accessToken, accessSeconds, refreshToken, refreshSeconds } = tokens;
    return reply.header(
      'set-cookie',
      cookies.issue(accessToken, accessSeconds, refreshToken, refreshSeconds),
    );
  }
}

/** The route above for the caller who is known already, which is nearly every one: no hook, no promise, no SQL. */
function createMeShortcut({ authenticate, cookies }: Pick<Needs, 'authenticate' | 'cookies'>): Shortcut {
  const serialize = buildSerializer(Me);
  // For as long as the user is known their answer is: a cached user is replaced by another object, never changed.
  const answers = new WeakMap<User, ShortAnswer>();
  return ({ headers }) => {
    const token = readAccessToken(headers, cookies);
    const caller = token === undefined ? undefined : authenticate(token);
    // Whoever is unknown or has to be looked up takes the long way, which also finds the words for a refusal. It joins
    // this look-up or makes another; a rejection that nobody heard here would end the process.
    if (caller instanceof Promise) caller.catch(() => undefined);
    if (caller === undefined || caller instanceof Promise) return undefined;
    const { user } = caller;
    let answer = answers.get(user);
    if (answer === undefined) {
      // Through bytes and back, so that it is one text and not the many it was composed of.
      const body = Buffer.from(serialize(user)).toString();
      answer = { contentType: 'application/json; charset=utf-8', body, userId: user.id };
      answers.set(user, answer);
    }
    return answer;
  };
}

type SignInBody = Static<typeof SignInForm> | SignIn;

function readCredentials(body: SignInBody | undefined | null): SignIn {
  // Without a content type there is no schema to choose, so Fastify validates nothing.
  if (body === undefined || body === null) {
    throw new ValidationProblem([
      { type: 'object_type', field: 'body', message: 'Should be a valid object' },
    ]);
  }
  return 'username' in body ? { email: body.username, password: body.password } : body;
}
