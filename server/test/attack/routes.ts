/** Every route that is mounted, read out of the running application, so that a new one is attacked too. */
import assert from 'node:assert/strict';
import type { TestService } from '../support/service.ts';

export interface Route {
  method: string;
  /** As it was mounted: /api/v1/users/:id. */
  pattern: string;
}

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export function isUnsafe({ method }: Route): boolean {
  return !safeMethods.has(method);
}

/** Reads Fastify's picture of its router: one line a path, indented by what it continues. */
export function listRoutes(service: TestService): Route[] {
  const routes: Route[] = [];
  const parents: string[] = [];
  for (const line of service.service.app.printRoutes({ commonPrefix: false }).split('\n')) {
    const match = /^([\s\u2502]*)[\u251c\u2514]\u2500\u2500 (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line);
    if (match === null) {
      assert.equal(line.trim(), '', `A line of printRoutes is not understood: ${line}`);
      continue;
    }
    const [, indent = '', segment = '', methods = ''] = match;
    const depth = indent.length / 4;
    const pattern = (depth === 0 ? '' : (parents[depth - 1] ?? '')) + segment;
    parents[depth] = pattern;
    for (const method of methods.split(', ').filter((name) => name !== '')) routes.push({ method, pattern });
  }
  assert.ok(routes.length > 40, `Only ${routes.length} routes were found`);
  // The CORS plugin's own, which answers nothing but preflights.
  return routes.filter(({ method, pattern }) => !(method === 'OPTIONS' && pattern === '*'));
}

/** A path of the pattern. */
export function pathOf({ pattern }: Route, values: { id: string; email: string }): string {
  return pattern.replace(':id', values.id).replace(':email', encodeURIComponent(values.email));
}

export function nameOf({ method, pattern }: Route): string {
  return `${method} ${pattern}`;
}

/** What anybody may call. A route that should join them has to be added here, on purpose. */
export const publicRoutes: ReadonlySet<string> = new Set([
  'POST /api/v1/access/signup',
  'POST /api/v1/access/signin',
  'POST /api/v1/access/refresh-jwt',
  'POST /api/v1/access/logout',
  'POST /api/v1/auth/register',
  'POST /api/v1/auth/login',
  'POST /api/v1/auth/refresh',
  // With KEY_SIGNUP open, as it is on loopback.
  'POST /api/keys/generate',
  ...[
    '/',
    '/ping',
    '/health',
    '/ready',
    '/health/live',
    '/health/ready',
    '/api/health',
    '/metrics',
    '/.well-known/jwks.json',
    '/api/v1/openapi.json',
    '/docs',
    '/docs/start.js',
    '/docs/swagger-ui-bundle.js',
    '/docs/swagger-ui.css',
  ].flatMap((path) => [`GET ${path}`, `HEAD ${path}`]),
]);

/** What every signed-in user may call. Whatever is neither here nor public must be for superusers. */
export const userRoutes: ReadonlySet<string> = new Set([
  'POST /api/v1/auth/logout',
  'PATCH /api/v1/access/password-update',
  'GET /api/v1/access/me',
  'HEAD /api/v1/access/me',
  'GET /api/v1/users/me',
  'HEAD /api/v1/users/me',
  'PATCH /api/v1/users/me',
  'GET /api/v1/sessions/me',
  'HEAD /api/v1/sessions/me',
  'DELETE /api/v1/sessions/me',
  'DELETE /api/v1/sessions/:id',
  ...['muscle-groups', 'equipment', 'exercise-tags'].flatMap((list) =>
    ['', '/:id'].flatMap((path) =>
      ['GET', 'HEAD'].map((method) => `${method} /api/v1/catalogs/${list}${path}`),
    ),
  ),
  ...['', '/criteria', '/:id'].flatMap((path) => [
    `GET /api/v1/exercises${path}`,
    `HEAD /api/v1/exercises${path}`,
  ]),
  'POST /api/v1/exercises/user',
  'PATCH /api/v1/exercises/user/:id',
  'DELETE /api/v1/exercises/:id',
]);

/** What an API key opens: the whole of the events API that is not public. */
export function isKeyRoute(route: Route): boolean {
  return /^\/api\/(?!v1\/)/.test(route.pattern) && !publicRoutes.has(nameOf(route));
}
