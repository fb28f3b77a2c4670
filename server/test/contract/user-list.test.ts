import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertInvalid, assertProblem, assertUser, fieldsOf, itemsOf } from '../support/expectations.ts';
import { call, enter, enterAsSuperuser, member, startTestService, textMember } from '../support/service.ts';

const service = await startTestService();
const { accessToken: bearer, email: ownEmail } = await enterAsSuperuser(service);

const list = (query: Record<string, string> = {}) =>
  call(service, `/api/v1/users?${new URLSearchParams(query)}`, { bearer });

/** The e-mails of a page, without their domain. */
async function names(query: Record<string, string>): Promise<string[]> {
  const answer = await list(query);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return itemsOf(answer.body).map((item) => textMember(item, 'email').split('@', 1)[0] ?? '');
}

const people = [
  { email: 'a100%@plain.test', name: 'Zoe' },
  { email: 'b1000@plain.test', name: 'adam' },
  { email: 'c_under@plain.test', name: 'Ben' },
  { email: 'dxunder@plain.test', name: 'ben', isActive: false },
  { email: 'e.back@plain.test', name: 'Back\\slash' },
  { email: 'f.none@plain.test', name: null },
  { email: 'g.umlaut@plain.test', name: '\u00c4nne' },
];
for (const person of people) {
  const answer = await call(service, '/api/v1/users', { bearer, json: { password: 'simple', ...person } });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
}
const everybody = people.length + 1;
const plain = { searchString: '@plain.test' };

test('a list has the users, what was asked for, and how many there are in all', async () => {
  const answer = await list();
  assert.equal(answer.status, 200);
  assert.deepEqual(fieldsOf(answer.body), ['items', 'limit', 'offset', 'total']);
  assert.equal(member(answer.body, 'limit'), 20);
  assert.equal(member(answer.body, 'offset'), 0);
  assert.equal(member(answer.body, 'total'), everybody);
  assert.equal(itemsOf(answer.body).length, everybody);
  for (const item of itemsOf(answer.body)) assertUser(item, {});
});

test('a list is ordered by name unless told otherwise, without regard to case', async () => {
  const order = (await names(plain)).filter((name) => !name.startsWith('g') && !name.startsWith('f'));
  assert.deepEqual(order, ['b1000', 'e.back', 'c_under', 'dxunder', 'a100%']);
  assert.deepEqual(await names({ ...plain, orderBy: 'name', sortOrder: 'asc' }), await names(plain));
});

test('a list is ordered by e-mail or by creation, either way round', async () => {
  const asCreated = people.map(({ email }) => email.split('@', 1)[0]);
  for (const orderBy of ['email', 'createdAt']) {
    assert.deepEqual(await names({ ...plain, orderBy }), asCreated, orderBy);
    assert.deepEqual(await names({ ...plain, orderBy, sortOrder: 'desc' }), asCreated.toReversed(), orderBy);
  }
  const byName = await names(plain);
  assert.deepEqual(await names({ ...plain, sortOrder: 'desc' }), byName.toReversed());
});

test('the pages of a list hold every user once, whatever the order', async () => {
  for (const orderBy of ['name', 'email', 'createdAt']) {
    for (const sortOrder of ['asc', 'desc']) {
      const whole = await names({ orderBy, sortOrder });
      const pages: string[] = [];
      for (let page = 1; page <= Math.ceil(everybody / 3); page += 1) {
        const query = { orderBy, sortOrder, pageSize: '3', currentPage: String(page) };
        const answer = await list(query);
        assert.equal(member(answer.body, 'offset'), (page - 1) * 3);
        assert.equal(member(answer.body, 'limit'), 3);
        assert.equal(member(answer.body, 'total'), everybody);
        pages.push(...(await names(query)));
      }
      assert.deepEqual(pages, whole);
      assert.equal(new Set(pages).size, everybody);
    }
  }
});

test('a page past the end is empty and still says how many there are', async () => {
  const answer = await list({ currentPage: '1000000', pageSize: '100' });
  assert.equal(answer.status, 200);
  assert.deepEqual(itemsOf(answer.body), []);
  assert.equal(member(answer.body, 'total'), everybody);
});

test('a search finds a part of the name or of the e-mail, in any case', async () => {
  assert.deepEqual(await names({ searchString: 'BEN' }), ['c_under', 'dxunder']);
  assert.deepEqual(await names({ searchString: 'F.NONE@PL' }), ['f.none']);
  assert.deepEqual(await names({ searchString: 'nobody at all' }), []);
  assert.deepEqual(await names({ searchString: '' }), await names({}));
  assert.deepEqual(await names({ searchString: ownEmail }), [ownEmail.split('@', 1)[0]]);
});

test('a search finds a letter beyond ASCII in any case', async () => {
  assert.deepEqual(await names({ searchString: '\u00e4NNE' }), ['g.umlaut']);
});

test('percent, underscore and backslash are plain text in a search', async () => {
  assert.deepEqual(await names({ searchString: '100%' }), ['a100%']);
  assert.deepEqual(await names({ searchString: 'c_under' }), ['c_under']);
  assert.deepEqual(await names({ searchString: '_under' }), ['c_under']);
  assert.deepEqual(await names({ searchString: 'k\\s' }), ['e.back']);
  assert.deepEqual(await names({ searchString: '%' }), ['a100%']);
  assert.deepEqual(await names({ searchString: "'; drop table users; --" }), []);
});

test('a list is narrowed to active or inactive users', async () => {
  assert.deepEqual(await names({ isActive: 'false' }), ['dxunder']);
  assert.equal((await names({ isActive: 'true' })).length, everybody - 1);
  assert.deepEqual(await names({ isActive: 'false', searchString: 'zoe' }), []);
});

test('a list is narrowed by the time of creation, in any zone', async () => {
  const [row] =
    await service.sql`select created_at as at from users where email = 'd\\xunder' or name = 'ben'`;
  assert.ok(row?.at instanceof Date);
  const at: Date = row.at;
  const east = `${new Date(at.getTime() + 2 * 3_600_000).toISOString().slice(0, -1)}+02:00`;
  for (const time of [at.toISOString(), east]) {
    const before = await names({ ...plain, orderBy: 'createdAt', createdBefore: time });
    const after = await names({ ...plain, orderBy: 'createdAt', createdAfter: time });
    assert.deepEqual(before, ['a100%', 'b1000', 'c_under']);
    assert.deepEqual(after, ['e.back', 'f.none', 'g.umlaut']);
  }
  assert.deepEqual(await names({ createdAfter: '2100-01-01T00:00:00Z' }), []);
  assert.deepEqual(await names({ createdBefore: '2000-01-01T00:00:00-12:00' }), []);
});

test('every bad query parameter is listed', async () => {
  for (const time of ['2026-01-31T09:30:00', '2026-01-31', 'yesterday', '2026-02-30T00:00:00Z', '']) {
    assertInvalid(await list({ createdBefore: time }), 'createdBefore timezone_aware');
    assertInvalid(await list({ createdAfter: time }), 'createdAfter timezone_aware');
  }
  assertInvalid(
    await list({
      currentPage: '0',
      pageSize: '101',
      orderBy: 'password',
      sortOrder: 'up',
      isActive: 'maybe',
      page: '2',
    }),
    'currentPage greater_than_equal',
    'pageSize less_than_equal',
    'orderBy literal_error',
    'sortOrder literal_error',
    'isActive boolean_type',
    'page extra_forbidden',
  );
  assertInvalid(
    await list({ currentPage: 'one', pageSize: '1.5' }),
    'currentPage integer_type',
    'pageSize integer_type',
  );
  assertInvalid(await list({ pageSize: '0' }), 'pageSize greater_than_equal');
  const twice = await call(service, '/api/v1/users?currentPage=1&currentPage=2', { bearer });
  assertInvalid(twice, 'currentPage integer_type');
});

test('a search that holds what no text of the database can hold is refused', async () => {
  const answer = await call(service, '/api/v1/users?searchString=a%00b', { bearer });
  assertInvalid(answer, 'searchString string_unicode');
  for (const query of ['searchString=%ED%A0%80', 'searchString=%', 'searchString=%zz']) {
    const { status } = await call(service, `/api/v1/users?${query}`, { bearer });
    assert.ok(status === 200 || status === 422, `${query}: ${status}`);
  }
});

test('only superusers list users, and nobody else learns anything from validation', async () => {
  const person = await enter(service);
  for (const path of ['/api/v1/users', '/api/v1/users?pageSize=0&nonsense=1']) {
    assertProblem(await call(service, path), 401, 'not-authenticated');
    const answer = await call(service, path, { bearer: person.accessToken });
    assertProblem(answer, 403, 'not-permitted');
  }
});
