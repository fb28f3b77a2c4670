/** The OpenAPI 3.1 document, made of the same schemas that validate and serialise. */
import {
  EventApiProblemBody,
  EventApiValidationProblemBody,
  ProblemBody,
  ValidationProblemBody,
} from '@irontrack/contract/problem-body.ts';
import { type ProblemCode, problems } from '@irontrack/contract/problems.ts';
import type { RouteOptions } from 'fastify';
import { isEventApi } from './event-api.ts';
import type { Access } from './guard.ts';

declare module 'fastify' {
  interface FastifySchema {
    /** Headings under which the documentation lists the route. */
    tags?: readonly string[];
    summary?: string;
    description?: string;
    /** What the route may answer beyond what every route of its kind does. */
    problems?: readonly ProblemCode[];
    /** Media type of the 2xx answer, when it is no JSON. */
    produces?: string;
    /** Leaves the route out of the document. */
    hide?: boolean;
  }
}

type Json = { [member: string]: unknown };

interface ApiDescription {
  title: string;
  version: string;
  description: string;
  cookieName: string;
  /** The headings, in the order a reader wants them. */
  tags: readonly string[];
}

/** Collects the routes as they are mounted. */
export interface OpenApi {
  add(route: RouteOptions): void;
  document(): Json;
}

export function createOpenApi(api: ApiDescription): OpenApi {
  const routes: RouteOptions[] = [];
  let made: Json | undefined;
  return {
    add(route) {
      if (route.schema?.hide !== true && route.method !== 'HEAD') routes.push(route);
    },
    document() {
      made ??= describe(api, routes);
      return made;
    },
  };
}

function describe(api: ApiDescription, routes: readonly RouteOptions[]): Json {
  const components = new Map<string, unknown>();
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.url.replaceAll(/:([A-Za-z]+)/g, '{$1}');
    paths[path] ??= {};
    for (const method of [route.method].flat()) {
      paths[path][method.toLowerCase()] = share(describeOperation(route, method, path), components);
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: api.title, version: api.version, description: api.description, license: { name: 'MIT' } },
    servers: [{ url: '/' }],
    tags: api.tags.map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.fromEntries([...components].sort(([a], [b]) => a.localeCompare(b))),
      securitySchemes: {
        cookie: { type: 'apiKey', in: 'cookie', name: api.cookieName },
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  };
}

function describeOperation(route: RouteOptions, method: string, path: string): Json {
  const schema = route.schema ?? {};
  const access = route.config?.access ?? 'public';
  return {
    operationId: operationId(method, path),
    ...(schema.tags === undefined ? {} : { tags: schema.tags }),
    ...(schema.summary === undefined ? {} : { summary: schema.summary }),
    ...(schema.description === undefined ? {} : { description: schema.description }),
    security: securityOf(access),
    parameters: [
      ...describeParameters('path', schema.params),
      ...describeParameters('query', schema.querystring),
    ],
    ...(schema.body === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf(schema.body) } }),
    responses: {
      ...describeSuccess(schema.response, schema.produces),
      ...describeProblems(problemsOf(route, method), isEventApi(path)),
    },
  };
}

function securityOf(access: Access): Json[] {
  if (access === 'public') return [];
  return access === 'key' ? [{ apiKey: [] }] : [{ cookie: [] }, { bearer: [] }];
}

/** `PATCH /api/v1/users/{id}` becomes `patchUsersById`, `GET /` `getRoot`. */
function operationId(method: string, path: string): string {
  const words = (path === '/' ? '/root' : path)
    .replace('/api/v1', '')
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => (segment.startsWith('{') ? `by-${segment.slice(1, -1)}` : segment))
    .join('-')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function describeParameters(place: 'path' | 'query', schema: unknown): Json[] {
  if (!isObject(schema) || !isObject(schema.properties)) return [];
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(schema.properties).map(([name, property]) => ({
    name,
    in: place,
    // A parameter with a default is required of the handler, not of the client.
    required: place === 'path' || (required.includes(name) && !(isObject(property) && 'default' in property)),
    schema: property,
  }));
}

function contentOf(body: unknown): unknown {
  return isObject(body) && 'content' in body ? body.content : { 'application/json': { schema: body } };
}

const descriptions: Readonly<Record<string, string>> = {
  201: 'Created.',
  302: 'Elsewhere, for who accepts text/html.',
  304: 'The copy that If-None-Match names is still good.',
};

function describeSuccess(response: unknown, produces = 'application/json'): Json {
  if (!isObject(response)) return {};
  return Object.fromEntries(
    Object.entries(response).map(([status, schema]) => {
      const hasContent = !(isObject(schema) && schema.type === 'null');
      const done = hasContent ? 'Success.' : 'Done; no content.';
      const description = descriptions[status] ?? done;
      return [status, { description, ...(hasContent ? { content: { [produces]: { schema } } } : {}) }];
    }),
  );
}

/** What goes without saying for a route of this kind, and what it says itself. */
function problemsOf(route: RouteOptions, method: string): ProblemCode[] {
  const { access = 'public', sameSiteOnly = false } = route.config ?? {};
  const { body, params, querystring, problems: declared = [] } = route.schema ?? {};
  const codes: ProblemCode[] = [...declared];
  if (access === 'key') codes.push('api-key-missing', 'api-key-refused');
  else if (access !== 'public') codes.push('not-authenticated');
  if (access === 'superuser') codes.push('not-permitted');
  const takesCookies =
    access === 'user' || access === 'superuser' || sameSiteOnly || route.url.startsWith('/api/v1/access/');
  if (takesCookies && method !== 'GET') codes.push('cross-site-request');
  if ([body, params, querystring].some((schema) => schema !== undefined)) codes.push('validation-failed');
  if (body !== undefined) codes.push('body-too-large', 'unsupported-media-type');
  if (route.url.startsWith('/api/') && !route.url.endsWith('.json')) codes.push('database-unavailable');
  if ((route.config?.cost ?? 'normal') !== 'exempt') codes.push('overloaded');
  return codes;
}

function describeProblems(codes: readonly ProblemCode[], inEventApi: boolean): Json {
  const plain = inEventApi ? EventApiProblemBody : ProblemBody;
  const validation = inEventApi ? EventApiValidationProblemBody : ValidationProblemBody;
  const byStatus = Map.groupBy([...new Set(codes)], (code) => problems[code].status);
  const statuses = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    statuses.map(([status, found]) => {
      const schema = status === 422 ? validation : plain;
      const description = found.map((code) => `\`${code}\`: ${problems[code].title}`).join('\n\n');
      return [String(status), { description, content: { 'application/problem+json': { schema } } }];
    }),
  );
}

/** Moves each schema that has a title into the components and leaves a reference. */
function share(value: unknown, components: Map<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => share(item, components));
  if (!isObject(value)) return value;
  const copy = Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, share(member, components)]),
  );
  if (typeof value.title !== 'string' || !('type' in value || 'anyOf' in value)) return copy;
  const { title, ...schema } = copy;
  components.set(value.title, { title, ...schema });
  return { $ref: `#/components/schemas/${value.title}` };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
