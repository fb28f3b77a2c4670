import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditActions } from '@irontrack/contract/audit.ts';
import { fullPageBytes } from '@irontrack/contract/events.ts';
import { builtInOrganizationId, happenings, tiers } from '@irontrack/contract/organizations.ts';
import { problems } from '@irontrack/contract/problems.ts';
import { roles } from '@irontrack/contract/roles.ts';
import { attemptLimits } from '../../src/accounts/attempt-limits.ts';
import { signupLimits } from '../../src/api-keys/signup-limit.ts';
import { createSessionCookies } from '../../src/http/cookies.ts';
import { graceMs } from '../../src/sessions/rotation.ts';
import { call, enter, enterAsSuperuser, startTestService } from '../support/service.ts';
import { plain, readDocument, sectionOf, tableRows } from './document.ts';

const document = readDocument('docs/http.md');
const service = await startTestService();
/** Mounted, and left out of the OpenAPI document. */
const hidden = ['GET /docs'];
const guides = ['README.md', 'docs/quick-start.md', 'docs/http.md', 'docs/security.md', 'docs/operations.md'];

interface Operation {
  security: unknown[];
}

/** Every operation of the OpenAPI document, such as `GET /api/v1/users/{id}`. */
async function readOperations(): Promise<Map<string, Operation>> {
  const { body } = await call(service, '/api/v1/openapi.json');
  // parser: the document is ours; a member that is missing fails the comparison.
  const { paths } = body as { paths: Record<string, Record<string, Operation>> };
  return new Map(
    Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation]),
    ),
  );
}

test('every route is in a table of docs/http.md, and every route there exists', async () => {
  const told = tableRows(document, 'call').map(([route]) => plain(route));
  const routes = told.filter((route) => /^[A-Z]+ \//.test(route));
  const real = [...(await readOperations()).keys(), ...hidden];
  assert.deepEqual(routes.toSorted(), real.toSorted());
});

test('who may call a route is as docs/http.md says', async () => {
  const superuser = await enterAsSuperuser(service);
  const { accessToken } = await enter(service);
  const operations = await readOperations();
  for (const [route, who] of tableRows(document, 'call')) {
    const [method = '', path = ''] = plain(route).split(' ');
    const operation = operations.get(`${method} ${path}`);
    if (operation === undefined) continue;
    assert.equal(operation.security.length === 0, who === 'public', `${method} ${path}`);
    if (who === 'public' || path === '/api/v1/auth/logout') continue;
    // A query nobody knows: refused before anything is done, and only to those who may call at all.
    const target = `${path.replace('{email}', superuser.email).replace('{id}', superuser.id)}?nobody-knows=1`;
    const { status } = await call(service, target, { method, bearer: accessToken });
    const expected = new Map([
      ['superuser', 403],
      ['key', 401],
    ]).get(who ?? '');
    assert.equal(status, expected ?? 422, `${method} ${path}`);
  }
});

test('every path that a guide mentions exists', async () => {
  const operations = [...(await readOperations()).keys(), ...hidden];
  const patterns = operations.map((operation) => {
    const path = operation.slice(operation.indexOf(' ') + 1);
    return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+')}$`);
  });
  for (const guide of guides) {
    const text = readDocument(guide);
    const paths = [...text.matchAll(/(?<![\w.])\/(?:api\/v1|\.well-known)\/[\w.{}:$/-]*[\w}]/g)].map(
      ([path]) => path,
    );
    // The path of a cookie covers the calls below it.
    for (const path of paths.filter((each) => each !== '/api/v1/access')) {
      assert.ok(
        patterns.some((pattern) => pattern.test(path)),
        `${guide} mentions ${path}`,
      );
    }
  }
});

test('the problem table of docs/http.md is the error table', () => {
  const rows = tableRows(sectionOf(document, 'Errors'), 'code');
  assert.deepEqual(
    rows.map(([code, status, title]) => [plain(code), Number(status), title]),
    Object.entries(problems).map(([code, { status, title }]) => [code, status, title]),
  );
});

test('every problem that a guide names is in the error table', () => {
  const named = [...document.matchAll(/\b[45]\d\d `([a-z]+-[a-z-]+)`/g)].map(([, code = '']) => code);
  assert.ok(named.length > 10);
  for (const code of named) assert.ok(Object.hasOwn(problems, code), code);
});

test('the actions of docs/http.md are those of the audit trail', () => {
  const rows = tableRows(sectionOf(document, 'The audit trail'), 'action');
  assert.deepEqual(
    rows.map(([action]) => plain(action)),
    [...auditActions],
  );
});

test('the roles of docs/http.md are those of the contract', () => {
  const rows = tableRows(sectionOf(document, 'Roles'), 'role');
  assert.deepEqual(
    rows.map(([slug, name]) => [plain(slug), name]),
    Object.entries(roles).map(([slug, { name }]) => [slug, name]),
  );
});

test('the limits of docs/http.md are those that are enforced', () => {
  const section = sectionOf(document, 'Limits on attempts');
  const scopes = ['pair', 'account', 'address'] as const;
  assert.match(section, /\| call \| pair \| account \| address \|/);
  assert.deepEqual(
    tableRows(section, 'call'),
    Object.entries(attemptLimits).map(([name, limits]) => [
      name,
      ...scopes.map((scope) => `${limits[scope].points} in ${limits[scope].seconds} s`),
    ]),
  );
});

test('the tiers of docs/http.md are those that are enforced', () => {
  const rows = tableRows(sectionOf(document, 'Organizations and API keys'), 'tier');
  assert.deepEqual(
    rows.map(([tier, events]) => [plain(tier), Number(events)]),
    Object.entries(tiers).map(([tier, { eventsPerMinute }]) => [tier, eventsPerMinute]),
  );
});

test('how many keys an address may have made is as docs/http.md says', () => {
  const { elsewhere, loopback } = signupLimits;
  const [here, there] = [loopback, elsewhere].map(({ points, seconds }) => `${points} in ${seconds} s`);
  const sentence = `One address may have ${there?.replace(' in', ' API keys made in')}, the machine itself ${here}.`;
  assert.ok(document.includes(sentence), sentence);
});

test('how many bytes of payloads fill a page is as docs/http.md says', () => {
  const section = sectionOf(document, 'Events and the inbox');
  assert.ok(section.includes(`brings its payloads to ${fullPageBytes.toLocaleString('en')} bytes`));
});

test('the happenings of docs/http.md are those that are events', () => {
  const section = sectionOf(document, 'What happens here, as events');
  assert.ok(section.includes(builtInOrganizationId));
  const named = [...section.matchAll(/`([a-z]+\.[a-z_]+)`/g)].map(([, action]) => action);
  assert.deepEqual(named.sort(), happenings.toSorted());
});

test('the names of the cookies and the grace of a refresh are as docs/http.md says', () => {
  const section = sectionOf(document, 'The two cookies');
  const rows = tableRows(section, '');
  const names = rows.filter(([what]) => what?.startsWith('name')).map((cells) => cells.slice(1).map(plain));
  assert.deepEqual(
    names,
    [false, true].map((prefix) => {
      const { accessName, refreshName } = createSessionCookies({ secure: prefix, prefix });
      return [accessName, refreshName];
    }),
  );
  assert.match(document, new RegExp(`same token again within ${graceMs / 1000} seconds`));
});
