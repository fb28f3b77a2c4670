import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldsOf, itemsOf } from '../support/expectations.ts';
import { call, enterAsSuperuser, member, startTestService } from '../support/service.ts';

const service = await startTestService();

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Json {
  assert.ok(isObject(value), JSON.stringify(value));
  return value;
}

const answer = await call(service, '/api/v1/openapi.json');
const document = asObject(answer.body);
const paths = asObject(document.paths);

const operations = Object.entries(paths).flatMap(([path, item]) =>
  Object.entries(asObject(item)).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    path,
    operation: asObject(operation),
  })),
);

/** Every call of the contract, row by row, and whether it takes a body. */
const contract: Readonly<Record<string, readonly number[]>> = {
  'POST /api/v1/access/signup': [201],
  'POST /api/v1/access/signin': [204],
  'POST /api/v1/access/refresh-jwt': [204],
  'POST /api/v1/access/logout': [204],
  'PATCH /api/v1/access/password-update': [204],
  'GET /api/v1/access/me': [200],
  'POST /api/v1/auth/register': [201],
  'POST /api/v1/auth/login': [200],
  'POST /api/v1/auth/refresh': [200],
  'POST /api/v1/auth/logout': [204],
  'GET /api/v1/users/me': [200],
  'PATCH /api/v1/users/me': [200],
  'GET /api/v1/sessions/me': [200],
  'DELETE /api/v1/sessions/me': [204],
  'DELETE /api/v1/sessions/{id}': [204],
  'GET /api/v1/openapi.json': [200],
  'POST /api/v1/users': [201],
  'GET /api/v1/users': [200],
  'GET /api/v1/users/{id}': [200],
  'PATCH /api/v1/users/{id}': [200],
  'DELETE /api/v1/users/{id}': [204],
  'PATCH /api/v1/roles/{email}/assign': [200],
  'PATCH /api/v1/roles/{email}/revoke': [200],
  'GET /api/v1/audit': [200],
  ...Object.fromEntries(
    ['muscle-groups', 'equipment', 'exercise-tags'].flatMap((list) => [
      [`GET /api/v1/catalogs/${list}`, [200]],
      [`GET /api/v1/catalogs/${list}/{id}`, [200]],
      [`POST /api/v1/catalogs/${list}`, [201]],
      [`PATCH /api/v1/catalogs/${list}/{id}`, [200]],
      [`DELETE /api/v1/catalogs/${list}/{id}`, [204]],
    ]),
  ),
  'POST /api/v1/exercises/user': [201],
  'POST /api/v1/exercises/system': [201],
  'GET /api/v1/exercises/{id}': [200],
  'GET /api/v1/exercises/criteria': [200],
  'GET /api/v1/exercises': [200],
  'PATCH /api/v1/exercises/user/{id}': [200],
  'PATCH /api/v1/exercises/system/{id}': [200],
  'DELETE /api/v1/exercises/{id}': [204],
  'GET /.well-known/jwks.json': [200],
  'POST /api/keys/generate': [201],
  'GET /api/keys': [200],
  'POST /api/keys/rotate': [200],
  'POST /api/webhook/config': [200],
  'POST /api/webhook/secret/rotate': [200],
  'GET /api/v1/organizations': [200],
  'GET /api/v1/organizations/{id}': [200],
  'PATCH /api/v1/organizations/{id}': [200],
  'POST /api/v1/organizations/{id}/keys': [201],
  'GET /': [200],
  'GET /health/live': [200],
  'GET /health/ready': [200],
  'GET /api/health': [200],
  'GET /ping': [200],
  'GET /health': [200],
  'GET /ready': [200],
  'GET /metrics': [200],
};

/** Calls `visit` with every object in a value. */
function walk(value: unknown, visit: (object: Json) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, visit);
  if (!isObject(value)) return;
  visit(value);
  for (const item of Object.values(value)) walk(item, visit);
}

function resolve(reference: string): unknown {
  assert.match(reference, /^#\//);
  let found: unknown = document;
  for (const step of reference.slice(2).split('/')) {
    found = isObject(found) ? found[step.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  return found;
}

test('the document is OpenAPI 3.1 with the parts that the specification asks for', () => {
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  assert.match(String(document.openapi), /^3\.1\.\d+$/);
  const known = ['components', 'info', 'openapi', 'paths', 'security', 'servers', 'tags'];
  for (const field of fieldsOf(document)) assert.ok(known.includes(field), field);
  const info = asObject(document.info);
  assert.ok(typeof info.title === 'string' && typeof info.version === 'string');
});

test('the document holds every call of the contract, with its 2xx answers', () => {
  for (const [name, statuses] of Object.entries(contract)) {
    const found = operations.find((operation) => operation.name === name);
    assert.ok(found, `${name} is missing`);
    const success = Object.keys(asObject(found.operation.responses)).filter((status) => status < '300');
    assert.deepEqual(success.map(Number), statuses, name);
  }
});

test('the document holds every route that is mounted, and none that is not', async () => {
  const tree = service.service.app.printRoutes({ commonPrefix: false });
  const mounted = [...tree.matchAll(/(\S+) \(([A-Z, ]+)\)/g)].flatMap(([, path = '', methods = '']) =>
    methods.split(', ').map((method) => `${method} ${path}`),
  );
  assert.ok(mounted.length > 20, tree);
  const { app } = service.service;
  for (const { name, path } of operations) {
    const [method = ''] = name.split(' ', 1);
    const url = path.replaceAll(/\{(\w+)\}/g, ':$1');
    assert.ok(
      [method].some((wanted) => app.hasRoute({ method: wanted === 'GET' ? 'GET' : toMethod(wanted), url })),
      name,
    );
  }
  const documented = operations.length;
  const pages = ['/docs', '/docs/start.js', '/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css'];
  for (const url of pages) assert.ok(app.hasRoute({ method: 'GET', url }), url);
  const own = mounted.filter((name) => !name.startsWith('HEAD ') && !name.startsWith('OPTIONS '));
  assert.equal(own.length, documented + pages.length, own.join('\n'));
});

function toMethod(name: string): 'POST' | 'PATCH' | 'DELETE' {
  assert.ok(name === 'POST' || name === 'PATCH' || name === 'DELETE', name);
  return name;
}

test('every reference leads somewhere, and every component is used', () => {
  const used = new Set<string>();
  walk(document, ({ $ref }) => {
    if ($ref === undefined) return;
    assert.ok(isObject(resolve(String($ref))), String($ref));
    used.add(String($ref));
  });
  const schemas = Object.keys(asObject(asObject(document.components).schemas));
  assert.ok(schemas.length > 10);
  assert.deepEqual([...used].sort(), schemas.map((name) => `#/components/schemas/${name}`).sort());
});

test('every operation has a name of its own, a summary, a heading and answers with a description', () => {
  const names = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(names).size, operations.length);
  const headings = Array.isArray(document.tags) ? document.tags.map((tag) => member(tag, 'name')) : [];
  for (const { name, operation } of operations) {
    assert.match(String(operation.operationId), /^[a-z][A-Za-z0-9]+$/, name);
    assert.ok(typeof operation.summary === 'string' && operation.summary.length > 5, name);
    assert.ok(Array.isArray(operation.tags) && operation.tags.every((tag) => headings.includes(tag)), name);
    for (const [status, response] of Object.entries(asObject(operation.responses))) {
      assert.match(status, /^[1-5]\d\d$/);
      assert.ok(String(asObject(response).description).length > 2, `${name} ${status}`);
    }
  }
});

test('every answer with a body has a schema, and a 204, a 302 and a 304 have none', () => {
  for (const { name, operation } of operations) {
    for (const [status, response] of Object.entries(asObject(operation.responses))) {
      const { content } = asObject(response);
      if (['204', '302', '304'].includes(status)) {
        assert.equal(content, undefined, name);
        continue;
      }
      for (const [type, { schema }] of Object.entries(asObject(content)).map(
        ([media, value]) => [media, asObject(value)] as const,
      )) {
        assert.match(type, /^[a-z]+\/[a-z+.-]+$/, name);
        assert.ok(isObject(schema), `${name} ${status} ${type}`);
        if (status >= '400' && name !== 'GET /health') assert.equal(type, 'application/problem+json', name);
      }
    }
  }
});

test('every parameter of a path is declared, and every parameter has a schema', () => {
  for (const { name, path, operation } of operations) {
    const parameters: unknown[] = Array.isArray(operation.parameters) ? operation.parameters : [];
    const inPath = parameters.filter((parameter) => member(parameter, 'in') === 'path');
    assert.deepEqual(
      inPath.map((parameter) => `{${member(parameter, 'name')}}`),
      [...path.matchAll(/\{\w+\}/g)].map(([text]) => text),
      name,
    );
    for (const parameter of inPath) assert.equal(member(parameter, 'required'), true);
    for (const parameter of parameters) assert.ok(isObject(member(parameter, 'schema')), name);
  }
});

test('every schema names types that JSON Schema has', () => {
  const types = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'];
  walk(asObject(document.components).schemas, (schema) => {
    for (const type of [schema.type].flat()) {
      if (typeof type === 'string') assert.ok(types.includes(type), type);
    }
    assert.equal(schema.nullable, undefined, 'nullable is of OpenAPI 3.0');
  });
});

test('who may call is said as it is: by cookie or bearer, by key, or by anybody', async () => {
  const schemes = Object.keys(asObject(asObject(document.components).securitySchemes)).sort();
  assert.deepEqual(schemes, ['apiKey', 'bearer', 'cookie']);
  for (const { name, path, operation } of operations) {
    const [method = 'GET'] = name.split(' ', 1);
    const isPublic = Array.isArray(operation.security) && operation.security.length === 0;
    const filled = path.replace('{id}', 'x').replace('{email}', 'x');
    const { status, body } = await call(service, filled, { method });
    const isForKeys = JSON.stringify(operation.security) === '[{"apiKey":[]}]';
    const code = isForKeys ? 'api-key-missing' : 'not-authenticated';
    const isRefused = status === 401 && member(body, 'code') === code;
    if (path !== '/api/v1/access/logout') assert.equal(isRefused, !isPublic, name);
    assert.equal('401' in asObject(operation.responses) || isPublic, true, name);
  }
});

test('a real answer has just the fields that the document says', async () => {
  const { accessToken: bearer } = await enterAsSuperuser(service);
  const propertiesOf = (name: string) =>
    Object.keys(asObject(member(resolve(`#/components/schemas/${name}`), 'properties'))).sort();
  const users = await call(service, '/api/v1/users', { bearer });
  assert.deepEqual(fieldsOf(users.body), propertiesOf('UserPage'));
  assert.deepEqual(fieldsOf(itemsOf(users.body)[0]), propertiesOf('User'));
  const me = await call(service, '/api/v1/access/me', { bearer });
  assert.deepEqual(fieldsOf(me.body), propertiesOf('Me'));
  const entries = await call(service, '/api/v1/audit', { bearer });
  assert.deepEqual(fieldsOf(itemsOf(entries.body)[0]), propertiesOf('AuditEntry'));
  const problem = await call(service, '/api/v1/users');
  assert.deepEqual(fieldsOf(problem.body), propertiesOf('Problem'));
  const inEventApi = await call(service, '/api/keys');
  assert.deepEqual(fieldsOf(inEventApi.body), propertiesOf('EventApiProblem'));
  const noKey = await call(service, '/api/keys/generate', { json: {} });
  assert.deepEqual(fieldsOf(noKey.body), propertiesOf('EventApiValidationProblem'));
  const invalid = await call(service, '/api/v1/users?x=1', { bearer });
  assert.deepEqual(fieldsOf(invalid.body), propertiesOf('ValidationProblem'));
});
