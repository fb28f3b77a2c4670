/** What the contract says of answers, as assertions that many tests share. */
import assert from 'node:assert/strict';
import { type ProblemCode, problems, problemType } from '@irontrack/contract/problems.ts';
import { type Answer, member, type Person, type TestService, textMember } from './service.ts';

const userFields = [
  'createdAt',
  'email',
  'id',
  'isActive',
  'isSuperuser',
  'name',
  'roleName',
  'roleSlug',
  'updatedAt',
];

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const utcInstant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export function assertId(value: unknown): void {
  assert.match(String(value), uuidv7);
}

export function assertInstant(value: unknown): void {
  assert.match(String(value), utcInstant);
}

export function fieldsOf(body: unknown): string[] {
  assert.ok(typeof body === 'object' && body !== null, `no object: ${JSON.stringify(body)}`);
  return Object.keys(body).sort();
}

export function itemsOf(body: unknown): unknown[] {
  const items = member(body, 'items');
  assert.ok(Array.isArray(items));
  return items;
}

/** A User of the contract with nothing more than the contract names; `expected` are the members that matter. */
export function assertUser(body: unknown, expected: Readonly<Record<string, unknown>>): void {
  assert.deepEqual(fieldsOf(body), userFields);
  assertId(member(body, 'id'));
  assertInstant(member(body, 'createdAt'));
  assertInstant(member(body, 'updatedAt'));
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(member(body, name), value, name);
}

/** The exact body of an application error, RFC 9457 members and all. */
export function assertProblem(answer: Answer, status: number, code: ProblemCode): void {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  if (status === 429 || status === 503) assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  const detail = textMember(answer.body, 'detail');
  assert.notEqual(detail, '');
  assert.deepEqual(answer.body, {
    detail,
    code,
    type: problemType(code),
    title: problems[code].title,
    status,
    instance: `urn:irontrack:request:${answer.headers.get('x-request-id')}`,
  });
}

/** The exact body of a 422. @param faults `field type`, in any order */
export function assertInvalid(answer: Answer, ...faults: string[]): void {
  assert.equal(answer.status, 422, JSON.stringify(answer.body));
  assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  const { body } = answer;
  assert.deepEqual(fieldsOf(body), [
    'code',
    'detail',
    'details',
    'instance',
    'message',
    'status',
    'title',
    'type',
  ]);
  assert.equal(member(body, 'message'), 'Validation Error');
  assert.equal(member(body, 'status'), 422);
  assert.equal(member(body, 'code'), 'validation-failed');
  const details = member(body, 'details');
  assert.ok(Array.isArray(details));
  for (const detail of details) {
    assert.deepEqual(fieldsOf(detail), ['field', 'message', 'type']);
    assert.notEqual(textMember(detail, 'message'), '');
  }
  const found = details.map((detail) => `${textMember(detail, 'field')} ${textMember(detail, 'type')}`);
  assert.deepEqual(found.sort(), faults.toSorted());
}

interface SetCookie {
  value: string;
  /** In the order they came, without Max-Age. */
  attributes: string[];
  maxAgeSeconds: number;
}

/** The cookies an answer sets, taken apart. */
export function setCookiesOf(answer: Answer): Record<string, SetCookie> {
  const cookies: Record<string, SetCookie> = {};
  for (const line of answer.headers.getSetCookie()) {
    const [pair = '', ...attributes] = line.split('; ');
    const equals = pair.indexOf('=');
    const age = attributes.find((attribute) => attribute.startsWith('Max-Age='));
    cookies[pair.slice(0, equals)] = {
      value: pair.slice(equals + 1),
      attributes: attributes.filter((attribute) => attribute !== age),
      maxAgeSeconds: Number(age?.slice('Max-Age='.length)),
    };
  }
  return cookies;
}

/** Both cookies are taken away from the browser. */
export function assertCookiesCleared(answer: Answer): void {
  assert.deepEqual(setCookiesOf(answer), {
    access_token: { value: '', attributes: ['Path=/', 'HttpOnly', 'SameSite=Lax'], maxAgeSeconds: 0 },
    refresh_token: {
      value: '',
      attributes: ['Path=/api/v1/access', 'HttpOnly', 'SameSite=Strict'],
      maxAgeSeconds: 0,
    },
  });
}

/** Asks again until the answer is the expected one, for at most two seconds: news travels between nodes. */
export async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 2_000;
  for (;;) {
    if (await check()) return;
    assert.ok(Date.now() < deadline, 'It did not happen within two seconds.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A running node moves the end of its key ahead by itself; a clock that leaps leaves no time for that. */
export async function renewSigningKeys(service: TestService): Promise<void> {
  await service.sql`update signing_keys set verify_until = now() + interval '10 years'`;
}

/** Marks somebody as the primary administrator, whom there can be only one of. */
export async function makePrimaryAdministrator(service: TestService, person: Person): Promise<void> {
  await service.sql`
    update users set is_primary_administrator = true, role_slug = 'superuser' where id = ${person.id}`;
}
