/** Who is it, and may they: the first thing that happens to a request, before anything of it is parsed or validated. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { User } from '@irontrack/contract/users.ts';
import type { FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify';
import type { Soon } from '../cache/counters.ts';
import { Problem } from '../problem.ts';
import type { App } from './app.ts';
import { readCookie, type SessionCookies } from './cookies.ts';
import { type Allowance, type AuthenticateKey, createKeyGuard, type Organization } from './key-guard.ts';
import { noteUser } from './observe.ts';
import { isCrossSite } from './same-site.ts';

/** Who may call a route. Every route says so, or the server does not start. */
export type Access = 'public' | 'user' | 'superuser' | 'key';

/** The signed-in user behind a request, and the session it is part of. */
export interface Caller {
  readonly sessionId: string;
  readonly user: User;
}

/**
 * Finds whom an access token speaks for. Synchronous when it is known already, since that is nearly always so.
 * `undefined`: the token is forged, expired, of a dead session or of an inactive user.
 */
export type Authenticate = (accessToken: string) => Caller | undefined | Promise<Caller | undefined>;

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** Check where the request comes from even without a cookie: the route sets one. */
    sameSiteOnly?: boolean;
  }
  interface FastifyRequest {
    caller: Caller | null;
  }
}

interface GuardSettings {
  authenticate: Authenticate;
  authenticateKey: AuthenticateKey;
  allowanceOf: (organization: Organization) => Soon<Allowance>;
  cookies: SessionCookies;
  allowedOrigins: ReadonlySet<string>;
}

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Puts the guard before every route that is mounted from now on. */
export function guardRoutes(app: App, settings: GuardSettings): void {
  app.decorateRequest('caller', null);
  app.decorateRequest('organization', null);
  const keyGuard = createKeyGuard(settings);
  app.addHook('onRoute', (route) => {
    const access = requireAccess(route);
    const guards: onRequestHookHandler[] = [];
    if (access !== 'public') {
      const guard =
        access === 'key' ? keyGuard : createGuard(access, settings.authenticate, settings.cookies);
      guards.push(guard);
      // Asked again when the body is there: a client may take half a minute to send it, and lose its session meanwhile.
      if (!isSafe(route)) route.preHandler = [guard, ...[route.preHandler ?? []].flat()];
    }
    // A browser adds no key by itself, so no other site can make it send one.
    if (!isSafe(route) && access !== 'key')
      guards.push(createSameSiteCheck(route.config?.sameSiteOnly ?? false, settings));
    const declared = route.onRequest ?? [];
    route.onRequest = [...guards, ...(Array.isArray(declared) ? declared : [declared])];
  });
}

/** The caller of a route that is not public. */
export function readCaller(request: FastifyRequest): Caller {
  if (request.caller === null) throw new Error('A public route has no caller.');
  return request.caller;
}

export function readAccessToken(headers: IncomingHttpHeaders, cookies: SessionCookies): string | undefined {
  return readBearer(headers.authorization) ?? readCookie(headers.cookie, cookies.accessName);
}

/** RFC 6750 section 2.1; the scheme in any case (RFC 9110). */
export function readBearer(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length < 8) return undefined;
  if (!authorization.startsWith('Bearer ') && authorization.slice(0, 7).toLowerCase() !== 'bearer ')
    return undefined;
  return authorization.slice(7).trim();
}

function requireAccess(route: RouteOptions): Access {
  const access = route.config?.access;
  if (access === undefined) {
    throw new Error(
      `The route ${String(route.method)} ${route.url} does not say who may call it (config.access).`,
    );
  }
  return access;
}

function isSafe(route: RouteOptions): boolean {
  return [route.method].flat().every((method) => safeMethods.has(method));
}

function createGuard(
  access: Exclude<Access, 'key'>,
  authenticate: Authenticate,
  cookies: SessionCookies,
): onRequestHookHandler {
  function admit(
    request: FastifyRequest,
    response: ServerResponse,
    caller: Caller | undefined,
  ): Problem | undefined {
    if (caller === undefined) return notAuthenticated();
    request.caller = caller;
    noteUser(response, caller.user.id);
    return access === 'superuser' && !caller.user.isSuperuser ? new Problem('not-permitted') : undefined;
  }
  return (request, reply, done) => {
    const token = readAccessToken(request.raw.headers, cookies);
    if (token === undefined) {
      done(notAuthenticated());
      return;
    }
    const caller = authenticate(token);
    if (caller instanceof Promise) {
      caller.then((found) => done(admit(request, reply.raw, found)), done);
      return;
    }
    done(admit(request, reply.raw, caller));
  };
}

export function notAuthenticated(): Problem {
  return new Problem('not-authenticated', undefined, { headers: { 'www-authenticate': 'Bearer' } });
}

/** Unsafe requests that a browser sends with our cookies must come from our own site (CSRF). */
function createSameSiteCheck(
  always: boolean,
  { cookies, allowedOrigins }: GuardSettings,
): onRequestHookHandler {
  return (request, _reply, done) => {
    const { headers } = request.raw;
    const checked =
      always || (carriesSession(headers, cookies) && readBearer(headers.authorization) === undefined);
    done(checked && isCrossSite(headers, allowedOrigins) ? new Problem('cross-site-request') : undefined);
  };
}

function carriesSession({ cookie }: IncomingHttpHeaders, cookies: SessionCookies): boolean {
  return (
    readCookie(cookie, cookies.accessName) !== undefined ||
    readCookie(cookie, cookies.refreshName) !== undefined
  );
}
