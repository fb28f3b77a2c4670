/** The catalog at the edges of what it takes: names, query parameters, and each kind of caller. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addItem, listSlugs, newName, ownExercise, systemExercise } from '../support/catalog.ts';
import { assertInvalid, assertProblem, itemsOf } from '../support/expectations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  type SignedIn,
  signIn,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const person = await enter(service);
const trainer = await enterAsTrainer();
const chest = await addItem(service, superuser, 'muscle-groups', 'chest');
const home = await addItem(service, superuser, 'exercise-tags', 'home');

async function enterAsTrainer(): Promise<SignedIn> {
  const someone = await enter(service);
  await service.sql`update users set role_slug = 'fitness-trainer' where id = ${someone.id}`;
  return await signIn(service, someone);
}

const send = (method: string, path: string, who: SignedIn, json?: object) =>
  call(service, `/api/v1${path}`, {
    method,
    bearer: who.accessToken,
    ...(json === undefined ? {} : { json }),
  });

for (const [kind, who, make] of [
  ['user', person, (fields: object) => ownExercise(chest, fields)],
  ['system', superuser, (fields: object) => systemExercise(chest, home, fields)],
] as const) {
  test(`the name of a ${kind} exercise has 3 to 100 characters once its white space is made one`, async () => {
    const path = `/exercises/${kind}`;
    const made = await send('POST', path, who, make({}));
    const id = textMember(made.body, 'id');
    const filler = kind === 'user' ? '\u{1f4aa}' : '\u{10400}';
    const shortest = kind === 'user' ? 'abc' : 'xyz';
    for (const name of [shortest, `a ${filler}`, filler.repeat(99).concat('q'), 'x'.repeat(100)]) {
      const created = await send('POST', path, who, make({ name }));
      assert.equal(created.status, 201, JSON.stringify(created.body));
      assert.equal(member(created.body, 'name'), name);
      assert.equal((await send('DELETE', `/exercises/${textMember(created.body, 'id')}`, who)).status, 204);
      const changed = await send('PATCH', `${path}/${id}`, who, { name: name.replace(' ', '  ') });
      assert.equal(changed.status, 200);
      assert.equal(member(changed.body, 'name'), name);
    }
    for (const [name, type] of [
      ['', 'string_too_short'],
      ['ab', 'string_too_short'],
      ['a    ', 'string_too_short'],
      [filler.repeat(2), 'string_too_short'],
      ['x'.repeat(101), 'string_too_long'],
      [filler.repeat(101), 'string_too_long'],
      [null, 'string_type'],
      [7, 'string_type'],
    ] as const) {
      assertInvalid(await send('POST', path, who, make({ name })), `name ${type}`);
      assertInvalid(await send('PATCH', `${path}/${id}`, who, { name }), `name ${type}`);
    }
    const { name: _, ...nameless } = make({});
    assertInvalid(await send('POST', path, who, nameless), 'name missing');
  });
}

const repeated = (name: string, values: readonly unknown[]) =>
  values.map((value) => `${name}=${value}`).join('&');
const oneTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const categories = ['strength', 'stretching', 'plyometrics', 'strongman', 'powerlifting', 'cardio'];
const allCategories = [...categories, 'olympic%20weightlifting'];

/** Query, and what is wrong with it; undefined: nothing. */
const queries: readonly (readonly [query: string, fault: string | undefined])[] = [
  ['pageSize=0', 'pageSize greater_than_equal'],
  ['pageSize=1', undefined],
  ['pageSize=100', undefined],
  ['pageSize=101', 'pageSize less_than_equal'],
  ['pageSize=1.5', 'pageSize integer_type'],
  ['currentPage=0', 'currentPage greater_than_equal'],
  ['currentPage=1', undefined],
  ['currentPage=1000000', undefined],
  ['currentPage=1000001', 'currentPage less_than_equal'],
  [`searchString=${'x'.repeat(255)}`, undefined],
  [`searchString=${'x'.repeat(256)}`, 'searchString string_too_long'],
  [`searchString=${'%F0%9F%92%AA'.repeat(255)}`, undefined],
  ...['primaryMuscles', 'equipment', 'tags'].flatMap((name) => [
    [`${name}=0`, `${name} greater_than_equal`] as const,
    [`${name}=1`, undefined] as const,
    [`${name}=2147483647`, undefined] as const,
    [`${name}=2147483648`, `${name} less_than_equal`] as const,
    [repeated(name, oneTo(50)), undefined] as const,
    [repeated(name, oneTo(51)), `${name} too_long`] as const,
  ]),
  ...allCategories.map((category) => [`category=${category}`, undefined] as const),
  [repeated('category', allCategories), undefined],
  ['category=Strength', 'category literal_error'],
  [repeated('difficultyLevel', ['beginner', 'intermediate', 'expert']), undefined],
  ['difficultyLevel=novice', 'difficultyLevel literal_error'],
  ...['all', 'user', 'system'].map((scope) => [`scope=${scope}`, undefined] as const),
  ['scope=other', 'scope literal_error'],
];

test('every parameter of the list at, below and above its limits', async () => {
  for (const [query, fault] of queries) {
    const answer = await send('GET', `/exercises?${query}`, person);
    if (fault === undefined) assert.equal(answer.status, 200, `${query} ${JSON.stringify(answer.body)}`);
    else assertInvalid(answer, fault);
  }
});

test('every parameter of the reference lists at and above its limits', async () => {
  for (const slug of listSlugs) {
    const list = (query: string) => send('GET', `/catalogs/${slug}?${query}`, person);
    assert.equal((await list(`searchString=${'x'.repeat(255)}`)).status, 200);
    assertInvalid(await list(`searchString=${'x'.repeat(256)}`), 'searchString string_too_long');
    for (const query of ['orderBy=id', 'orderBy=name', 'sortOrder=asc', 'sortOrder=desc']) {
      assert.equal((await list(query)).status, 200, query);
    }
  }
});

test('whatever their role, people keep exercises of their own and read the reference lists', async () => {
  for (const who of [person, trainer, superuser]) {
    const name = newName('Own');
    const made = await send('POST', '/exercises/user', who, ownExercise(chest, { name }));
    assert.equal(made.status, 201);
    assert.equal(member(made.body, 'createdBy'), who.id);
    const path = `/exercises/user/${textMember(made.body, 'id')}`;
    assert.equal((await send('PATCH', path, who, { force: 'pull' })).status, 200);
    const found = await send('GET', `/exercises?scope=user&searchString=${encodeURIComponent(name)}`, who);
    assert.deepEqual(
      itemsOf(found.body).map((item) => [member(item, 'name'), member(item, 'force')]),
      [[name, 'pull']],
    );
    for (const slug of listSlugs) assert.equal((await send('GET', `/catalogs/${slug}`, who)).status, 200);
  }
  for (const slug of listSlugs) {
    assertProblem(await send('POST', `/catalogs/${slug}`, trainer, { name: 'mine' }), 403, 'not-permitted');
  }
});

test('of two parallel creations of one name one is 201 and one 409, time and again', async () => {
  for (const [kind, who, make] of [
    ['user', trainer, (name: string) => ownExercise(chest, { name })],
    ['system', superuser, (name: string) => systemExercise(chest, home, { name })],
  ] as const) {
    for (let round = 0; round < 10; round += 1) {
      const name = newName('Twin');
      const answers = await Promise.all(
        [name, name.toUpperCase()].map((each) => send('POST', `/exercises/${kind}`, who, make(each))),
      );
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409]);
    }
  }
});

test('who has more exercises than are soon read sees the same list by every way it is made', async () => {
  const collector = await enter(service);
  const count = 450;
  await service.sql`
    insert into exercises (id, owner_id, name, name_key, difficulty_level, category, created_at, updated_at)
    select gen_random_uuid(), ${collector.id}, 'Many ' || n, 'many ' || n, 'beginner', 'cardio',
      timestamptz '2026-01-01' + n * interval '1 microsecond', now()
    from generate_series(1, ${count}::int) n`;
  const names = oneTo(count).map((n) => `Many ${n}`);
  const page = async (query: string) => {
    const { status, body } = await send('GET', `/exercises?scope=user&orderBy=createdAt&${query}`, collector);
    assert.equal(status, 200);
    return { names: itemsOf(body).map((item) => textMember(item, 'name')), body };
  };
  // The first are read from the database, later ones out of memory; sizes differ so that no page was made before.
  const seen = async (size: number) => {
    const all: string[] = [];
    for (let cursor = ''; ; ) {
      const { names: shown, body } = await page(
        `pageSize=${size}${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      all.push(...shown);
      const next = member(body, 'next_cursor');
      if (next === null) return all;
      cursor = String(next);
    }
  };
  for (const size of [100, 99, 98, 97]) assert.deepEqual(await seen(size), names);
  for (const size of [40, 41, 42]) {
    const { names: shown, body } = await page(`pageSize=${size}&currentPage=10`);
    assert.deepEqual(shown, names.slice(9 * size, 10 * size));
    assert.equal(member(body, 'total'), count);
  }
  const own = ownExercise(chest, { name: 'Many more' });
  assert.equal((await send('POST', '/exercises/user', collector, own)).status, 201);
  for (const size of [30, 31, 32]) {
    const { names: shown, body } = await page(`pageSize=${size}&sortOrder=desc`);
    assert.deepEqual(shown, ['Many more', ...names.toReversed()].slice(0, size));
    assert.equal(member(body, 'total'), count + 1);
  }
});
