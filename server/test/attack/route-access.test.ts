import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, enter, enterAsSuperuser, member, signUp, startTestService } from '../support/service.ts';
import { isKeyRoute, isUnsafe, listRoutes, nameOf, pathOf, publicRoutes, userRoutes } from './routes.ts';

const allowedOrigin = 'https://app.example.org';
const service = await startTestService({ environment: { CORS_ORIGINS: allowedOrigin } });
const victim = await enter(service);
const routes = listRoutes(service);
const keyRoutes = routes.filter(isKeyRoute);
const guarded = routes.filter((route) => !publicRoutes.has(nameOf(route)) && !isKeyRoute(route));
const superuserOnly = guarded.filter((route) => !userRoutes.has(nameOf(route)));
const values = { id: victim.id, email: victim.email };
/** Would be refused by validation, which nobody may learn who may not call. */
const nonsense = { nonsense: 'from somebody who may not call' };

const body = (method: string) => (method === 'GET' || method === 'HEAD' ? {} : { json: nonsense });
const codeOf = (answer: { body: unknown }) => member(answer.body, 'code');

/** All that could have been done to the victim. */
async function snapshot(): Promise<unknown> {
  const users = await service.sql`select * from users where id = ${victim.id}`;
  const sessions =
    await service.sql`select id, generation, ended_at from sessions where user_id = ${victim.id}`;
  return { users: [...users], sessions: [...sessions] };
}

test('the lists of public and of user routes name no route that is gone', () => {
  const mounted = new Set(routes.map(nameOf));
  for (const name of [...publicRoutes, ...userRoutes]) assert.ok(mounted.has(name), `${name} is not mounted`);
});

for (const route of guarded) {
  test(`${nameOf(route)} refuses who is not signed in, before it looks at anything else`, async () => {
    const { method } = route;
    const before = await snapshot();
    for (const path of [pathOf(route, values), pathOf(route, { id: 'no-uuid', email: 'no-email' })]) {
      for (const credentials of [
        {},
        { bearer: 'nonsense' },
        { bearer: victim.refreshToken },
        { cookies: { access_token: 'nonsense', refresh_token: victim.refreshToken } },
        { headers: { authorization: `Basic ${btoa(`${victim.email}:${victim.password}`)}` } },
      ]) {
        const answer = await call(service, path, { method, ...body(method), ...credentials });
        assert.equal(answer.status, 401, JSON.stringify(credentials));
        if (method !== 'HEAD') assert.equal(codeOf(answer), 'not-authenticated');
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
      }
    }
    assert.deepEqual(await snapshot(), before);
  });
}

for (const route of keyRoutes) {
  test(`${nameOf(route)} refuses who has no key, before it looks at anything else`, async () => {
    const { method } = route;
    const superuser = await enterAsSuperuser(service);
    for (const path of [pathOf(route, values), pathOf(route, { id: 'no-uuid', email: 'no-email' })]) {
      for (const [code, credentials] of [
        ['api-key-missing', {}],
        ['api-key-missing', { bearer: superuser.accessToken }],
        ['api-key-missing', { cookies: superuser.cookies }],
        ['api-key-refused', { headers: { 'x-api-key': superuser.accessToken } }],
        ['api-key-refused', { headers: { 'x-api-key': `zap_live_${'A'.repeat(43)}` } }],
      ] as const) {
        const answer = await call(service, path, { method, ...body(method), ...credentials });
        assert.equal(answer.status, 401, JSON.stringify(credentials));
        if (method !== 'HEAD') assert.equal(codeOf(answer), code);
        assert.equal(answer.headers.get('www-authenticate'), 'ApiKey');
      }
    }
  });
}

for (const route of superuserOnly) {
  test(`${nameOf(route)} refuses an ordinary user, before it looks at anything else`, async () => {
    const { method } = route;
    const person = await enter(service);
    const before = await snapshot();
    for (const path of [
      pathOf(route, values),
      pathOf(route, person),
      pathOf(route, { id: 'no-uuid', email: 'no-email' }),
    ]) {
      for (const credentials of [{ bearer: person.accessToken }, { cookies: person.cookies }]) {
        const answer = await call(service, path, { method, ...body(method), ...credentials });
        assert.equal(answer.status, 403);
        if (method !== 'HEAD') assert.equal(codeOf(answer), 'not-permitted');
      }
    }
    assert.deepEqual(await snapshot(), before);
  });
}

for (const route of guarded.filter(({ pattern }) => pattern.includes(':'))) {
  test(`${nameOf(route)} does nothing to what belongs to somebody else`, async () => {
    const person = await enter(service);
    const before = await snapshot();
    const sessions = await service.sql<
      { id: string }[]
    >`select id from sessions where user_id = ${victim.id}`;
    for (const id of [victim.id, ...sessions.map((session) => session.id)]) {
      for (const json of [
        { isActive: false },
        { roleSlug: 'superuser' },
        { name: 'Taken over' },
        undefined,
      ]) {
        const answer = await call(service, pathOf(route, { id, email: victim.email }), {
          method: route.method,
          bearer: person.accessToken,
          ...(json === undefined || !isUnsafe(route) ? {} : { json }),
        });
        assert.ok([403, 404, 422].includes(answer.status), `answers ${answer.status}`);
      }
    }
    assert.deepEqual(await snapshot(), before);
  });
}

const patterns = new Map(routes.map(({ pattern }) => [pattern, new Set<string>()]));
for (const [pattern, methods] of patterns) {
  for (const route of routes) {
    // /users/me is a path of /users/:id, too.
    const matches = new RegExp(`^${route.pattern.replaceAll(/:[a-z]+/g, '[^/]+')}$`);
    if (matches.test(pattern)) methods.add(route.method);
  }
}

for (const [pattern, methods] of patterns) {
  test(`${pattern} answers 405 with Allow to the methods it has not`, async () => {
    const superuser = await enterAsSuperuser(service);
    const before = await snapshot();
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      if (methods.has(method)) continue;
      const answer = await call(service, pathOf({ method, pattern }, values), {
        method,
        bearer: superuser.accessToken,
      });
      assert.equal(answer.status, 405, method);
      const allowed = (answer.headers.get('allow') ?? '').split(', ');
      for (const name of methods) assert.ok(allowed.includes(name), `${name} in ${allowed.join(', ')}`);
      assert.ok(!allowed.includes(method), `${method} in ${allowed.join(', ')}`);
    }
    assert.deepEqual(await snapshot(), before);
  });
}

const foreign: readonly Record<string, string>[] = [
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: `${allowedOrigin}.evil.example` },
  { origin: service.url.replace(/:\d+$/, ':1') },
  { 'sec-fetch-site': 'cross-site' },
  { origin: service.url, 'sec-fetch-site': 'cross-site' },
  { origin: 'https://evil.example', 'sec-fetch-site': 'nonsense' },
];

for (const route of routes.filter((each) => isUnsafe(each) && !isKeyRoute(each))) {
  test(`${nameOf(route)} refuses a cross-site request that comes with cookies`, async () => {
    const { method } = route;
    const superuser = await enterAsSuperuser(service);
    const path = pathOf(route, values);
    const send = (headers: Record<string, string>, credentials: object) =>
      call(service, path, { method, headers, json: nonsense, ...credentials });
    const before = await snapshot();
    for (const headers of foreign) {
      const answer = await send(headers, { cookies: superuser.cookies });
      assert.equal(answer.status, 403, JSON.stringify(headers));
      assert.equal(codeOf(answer), 'cross-site-request');
      assert.deepEqual(answer.headers.getSetCookie(), []);
    }
    assert.deepEqual(await snapshot(), before);
    const own = await call(service, '/api/v1/access/me', { cookies: superuser.cookies });
    assert.equal(own.status, 200, 'the session that was abused still lives');
    for (const headers of [
      { origin: service.url },
      { origin: allowedOrigin, 'sec-fetch-site': 'cross-site' },
    ]) {
      const fresh = await enterAsSuperuser(service);
      const answer = await send(headers, { cookies: fresh.cookies });
      assert.notEqual(answer.status, 403, `${JSON.stringify(headers)} is allowed`);
    }
  });
}

for (const route of guarded.filter(isUnsafe)) {
  test(`${nameOf(route)} does not ask where a request with a bearer token comes from`, async () => {
    const { method } = route;
    for (const headers of foreign) {
      const { accessToken } = await enterAsSuperuser(service);
      const someone = await signUp(service);
      const path = pathOf(route, someone);
      const answer = await call(service, path, { method, headers, json: nonsense, bearer: accessToken });
      assert.notEqual(answer.status, 403);
    }
  });
}
