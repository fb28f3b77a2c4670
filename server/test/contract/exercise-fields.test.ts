import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addItem, createExercise, ownExercise, systemExercise } from '../support/catalog.ts';
import { assertInvalid, assertProblem } from '../support/expectations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  type SignedIn,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const person = await enter(service);
const stranger = await enter(service);
const chest = await addItem(service, superuser, 'muscle-groups', 'chest');
const triceps = await addItem(service, superuser, 'muscle-groups', 'triceps');
const bar = await addItem(service, superuser, 'equipment', 'barbell');
const home = await addItem(service, superuser, 'exercise-tags', 'home');

const own = (fields: object = {}) => ownExercise(chest, fields);
const system = (fields: object = {}) => systemExercise(chest, home, fields);

const send = (method: string, path: string, who: SignedIn, json?: object) =>
  call(service, `/api/v1/exercises${path}`, {
    method,
    bearer: who.accessToken,
    ...(json === undefined ? {} : { json }),
  });

interface FieldCase {
  field: string;
  good: readonly unknown[];
  bad: readonly [value: unknown, type: string][];
  /** Only of system exercises. */
  systemOnly?: boolean;
  required?: boolean;
}

const ids = (count: number) => Array.from({ length: count }, () => chest);
const badIds: FieldCase['bad'] = [
  [[], 'too_short'],
  [ids(51), 'too_long'],
  [[0], 'greater_than_equal'],
  [[2_147_483_648], 'less_than_equal'],
  [['1'], 'integer_type'],
  [[1.5], 'integer_type'],
  [{}, 'array_type'],
  [chest, 'array_type'],
];
const badPaths: FieldCase['bad'] = [
  ...['', 'a/b.jpg', '/a.jpg', '/a/b.gif', '/A/b.jpg', '/a/b.JPG', '/a/b/c.jpg', '//b.jpg', '/a/b.jpg\n'],
  ...['/a/../b.jpg', 'https://x.test/a/b.jpg', '/a/b jpg', '/a/.jpg'],
].map((path) => [path, 'string_pattern_mismatch'] as const);

const fields: readonly FieldCase[] = [
  {
    field: 'primaryMuscles',
    required: true,
    good: [ids(1), ids(50), [chest, triceps]],
    bad: [...badIds, [null, 'array_type']],
  },
  { field: 'secondaryMuscles', good: [ids(1), ids(50), null], bad: badIds },
  { field: 'equipment', good: [[bar], null], bad: badIds },
  { field: 'tags', systemOnly: true, required: true, good: [[home]], bad: [...badIds, [null, 'array_type']] },
  {
    field: 'force',
    good: ['pull', 'push', 'static', null],
    bad: ['', 'Pull', 1, []].map((value) => [value, 'literal_error']),
  },
  {
    field: 'mechanic',
    good: ['compound', 'isolation', null],
    bad: ['', 'other', true].map((value) => [value, 'literal_error']),
  },
  {
    field: 'difficultyLevel',
    required: true,
    good: ['beginner', 'intermediate', 'expert'],
    bad: ['', 'Expert', null, 1].map((value) => [value, 'literal_error']),
  },
  {
    field: 'category',
    required: true,
    good: [
      ...['strength', 'stretching', 'plyometrics', 'strongman', 'powerlifting', 'cardio'],
      'olympic weightlifting',
    ],
    bad: ['', 'olympic', null, 0].map((value) => [value, 'literal_error']),
  },
  {
    field: 'imagePathStart',
    systemOnly: true,
    good: ['/a/b.jpg', '/a-1/b_2.jpeg', '/a/b.png', '/a/b.webp', `/a/${'b'.repeat(248)}.jpg`, null],
    bad: [...badPaths, [`/a/${'b'.repeat(249)}.jpg`, 'string_too_long'], [1, 'string_type']],
  },
  { field: 'imagePathEnd', systemOnly: true, good: ['/a/b.webp', null], bad: badPaths },
];

for (const { field, good, bad, systemOnly = false, required = false } of fields) {
  for (const [path, who, make] of [
    ['/user', person, own],
    ['/system', superuser, system],
  ] as const) {
    if (systemOnly && path === '/user') continue;
    test(`${field} of ${path} at, below and above its limits`, async () => {
      const id = await createExercise(service, who, path === '/user' ? 'user' : 'system', make());
      const attempts = (value: unknown) => [
        send('POST', path, who, make({ [field]: value })),
        send('PATCH', `${path}/${id}`, who, { [field]: value }),
      ];
      for (const value of good) {
        const statuses = (await Promise.all(attempts(value))).map(({ status }) => status);
        assert.deepEqual(statuses, [201, 200], JSON.stringify(value));
      }
      for (const [value, type] of bad) {
        for (const answer of await Promise.all(attempts(value))) assertInvalid(answer, `${field} ${type}`);
      }
      const { [field]: _left, ...without } = Object(make({ [field]: good[0] }));
      const answer = await send('POST', path, who, without);
      if (required) assertInvalid(answer, `${field} missing`);
      else assert.equal(answer.status, 201);
    });
  }
}

test('instructions: cleared by null in a custom exercise, required in one of the system', async () => {
  const long = '\u{1f4aa}'.repeat(10_000);
  const mine = await createExercise(service, person, 'user', own({ instructions: long }));
  const ours = await createExercise(service, superuser, 'system', system({ instructions: 'x' }));
  for (const [path, who, make] of [
    [`/user/${mine}`, person, own],
    [`/system/${ours}`, superuser, system],
  ] as const) {
    const create = path.startsWith('/user') ? '/user' : '/system';
    for (const [value, type] of [
      ['', 'too_short'],
      ['x'.repeat(10_001), 'too_long'],
    ] as const) {
      assertInvalid(await send('PATCH', path, who, { instructions: value }), `instructions string_${type}`);
      assertInvalid(
        await send('POST', create, who, make({ instructions: value })),
        `instructions string_${type}`,
      );
    }
  }
  assert.equal((await send('PATCH', `/user/${mine}`, person, { instructions: null })).status, 200);
  assertInvalid(
    await send('PATCH', `/system/${ours}`, superuser, { instructions: null }),
    'instructions string_type',
  );
  const { instructions: _, ...without } = system();
  assertInvalid(await send('POST', '/system', superuser, without), 'instructions missing');
});

test('every bad field is listed, and unknown ones and those of the other kind are refused', async () => {
  assertInvalid(
    await send('POST', '/user', person, { tags: [home], imagePathStart: '/a/b.jpg', slug: 'x', name: 'ab' }),
    'name string_too_short',
    'primaryMuscles missing',
    'difficultyLevel missing',
    'category missing',
    'tags extra_forbidden',
    'imagePathStart extra_forbidden',
    'slug extra_forbidden',
  );
  const id = await createExercise(service, person, 'user', own());
  const nulls = await send('PATCH', `/user/${id}`, person, { name: null, primaryMuscles: null });
  assertInvalid(nulls, 'name string_type', 'primaryMuscles array_type');
});

test('whatever text a name is, it is stored or refused, and found again', async () => {
  const names = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 110 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 110 }),
  );
  await fc.assert(
    fc.asyncProperty(names, async (name) => {
      const answer = await send('POST', '/user', stranger, own({ name }));
      const length = [...name].length;
      assert.ok([201, 409, 422].includes(answer.status), JSON.stringify(answer.body));
      if (!name.isWellFormed() || name.includes('\0')) assert.equal(answer.status, 422);
      if (length < 3 || length > 100) assert.equal(answer.status, 422);
      if (answer.status !== 201) return;
      const stored = textMember(answer.body, 'name');
      assert.equal(stored, name.normalize('NFC').replaceAll(/\s+/g, ' ').trim());
      const query = new URLSearchParams({ name: stored });
      const found = await send('GET', `/criteria/?${query}`, stranger);
      assert.equal(member(found.body, 'id'), member(answer.body, 'id'));
      const again = await send('POST', '/user', stranger, own({ name }));
      assertProblem(again, 409, 'exercise-name-taken');
    }),
    { numRuns: 100 },
  );
});
