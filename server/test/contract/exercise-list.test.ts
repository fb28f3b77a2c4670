import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addItem, assertExercise, createExercise, ownExercise, systemExercise } from '../support/catalog.ts';
import { assertInvalid, fieldsOf, itemsOf } from '../support/expectations.ts';
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
const stranger = await enter(service);
const newcomer = await enter(service);
const a = await addItem(service, superuser, 'muscle-groups', 'muscle a');
const b = await addItem(service, superuser, 'muscle-groups', 'muscle b');
const bar = await addItem(service, superuser, 'equipment', 'barbell');
const cable = await addItem(service, superuser, 'equipment', 'cable');
const home = await addItem(service, superuser, 'exercise-tags', 'home');
const gym = await addItem(service, superuser, 'exercise-tags', 'gym');

type Query = Record<string, string | number | readonly (string | number)[]>;

const list = (query: Query = {}, who: SignedIn = person) => {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((each) => [name, String(each)]),
  );
  return call(service, `/api/v1/exercises?${new URLSearchParams(pairs)}`, { bearer: who.accessToken });
};

async function names(query: Query = {}, who: SignedIn = person): Promise<string[]> {
  const answer = await list(query, who);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return itemsOf(answer.body).map((item) => textMember(item, 'name'));
}

const ours = [
  systemExercise(a, home, { name: 'bench Press', equipment: [bar], category: 'powerlifting' }),
  systemExercise(b, gym, { name: 'Cable Fly', equipment: [cable], difficultyLevel: 'expert' }),
  systemExercise(a, gym, { name: 'Deadlift 100%', primaryMuscles: [a, b], equipment: [bar, cable] }),
  systemExercise(b, home, { name: 'plank_hold', category: 'stretching' }),
];
const mine = [
  ownExercise(a, { name: 'Bench press' }),
  ownExercise(b, { name: '\u00c4rmel\u00fcbung', difficultyLevel: 'intermediate' }),
  ownExercise(a, { name: 'Zercher Squat', equipment: [bar], category: 'strongman' }),
];
for (const exercise of ours) await createExercise(service, superuser, 'system', exercise);
for (const exercise of mine) await createExercise(service, person, 'user', exercise);
await createExercise(service, stranger, 'user', ownExercise(a, { name: 'Strange Press' }));
const ourNames = ['bench Press', 'Cable Fly', 'Deadlift 100%', 'plank_hold'];
const myNames = ['Bench press', 'Zercher Squat', '\u00c4rmel\u00fcbung'];

test('a list has the exercises, what was asked for, and how many there are in all', async () => {
  const answer = await list();
  assert.equal(answer.status, 200);
  assert.deepEqual(fieldsOf(answer.body), ['items', 'limit', 'next_cursor', 'offset', 'total']);
  assert.equal(member(answer.body, 'limit'), 20);
  assert.equal(member(answer.body, 'offset'), 0);
  assert.equal(member(answer.body, 'total'), 7);
  assert.equal(member(answer.body, 'next_cursor'), null);
  for (const item of itemsOf(answer.body)) {
    assertExercise(item, {});
    const alone = await call(service, `/api/v1/exercises/${textMember(item, 'id')}`, {
      bearer: person.accessToken,
    });
    assert.deepEqual(alone.body, item, 'the same as when it is read alone');
  }
});

test('everybody sees the system and their own, never what is another one\u0027s, by whatever query', async () => {
  const trainer = await enter(service);
  await service.sql`update users set role_slug = 'fitness-trainer' where id = ${trainer.id}`;
  const again = await signIn(service, trainer);
  for (const query of [{}, { orderBy: 'createdAt' }, { searchString: 'press' }, { primaryMuscles: [a, b] }]) {
    for (const [who, own] of [
      [person, person.id],
      [stranger, stranger.id],
      [newcomer, newcomer.id],
      [superuser, superuser.id],
      [again, again.id],
    ] as const) {
      const everything = itemsOf((await list({ ...query, pageSize: 100 }, who)).body);
      assert.ok(everything.length > 0);
      for (const item of everything) assert.ok([null, own].includes(textOrNull(member(item, 'createdBy'))));
    }
  }
  assert.deepEqual((await names({ scope: 'all' }, newcomer)).sort(), ourNames.toSorted());
  assert.deepEqual(await names({ scope: 'user' }, newcomer), []);
  assert.deepEqual(await names({ scope: 'user' }, stranger), ['Strange Press']);
});

const textOrNull = (value: unknown) => (value === null ? null : String(value));

test('a scope narrows the list to the system or to own exercises', async () => {
  assert.deepEqual(await names({ scope: 'system' }), ourNames);
  assert.deepEqual(await names({ scope: 'user' }), myNames);
  assert.equal((await names({ scope: 'all' })).length, 7);
  assert.equal((await names()).length, 7);
});

test('a list is ordered by name without regard to case, or by creation, either way round', async () => {
  const byName = (await names()).map((name) => name.toLowerCase());
  assert.deepEqual(byName, byName.toSorted());
  assert.deepEqual(await names({ sortOrder: 'desc' }), (await names()).toReversed());
  const asCreated = [...ours, ...mine].map(({ name }) => name);
  assert.deepEqual(await names({ orderBy: 'createdAt' }), asCreated);
  assert.deepEqual(await names({ orderBy: 'createdAt', sortOrder: 'desc' }), asCreated.toReversed());
});

test('a search finds a part of the name in any case, and takes percent, underscore and backslash as text', async () => {
  assert.deepEqual((await names({ searchString: 'PRESS' })).sort(), ['Bench press', 'bench Press']);
  assert.deepEqual(await names({ searchString: '\u00e4RMEL\u00dc' }), ['\u00c4rmel\u00fcbung']);
  assert.deepEqual(await names({ searchString: 'A\u0308rmel' }), ['\u00c4rmel\u00fcbung'], 'decomposed');
  assert.deepEqual(await names({ searchString: '0%' }), ['Deadlift 100%']);
  assert.deepEqual(await names({ searchString: 'k_h' }), ['plank_hold']);
  assert.deepEqual(await names({ searchString: 'e_c' }), []);
  for (const nothing of ['\\', 'zzz', "'; drop table exercises; --", '\u{1f4aa}']) {
    assert.deepEqual(await names({ searchString: nothing }), [], nothing);
    assert.equal(member((await list({ searchString: nothing })).body, 'total'), 0);
  }
  assert.deepEqual(await names({ searchString: '' }), await names());
});

test('of the ids of a filter any may match, and all filters have to', async () => {
  const cases: [Query, string[]][] = [
    [{ primaryMuscles: [b], scope: 'system' }, ['Cable Fly', 'Deadlift 100%', 'plank_hold']],
    [{ primaryMuscles: [a, b], scope: 'system' }, ourNames],
    [{ equipment: cable }, ['Cable Fly', 'Deadlift 100%']],
    [{ equipment: [bar, cable], scope: 'system' }, ['bench Press', 'Cable Fly', 'Deadlift 100%']],
    [{ tags: [home] }, ['bench Press', 'plank_hold']],
    [{ tags: [home, gym] }, ourNames],
    [{ category: 'strongman' }, ['Zercher Squat']],
    [{ category: ['strongman', 'stretching'] }, ['plank_hold', 'Zercher Squat']],
    [{ difficultyLevel: ['expert', 'intermediate'] }, ['Cable Fly', '\u00c4rmel\u00fcbung']],
    [{ primaryMuscles: b, equipment: bar, tags: gym, searchString: 'DEAD' }, ['Deadlift 100%']],
    [{ primaryMuscles: b, tags: home, equipment: bar }, []],
    [{ primaryMuscles: 99_999 }, []],
  ];
  for (const [query, wanted] of cases) {
    assert.deepEqual((await names(query)).sort(), wanted.toSorted(), JSON.stringify(query));
    assert.equal(member((await list(query)).body, 'total'), wanted.length);
  }
});

test('names of several words may be written in snake_case, with the same faults under that name', async () => {
  const query = {
    search_string: 'e',
    page_size: 2,
    current_page: 2,
    order_by: 'createdAt',
    sort_order: 'desc',
  };
  const same = { searchString: 'e', pageSize: 2, currentPage: 2, orderBy: 'createdAt', sortOrder: 'desc' };
  assert.deepEqual((await list(query)).body, (await list(same)).body);
  assert.deepEqual(
    await names({ primary_muscles: [a], difficulty_level: 'beginner' }),
    await names({ primaryMuscles: [a], difficultyLevel: 'beginner' }),
  );
  assertInvalid(
    await list({ page_size: 101, current_page: 0, primary_muscles: 'x', difficulty_level: 'hard' }),
    'page_size less_than_equal',
    'current_page greater_than_equal',
    'primary_muscles integer_type',
    'difficulty_level literal_error',
  );
});

test('every bad query parameter is listed', async () => {
  assertInvalid(
    await list({
      scope: 'mine',
      currentPage: 0,
      pageSize: 0,
      orderBy: 'email',
      sortOrder: 'up',
      primaryMuscles: [1, 0],
      equipment: '',
      tags: '1.5',
      category: ['cardio', 'running'],
      difficultyLevel: '',
      muscles: 1,
    }),
    ...['scope literal_error', 'currentPage greater_than_equal', 'pageSize greater_than_equal'],
    ...['orderBy literal_error', 'sortOrder literal_error', 'primaryMuscles greater_than_equal'],
    ...['equipment integer_type', 'tags integer_type', 'category literal_error'],
    ...['difficultyLevel literal_error', 'muscles extra_forbidden'],
  );
  assertInvalid(await list({ pageSize: 101, searchString: 'x'.repeat(256) }), ...tooLong);
  assertInvalid(
    await list({ primaryMuscles: Array.from({ length: 51 }, () => a) }),
    'primaryMuscles too_long',
  );
  assertInvalid(await list({ currentPage: [1, 2] }), 'currentPage integer_type');
  const nul = await call(service, '/api/v1/exercises?searchString=a%00b', { bearer: person.accessToken });
  assertInvalid(nul, 'searchString string_unicode');
});

const tooLong = ['pageSize less_than_equal', 'searchString string_too_long'];

const orders = ['name', 'createdAt'].flatMap((orderBy) =>
  ['asc', 'desc'].map((sortOrder) => ({ orderBy, sortOrder })),
);

test('the pages of a list hold every exercise once, by number as by cursor, whatever the order', async () => {
  for (const order of orders) {
    const whole = await names(order);
    for (const pageSize of [1, 2, 3, 6, 7, 8]) {
      const numbered: string[] = [];
      const byCursor: string[] = [];
      let cursor: unknown;
      for (let page = 1; page <= Math.ceil(7 / pageSize); page += 1) {
        const answer = await list({ ...order, pageSize, currentPage: page });
        assert.equal(member(answer.body, 'total'), 7);
        assert.equal(member(answer.body, 'offset'), (page - 1) * pageSize);
        numbered.push(...itemsOf(answer.body).map((item) => textMember(item, 'name')));
        const next = page === 1 ? answer : await list({ ...order, pageSize, cursor: String(cursor) });
        assert.equal(next.status, 200, JSON.stringify(next.body));
        if (page > 1) assert.deepEqual(fieldsOf(next.body), ['items', 'limit', 'next_cursor']);
        byCursor.push(...itemsOf(next.body).map((item) => textMember(item, 'name')));
        cursor = member(next.body, 'next_cursor');
      }
      assert.equal(cursor, null);
      assert.deepEqual(numbered, whole);
      assert.deepEqual(byCursor, whole);
    }
  }
});

test('a page past the end is empty and still says how many there are', async () => {
  for (const query of [
    { currentPage: 1_000_000, pageSize: 100 },
    { currentPage: 8, pageSize: 1 },
  ]) {
    const { body } = await list(query);
    assert.deepEqual(itemsOf(body), []);
    assert.equal(member(body, 'total'), 7);
    assert.equal(member(body, 'next_cursor'), null);
  }
});

test('a cursor that is forged, cut, or of another list is a 422', async () => {
  const query = { pageSize: 2 };
  const cursor = textMember((await list(query)).body, 'next_cursor');
  assert.equal((await list({ ...query, cursor })).status, 200);
  assert.equal((await list({ pageSize: 5, cursor })).status, 200, 'another size is the same list');
  for (const other of [
    { orderBy: 'createdAt' },
    { sortOrder: 'desc' },
    { scope: 'system' },
    { searchString: 'press' },
    { primaryMuscles: a },
  ]) {
    assertInvalid(await list({ ...query, ...other, cursor }), 'cursor value_error');
  }
  for (let at = 0; at < cursor.length; at += 1) {
    const wrong = `${cursor.slice(0, at)}${cursor[at] === 'A' ? 'B' : 'A'}${cursor.slice(at + 1)}`;
    assertInvalid(await list({ ...query, cursor: wrong }), 'cursor value_error');
    if (at > 0) assertInvalid(await list({ ...query, cursor: cursor.slice(0, at) }), 'cursor value_error');
  }
  assertInvalid(await list({ cursor: '' }), 'cursor string_too_short');
  assertInvalid(await list({ cursor: 'x'.repeat(1025) }), 'cursor string_too_long');
});

test('no text for a cursor makes the list fail', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.base64String({ minLength: 1, maxLength: 200 }),
        fc.string({ unit: 'binary', minLength: 1 }),
      ),
      async (cursor) => {
        const { status } = await list({ cursor: cursor.toWellFormed() });
        assert.equal(status, 422);
      },
    ),
    { numRuns: 100 },
  );
});

test('a total stays right whichever pages, scopes and filters were counted before, and after a change', async () => {
  const total = async (query: Query) => member((await list({ pageSize: 1, ...query })).body, 'total');
  for (let round = 0; round < 2; round += 1) {
    const before = Number(await total({ scope: 'user' }));
    for (const scopes of [
      ['system', 'user', 'all'],
      ['all', 'user', 'system'],
    ]) {
      for (const currentPage of [1, 2]) {
        const found = Object.fromEntries(
          await Promise.all(scopes.map(async (scope) => [scope, await total({ scope, currentPage })])),
        );
        assert.deepEqual(found, { system: 4, user: before, all: before + 4 });
      }
    }
    const strongmen = Number(await total({ category: 'strongman', scope: 'user' }));
    await createExercise(service, person, 'user', ownExercise(b, { category: 'strongman' }));
    assert.equal(await total({ scope: 'user' }), before + 1);
    assert.equal(await total({ category: 'strongman', scope: 'user' }), strongmen + 1);
    assert.equal(await total({ scope: 'system' }), 4);
  }
});

test('paging by cursor neither skips nor repeats while rows are inserted and deleted', async () => {
  const pager = await enter(service);
  const steady = Array.from({ length: 20 }, (_, index) => `Steady ${String(index).padStart(2, '0')}`);
  for (const name of steady) await createExercise(service, pager, 'user', ownExercise(a, { name }));
  for (const order of orders) {
    const seen: string[] = [];
    let cursor: string | null = '';
    for (let page = 0; cursor !== null; page += 1) {
      const query = { ...order, scope: 'user', pageSize: 3, ...(cursor === '' ? {} : { cursor }) };
      const { status, body } = await list(query, pager);
      assert.equal(status, 200);
      seen.push(...itemsOf(body).map((item) => textMember(item, 'name')));
      cursor = textOrNull(member(body, 'next_cursor'));
      // Before and after the place of the cursor.
      const early = await createExercise(service, pager, 'user', ownExercise(a, { name: `Aaa ${page}` }));
      const late = await createExercise(service, pager, 'user', ownExercise(a, { name: `Zzz ${page}` }));
      await service.sql`delete from exercises where id in (${early}, ${late})`;
      await createExercise(
        service,
        pager,
        'user',
        ownExercise(a, { name: `Abc ${order.orderBy}${order.sortOrder}${page}` }),
      );
    }
    const kept = seen.filter((name) => name.startsWith('Steady'));
    assert.deepEqual(kept.toSorted(), steady);
    assert.equal(new Set(seen).size, seen.length, 'nothing twice');
  }
});
